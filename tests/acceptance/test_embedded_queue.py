"""The embedded queue under real processes: a clock that is set back, a stopped holder,
a file that is removed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from deployment import (
    ROOT,
    Deployment,
    await_health,
    deployed,
    end,
    free_port,
    legacy_service,
    log_of,
    start,
)
from holder import stopped

from gateway.demo.legacy import PATH
from gateway.message import Message
from gateway.queues.embedded.queue import SqliteQueue

FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
SOON = 30.0
GET_ORDER = ROOT / "tests" / "golden" / "envelopes" / "get_order_11.xml"
SETTINGS = """\
queue = "sqlite:///queue.db"

[services.warehouse]
wsdl = "{wsdl}"
forward = "http://127.0.0.1:{port}{path}"
repeatable = ["GetOrder"]
"""


@contextlib.asynccontextmanager
async def opened(path: Path):
    queue = await SqliteQueue.open(path)
    try:
        yield queue
    finally:
        await queue.aclose()


def request() -> Message:
    return Message(
        body=GET_ORDER.read_bytes(),
        content_type="text/xml; charset=utf-8",
        target_service="warehouse",
        sender="alice",
    )


async def logged(path: Path, text: str) -> None:
    """Wait until a log has a text."""
    async with asyncio.timeout(SOON):
        while text not in path.read_text():
            await asyncio.sleep(0.05)


@pytest.mark.skipif(not FAKETIME, reason="libfaketime is not here: apt-get install libfaketime")
async def test_what_waits_is_carried_out_although_the_clock_is_set_back(tmp_path, monkeypatch):
    clock, settings, port = tmp_path / "clock", tmp_path / "gateway.toml", free_port()
    wsdl = ROOT / "wsdl" / "warehouse.wsdl"
    settings.write_text(SETTINGS.format(wsdl=wsdl, port=port, path=PATH))
    clock.write_text("+0")
    with monkeypatch.context() as faked:
        faked.setenv("LD_PRELOAD", str(FAKETIME[0]))
        faked.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        faked.setenv("FAKETIME_NO_CACHE", "1")
        faked.setenv("FAKETIME_TIMESTAMP_FILE", str(clock))
        serving = start("serve", settings)
    log = log_of(settings)
    try:
        async with opened(tmp_path / "queue.db") as queue:
            await queue.send(sent := request())
            await logged(log, sent.id)  # the service is down: it was given back
            clock.write_text("-2h")
            await logged(log, "the clock of this machine was set back by")
            command = [sys.executable, "-P", "-m", "gateway.demo.legacy", "--port", str(port)]
            legacy = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            try:
                reply = (await queue.collect("alice", sent.id, 240)).reply
                assert reply is not None
                assert not reply.is_fault
            finally:
                end(legacy)
    finally:
        end(serving)


def asked(made: Deployment, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Return the status and the body of an answer of the listener."""
    headers = {"Content-Type": "text/xml; charset=utf-8"}
    call = urllib.request.Request(f"{made.listener}{path}", body, headers)
    try:
        with urllib.request.urlopen(call, timeout=240) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_process_stopped_in_a_commit_is_told_and_callers_fail_together(tmp_path):
    body = GET_ORDER.read_bytes()
    with deployed(tmp_path) as made, ThreadPoolExecutor(12) as pool:
        assert asked(made, "/warehouse", body)[0] == 200
        with stopped(tmp_path / "queue.db") as process:
            calls = list(pool.map(lambda _: asked(made, "/warehouse", body), range(12)))
            assert Counter(status for status, _ in calls) == {503: 12}
            status, health = asked(made, "/healthz")
            assert status == 503
            assert "another process holds it" in json.loads(health)["reason"]
            told = f"process {process.pid} holds the queue file and is stopped"
            for log in map(log_of, (made.client, made.private)):
                await_that(lambda log=log: told in log.read_text())
            assert b"%d" % process.pid not in health + calls[0][1]
            process.send_signal(signal.SIGCONT)
            process.wait()
        assert asked(made, "/warehouse", body)[0] == 200
        await_that(lambda: asked(made, "/healthz")[0] == 200)


def await_that(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.1)


UP = """\
queue = "sqlite:///queue.db"

[services.warehouse]
wsdl = "{wsdl}"
forward = "{legacy}"

[listener]
bind = "{bind}"
"""


@pytest.mark.parametrize("command", ["up", "listen"])
def test_a_process_whose_queue_file_is_removed_ends_and_says_so(tmp_path, command):
    settings, bind = tmp_path / "gateway.toml", f"127.0.0.1:{free_port()}"
    with legacy_service() as legacy:
        settings.write_text(UP.format(wsdl=ROOT / "wsdl/warehouse.wsdl", legacy=legacy, bind=bind))
        log = log_of(settings)
        process = start(command, settings)
        try:
            await_health(f"http://{bind}", log)
            for part in tmp_path.glob("queue.db*"):
                if part.is_file():
                    part.unlink()
            await_that(lambda: is_over(process, bind))
            assert process.returncode != 0
            assert "was removed or replaced while it was open" in log.read_text()
            assert "Traceback" not in log.read_text()
            process = start(command, settings)
            await_health(f"http://{bind}", log)
        finally:
            end(process)


def is_over(process: subprocess.Popen[bytes], bind: str) -> bool:
    """Tell whether a process has ended; a listener without callers looks when health is asked."""
    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"http://{bind}/healthz", timeout=SOON).close()
    return process.poll() is not None
