"""A gateway inside of another asyncio program."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

import aiohttp
import pytest

import gateway
from gateway.errors import ConfigurationError, QueueBroken, QueueUnavailable

SOON = 240.0
SERVICE = """
import time
from spyne import Float, ServiceBase, Unicode, rpc

class Quotes(ServiceBase):
    __namespace__ = "urn:example:quotes"

    @rpc(Unicode, Float, _returns=Unicode)
    def Quote(ctx, symbol, seconds):
        time.sleep(seconds or 0)
        if symbol.endswith("broken"):
            raise ValueError(f"cannot quote {symbol}")
        return f"{symbol} 42"
"""
ENVELOPE = """<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>
<Quote xmlns="urn:example:quotes"><symbol>{}</symbol><seconds>{}</seconds></Quote>
</Body></Envelope>"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> gateway.Settings:
    module = f"quotes_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{module}.py").write_text(SERVICE)
    monkeypatch.syspath_prepend(str(tmp_path))
    values = {
        "queue": "sqlite:///queue.db",
        "services": {"quotes": {"host": f"{module}:Quotes"}},
        "listener": {"bind": "127.0.0.1:0"},
        "gateway": {"grace": 60},
    }
    return gateway.settings_of(values, tmp_path)


async def ask(url: str, symbol: str, seconds: float = 0.0) -> str:
    async with aiohttp.ClientSession() as session:
        body = ENVELOPE.format(symbol, seconds).encode()
        headers = {"Content-Type": "text/xml"}
        async with session.post(f"{url}/quotes", data=body, headers=headers) as response:
            return await response.text()


async def test_a_program_answers_calls_for_as_long_as_its_block_runs(settings):
    async with gateway.up(settings) as running:
        assert running.url.startswith("http://127.0.0.1:")
        assert "ACME 42" in await ask(running.url, "ACME")
    with pytest.raises(aiohttp.ClientConnectionError):
        await ask(running.url, "ACME")


async def test_a_gateway_and_a_listener_run_apart_in_one_program(settings):
    async with gateway.listen(settings) as listening, gateway.serve(settings) as serving:
        assert serving.url == ""
        assert "ACME 42" in await ask(listening.url, "ACME")


async def test_what_was_begun_is_finished_at_the_end_of_the_block(settings):
    async with gateway.up(settings) as running:
        asking = asyncio.create_task(ask(running.url, "SLOW", 1.5))
        await asyncio.sleep(0.7)
    assert "SLOW 42" in await asking


async def test_where_the_port_is_taken_no_request_is(settings, caplog, monkeypatch):
    resolve = asyncio.BaseEventLoop.getaddrinfo

    async def slowly(*arguments, **options):
        await asyncio.sleep(1.0)
        return await resolve(*arguments, **options)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", slowly)
    async with gateway.listen(settings) as listening:
        asking = asyncio.create_task(ask(listening.url, "broken"))
        await asyncio.sleep(0.5)
        there = f"localhost:{listening.url.rpartition(':')[2]}"
        values = settings.model_dump(exclude={"folder"}, exclude_defaults=True)
        values["listener"]["bind"] = there
        with pytest.raises(ConfigurationError, match="cannot be listened on"):
            async with gateway.up(gateway.settings_of(values, settings.folder)):
                raise AssertionError
        assert "the operation Quote failed" not in caplog.text
        async with gateway.serve(settings):
            await asking
        assert "the operation Quote failed" in caplog.text


