"""What a connection has time for, and what is told when it is ended."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from certificates import Authority
from wire import Asked, Wire, answer_of

from gateway.listening.connection_room import Room
from gateway.listening.connections import BROKEN, BUFFERED, Connection, Site
from gateway.listening.settings import ListenerSettings
from gateway.listening.tls import ListenerTls, tls_context
from gateway.observe.events import ConnectionEnded, Events, Trouble

PEER = "198.51.100.9"


class Served:
    """Connections to an application, in a room."""

    def __init__(self, asked: Asked, events: Events, settings: ListenerSettings) -> None:
        self.room = Room(settings.connections, settings.connections_per_address, events)
        self._asked = asked
        self._events = events
        self._settings = settings

    def connect(self, wire: Wire) -> Wire:
        slot = self.room.enter(wire)
        assert slot is not None
        loop = asyncio.get_running_loop()
        server = self._asked.server
        wire.connect(Connection(server, self._settings, self._events, self.room, slot, loop=loop))
        return wire


class Unread(Wire):
    """A connection whose caller does not read: what is written waits, and more than 64 KB halt."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        super().write(data)
        self.unread += len(data)
        if self.unread > 64 << 10:
            self._protocol.pause_writing()


def settings(**seconds: float) -> ListenerSettings:
    usual: dict[str, Any] = {"connections": 1, "connections_per_address": 1}
    return ListenerSettings(**(usual | {"head_timeout": 30.0, "reply_timeout": 30.0} | seconds))


@pytest.fixture
def wire() -> Iterator[Wire]:
    far, near = socket.socketpair()
    with far, near:
        yield Wire(PEER, socket=near)


@pytest.fixture
def ended(events: Events) -> list[tuple[Trouble, str]]:
    told: list[tuple[Trouble, str]] = []
    events.subscribe(ConnectionEnded, lambda event: told.append((event.trouble, event.peer)))
    return told


@pytest.fixture
def permits() -> asyncio.Semaphore:
    """One for each answer."""
    return asyncio.Semaphore(0)


@pytest.fixture
def held() -> asyncio.Event:
    """Set when an answer waits for its permit."""
    return asyncio.Event()


@pytest.fixture
def application(permits: asyncio.Semaphore, held: asyncio.Event) -> web.Application:
    """Answers at once; where the path says so, when there is a permit."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/held":
            held.set()
            await permits.acquire()
        return web.Response(body=b"x" * int(request.query.get("size", "2")))

    application = web.Application()
    application.add_routes([web.get("/{path:.*}", answer)])
    return application


@pytest.fixture
def serve(
    opened: Callable[..., Any], application: web.Application, events: Events
) -> Callable[..., Any]:
    async def serve(**seconds: float) -> Served:
        asked = await opened(application, lingering_time=0)
        return Served(asked, events, settings(**seconds))

    return serve


def asking(path: str = "/", *, is_last: bool = True) -> bytes:
    end = "Connection: close\r\n" if is_last else ""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{end}\r\n".encode()


async def until(is_true: Callable[[], object]) -> None:
    async with asyncio.timeout(120):
        while not is_true():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: local"])
async def test_a_head_that_does_not_come_in_time_ends_the_connection(
    serve, wire: Wire, ended: list[Any], sent: bytes
):
    (await serve(head_timeout=0.05)).connect(wire).send(sent)
    async with asyncio.timeout(120):
        await wire.ended.wait()
    assert wire.received == b""
    assert ended == [(Trouble.SLOW_HEAD, PEER)]


async def test_a_caller_that_left_before_is_not_told_to_be_slow(
    serve, wire: Wire, ended: list[Any]
):
    (await serve(head_timeout=0.05)).connect(wire).abort()
    await asyncio.sleep(0.1)
    assert ended == []


async def test_a_call_that_takes_longer_than_heads_may_is_answered(
    serve, wire: Wire, ended: list[Any], permits: asyncio.Semaphore
):
    (await serve(head_timeout=0.02)).connect(wire).send(asking("/held"))
    await asyncio.sleep(0.1)
    permits.release()
    assert (await wire.answer()).body == b"xx"
    assert ended == []


async def test_a_connection_is_at_work_from_the_head_of_a_request_to_the_end_of_its_answer(
    serve, wire: Wire, permits: asyncio.Semaphore
):
    served = await serve()
    served.connect(wire).send(asking("/held", is_last=False))
    assert served.room.enter(Wire()) is None
    permits.release()
    await until(lambda: wire.received)
    await asyncio.sleep(0)
    assert served.room.enter(Wire()) is not None
    assert wire.ended.is_set()


async def test_a_connection_stays_at_work_while_more_requests_wait_on_it(
    serve, wire: Wire, permits: asyncio.Semaphore
):
    served = await serve()
    served.connect(wire).send(asking("/held", is_last=False) * 2)
    for answered in (1, 2):
        assert served.room.enter(Wire()) is None
        permits.release()
        await until(lambda answered=answered: wire.received.count(b"200 OK") == answered)
        await asyncio.sleep(0)
    assert served.room.enter(Wire()) is not None


async def test_a_connection_that_is_lost_leaves_its_place(
    serve, wire: Wire, permits: asyncio.Semaphore
):
    served = await serve()
    served.connect(wire).send(asking("/held"))
    wire.abort()
    assert served.room.enter(Wire()) is None
    await asyncio.sleep(0)
    assert served.room.enter(Wire()) is not None
    permits.release()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n b: canary\r\n\r\n",
        b"\x16\x03\x01\x00\xa5canary\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: canary" + b"x" * 10000 + b"\r\n\r\n",
    ],
    ids=["folded", "TLS", "long"],
)
async def test_what_is_malformed_is_answered_without_a_word_of_it(
    serve, wire: Wire, ended: list[Any], caplog, sent: bytes
):
    (await serve()).connect(wire).send(sent)
    answer = await wire.answer()
    assert (answer.status, answer.body) == (400, BROKEN.encode())
    assert answer.headers["server"] == ""
    assert ended == [(Trouble.MALFORMED, PEER)]
    assert caplog.messages == ["a request was broken off: malformed"]


async def test_what_fails_outside_of_every_handler_is_500_and_nothing_more(
    opened, wire: Wire, events: Events, ended: list[Any]
):
    @web.middleware
    async def failing(request: web.Request, handler: Any) -> web.StreamResponse:
        raise ValueError("canary")

    asked = await opened(web.Application(middlewares=[failing]))
    Served(asked, events, settings()).connect(wire).send(asking())
    answer = await wire.answer()
    assert (answer.status, answer.body) == (500, b"The listener failed.\n")
    assert ended == []


async def test_an_answer_that_is_not_read_in_time_is_given_up(serve, ended: list[Any], caplog):
    wire = (await serve(reply_timeout=0.05)).connect(Unread(PEER))
    wire.send(asking("/?size=100000"))
    async with asyncio.timeout(120):
        await wire.ended.wait()
    assert ended == [(Trouble.SLOW_READER, PEER)]
    assert "an answer was not read in 0.05 s: given up" in caplog.text


async def test_short_answers_behind_others_that_are_not_read_are_given_up_too(
    serve, ended: list[Any]
):
    wire = (await serve(reply_timeout=0.05)).connect(Unread(PEER))
    wire.send(asking(f"/?size={BUFFERED}", is_last=False) * 4)
    async with asyncio.timeout(120):
        await wire.ended.wait()
    assert ended == [(Trouble.SLOW_READER, PEER)]


async def test_an_answer_that_is_read_may_be_of_any_size(serve, wire: Wire, ended: list[Any]):
    (await serve(reply_timeout=0.05)).connect(wire).send(asking("/?size=1000000"))
    assert len((await wire.answer()).body) == 1000000
    assert ended == []


# Where connections come in


@pytest.fixture
async def site(events: Events, application: web.Application) -> AsyncIterator[Callable[..., Any]]:
    """Open a site on a socket of loopback."""
    runners: list[web.AppRunner] = []

    async def opened(tls: ssl.SSLContext | None = None, **seconds: float) -> Site:
        runners.append(web.AppRunner(application, access_log=None, shutdown_timeout=1.0))
        await runners[-1].setup()
        made = Site(runners[-1], ("127.0.0.1", 0), settings(**seconds), tls, events)
        await made.start()
        return made

    yield opened
    for runner in runners:
        await runner.cleanup()


async def exchange(site: Site, data: bytes, **options: Any) -> bytes:
    port = int(site.name.rpartition(":")[2])
    async with asyncio.timeout(120):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
        try:
            writer.write(data)
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def test_a_site_is_named_by_the_port_that_it_got(site):
    made = await site()
    scheme, _, port = made.name.rpartition(":")
    assert (scheme, int(port) > 0) == ("http://127.0.0.1", True)
    assert answer_of(await exchange(made, asking())).body == b"xx"


@pytest.mark.parametrize(
    ("host", "is_secure", "name"),
    [("::1", False, "http://[::1]:8800"), ("gateway", True, "https://gateway:8800")],
)
async def test_a_site_is_named_by_its_host(
    opened, events: Events, host: str, is_secure: bool, name: str
):
    runner = web.AppRunner(web.Application())
    await runner.setup()
    tls = ssl.create_default_context() if is_secure else None
    assert Site(runner, (host, 8800), settings(), tls, events).name == name
    await runner.cleanup()


async def test_a_connection_more_than_there_may_be_is_ended(
    site, ended: list[Any], permits: asyncio.Semaphore, held: asyncio.Event
):
    made = await site()
    first = asyncio.create_task(exchange(made, asking("/held")))
    await held.wait()
    assert await exchange(made, asking()) == b""
    permits.release()
    assert answer_of(await first).body == b"xx"
    assert ended == [(Trouble.TOO_MANY, "127.0.0.1")]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def whole(authority: Authority) -> Path:
    return authority.certify("localhost", "DNS:localhost")


async def test_a_site_with_tls_speaks_it_and_nothing_else(
    site, ended: list[Any], authority: Authority, whole: Path
):
    made = await site(tls_context(ListenerTls(certificate=whole)))
    assert made.name.startswith("https://")
    trusting = ssl.create_default_context(cafile=authority.file)
    options = {"ssl": trusting, "server_hostname": "localhost"}
    assert answer_of(await exchange(made, asking(), **options)).body == b"xx"
    assert ended == []
    assert b"200 OK" not in await exchange(made, asking())
    await until(lambda: ended)
    assert ended == [(Trouble.TLS, "127.0.0.1")]


async def test_a_handshake_that_does_not_end_in_time_is_ended_and_leaves_its_place(
    site, ended: list[Any], authority: Authority, whole: Path
):
    made = await site(tls_context(ListenerTls(certificate=whole)), head_timeout=0.1)
    assert await exchange(made, b"") == b""
    await until(lambda: ended)
    assert ended == [(Trouble.TLS, "127.0.0.1")]
    options = {"ssl": ssl.create_default_context(cafile=authority.file)}
    answer = await exchange(made, asking(), server_hostname="localhost", **options)
    assert answer_of(answer).body == b"xx"