async def test_an_error_of_the_block_leaves_it_as_it_is_and_ends_the_gateway(settings):
    asking: list[asyncio.Task[str]] = []

    async def program() -> None:
        async with gateway.up(settings) as running:
            asking.append(asyncio.create_task(ask(running.url, "SLOW", 1.0)))
            await asyncio.sleep(0.5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await program()
    assert "SLOW 42" in await asking[0]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_block_that_is_cancelled_ends_as_any_other(settings):
    entered = asyncio.Event()

    async def program() -> None:
        async with gateway.up(settings):
            entered.set()
            await asyncio.Event().wait()

    work = asyncio.create_task(program())
    await asyncio.wait_for(entered.wait(), SOON)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_who_is_cancelled_again_and_again_leaves_nothing_running_on_what_is_closed(settings):
    entered = asyncio.Event()
    asking: list[asyncio.Task[str]] = []

    async def program() -> None:
        async with gateway.up(settings) as running:
            asking.append(asyncio.create_task(ask(running.url, "SLOW", 3.0)))
            await asyncio.sleep(0.5)
            entered.set()
            await asyncio.Event().wait()

    work = asyncio.create_task(program())
    await asyncio.wait_for(entered.wait(), SOON)
    while not work.done():
        work.cancel()
        await asyncio.sleep(0.05)
    with pytest.raises(asyncio.CancelledError):
        await work
    await asyncio.gather(*asking, return_exceptions=True)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_block_that_makes_another_error_of_its_end_leaves_no_cancellation(settings):
    async def program() -> None:
        async with gateway.serve(settings):
            (settings.folder / "queue.db").unlink()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                raise ZeroDivisionError from error

    with pytest.raises((ZeroDivisionError, QueueBroken)):
        await program()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_a_service_fails_on_is_in_no_log_however_it_is_written(settings, caplog):
    async with gateway.up(settings) as running:
        assert "Fault" in await ask(running.url, "SECRET-broken")
    assert "the operation Quote failed" in caplog.text
    assert "ValueError" in caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.05, 0.2])
async def test_a_start_that_is_cancelled_leaves_nothing_running(settings, pause):
    async def program() -> None:
        async with gateway.up(settings):
            await asyncio.Event().wait()

    work = asyncio.create_task(program())
    await asyncio.sleep(pause)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    ("program", "values", "error"),
    [
        (
            gateway.up,
            {
                "listener": {
                    "bind": "192.0.2.1:8800",
                    "unsafe_no_clients": True,
                    "unsafe_no_tls": True,
                }
            },
            ConfigurationError,
        ),
        (gateway.listen, {"queue": "sqlite:///nowhere/queue.db"}, ConfigurationError),
        (gateway.serve, {"queue": "s3://b-1-2?endpoint_url=http://127.0.0.1:1"}, QueueUnavailable),
    ],
)
async def test_a_start_that_fails_raises_its_error_and_the_block_never_runs(
    settings, program, values, error, monkeypatch
):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    changed = gateway.settings_of(
        {**settings.model_dump(exclude={"folder"}, exclude_defaults=True), **values},
        settings.folder,
    )
    with pytest.raises(error):
        async with program(changed):
            pytest.fail("it was entered")
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("program", [gateway.up, gateway.serve])
async def test_a_gateway_that_cannot_go_on_ends_the_block_with_its_error(settings, program):
    async def run() -> None:
        async with asyncio.timeout(SOON), program(settings):
            (settings.folder / "queue.db").unlink()
            await asyncio.Event().wait()

    with pytest.raises(QueueBroken):
        await run()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_neither_signals_nor_the_log_of_the_program_are_touched(settings, caplog):
    root, handlers = logging.getLogger(), list(logging.getLogger().handlers)
    with caplog.at_level(logging.INFO):
        async with gateway.up(settings):
            assert list(root.handlers) == handlers
            loop = asyncio.get_running_loop()
            assert not getattr(loop, "_signal_handlers", None)
    assert "HTTP callers: this machine only" in caplog.text


async def test_settings_are_those_of_the_file(tmp_path):
    path = tmp_path / "gateway.toml"
    path.write_text('queue = "memory:"\n[services.a]\nwsdl = "a.wsdl"\n')
    assert gateway.read_settings(path) == gateway.read_settings(str(path))
    with pytest.raises(ConfigurationError) as raised:
        gateway.settings_of({}, str(tmp_path))
    lines = str(raised.value).splitlines()
    assert [line.partition(" is missing")[0] for line in lines] == [
        "settings: queue:",
        "settings: services:",
    ]
    with contextlib.suppress(ConfigurationError):
        async with gateway.up(gateway.read_settings(path)):
            pytest.fail("its contract is not there")
