"""The listener's connections: how many there may be, and their time limits."""

from __future__ import annotations

import asyncio
import logging
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway.listening.connection_room import Room, Slot, address_of
from gateway.listening.settings import ListenerSettings
from gateway.observe.events import ConnectionEnded, Events, Trouble

log = logging.getLogger(__name__)

KEPT = 75.0
"""Seconds that an idle connection is kept: longer than proxies keep theirs, or one of them would
now and then send a call into a connection that just ended."""
LINGER = 2.0
"""Seconds in which the rest of a refused request is read and discarded, so that its sender gets the
answer."""
BUFFERED = 32 << 10
"""Bytes of an answer that an empty connection buffers at once: the loop's limit is twice as high
(uvloop, ``set_write_buffer_limits``)."""
BROKEN = "The request cannot be read: it is malformed, or has a line that is too long.\n"


class Connection(RequestHandler):
    """A connection that ends when its first request does not come in time.

    For later ones the library does that itself (``KEPT``). Malformed requests are answered and
    logged without any of their content, which may be half a secret.
    """

    __slots__ = ("_events", "_place", "_room", "_settings", "is_open")

    def __init__(
        self,
        server: web.Server,
        settings: ListenerSettings,
        events: Events,
        room: Room,
        place: Slot,
        **options: Any,
    ) -> None:
        super().__init__(server, **options)
        self._settings = settings
        self._room = room
        self._place = place
        self._events = events
        self.is_open = False
        """It is established: with TLS, after the handshake."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.is_open = True
        asyncio.get_running_loop().call_later(self._settings.head_timeout, self._end_unless_begun)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._room.leave(self._place)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages:
            self._room.work(self._place)

    async def _handle_request(
        self,
        request: web.BaseRequest,
        start_time: float | None,
        request_handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    ) -> tuple[web.StreamResponse, bool]:
        """Handle a request, from its head to the last byte of its answer."""
        try:
            return await super()._handle_request(request, start_time, request_handler)
        finally:
            if not self._messages:
                self._room.rest(self._place)

    def _end_unless_begun(self) -> None:
        if self._request_count == 0:
            if self.transport is not None:
                self.tell(Trouble.SLOW_HEAD)
            self.force_close()

    def tell(self, trouble: Trouble, peer: str = "") -> None:
        """Tell that the connection is ended; ``peer`` is needed where it has no transport."""
        self._events.tell(ConnectionEnded(trouble, peer or address_of(self.transport)))

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; end the connection if it is not read in time."""
        if self._is_read() and isinstance(resp, web.Response) and _is_short(resp.body):
            return await super().finish_response(request, resp, start_time)
        try:
            async with asyncio.timeout(self._settings.reply_timeout):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            log.warning("an answer was not read in %g s: given up", self._settings.reply_timeout)
            self.tell(Trouble.SLOW_READER)
            if self.transport is not None:
                self.transport.abort()  # closing would wait until the rest is read
            return resp, True

    def _is_read(self) -> bool:
        """Tell whether the peer has read everything so far."""
        transport = self.transport
        return transport is None or transport.get_write_buffer_size() == 0

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that the library could not read, or that failed outside all handlers."""
        log.warning("a request was broken off: %s", "malformed" if status == 400 else status)
        if status == 400:
            self.tell(Trouble.MALFORMED)
        text = BROKEN if status == 400 else "The listener failed.\n"
        response = web.Response(status=status, text=text)
        response.headers["Server"] = ""
        response.force_close()
        return response


def _is_short(body: object) -> bool:
    """Tell whether a body fits an empty buffer, so that sending it needs no wait."""
    return body is None or (isinstance(body, bytes | bytearray) and len(body) <= BUFFERED)


class _Newcomer(asyncio.Protocol):
    """A new connection, before it has a place."""

    def __init__(self, room: Room, opened: Callable[[Slot], asyncio.BaseProtocol]) -> None:
        """``opened`` returns the protocol of a connection that has a place."""
        self._room = room
        self._opened = opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)  # uvloop's has no such ancestor
        place = self._room.enter(stream)
        if place is None:
            stream.abort()
            return
        protocol = self._opened(place)
        stream.set_protocol(protocol)
        protocol.connection_made(transport)


class _Tls(SSLProtocol):
    """A connection that speaks TLS, beneath the one that speaks HTTP.

    The server's own TLS reports a connection only after its handshake: connections that never
    finish theirs would not be limited. Of asyncio's class, only what any protocol has is used, so
    it works with uvloop as well.
    """

    def __init__(
        self, connection: Connection, context: ssl.SSLContext, head: float, room: Room, place: Slot
    ) -> None:
        """The handshake may take ``head`` seconds."""
        super().__init__(
            asyncio.get_running_loop(),
            connection,
            context,
            None,  # type: ignore[arg-type]  # nothing awaits it
            server_side=True,
            ssl_handshake_timeout=head,  # type: ignore[arg-type]  # the stubs want whole seconds
        )
        self._connection = connection
        self._room = room
        self._place = place
        self._peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._peer = address_of(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._room.leave(self._place) and not self._connection.is_open:
            self._connection.tell(Trouble.TLS, self._peer)
        super().connection_lost(exc)


class Site(web.BaseSite):
    """Where connections come in. ``tls`` is None for plain HTTP."""

    def __init__(
        self,
        runner: web.AppRunner,
        place: tuple[str, int],
        settings: ListenerSettings,
        tls: ssl.SSLContext | None,
        events: Events,
    ) -> None:
        super().__init__(runner, ssl_context=tls)
        self._place = place
        self._settings = settings
        self._events = events
        self._room = Room(settings.connections, settings.connections_per_address, events)

    @property
    def name(self) -> str:
        scheme = "http" if self._ssl_context is None else "https"
        host, port = self._place
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    async def start(self) -> None:
        """Listen. Raises OSError."""
        await super().start()
        host, port = self._place
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Newcomer(self._room, self._opened), host, port
        )
        self._place = (host, self._server.sockets[0].getsockname()[1])

    def _opened(self, place: Slot) -> asyncio.BaseProtocol:
        server = self._runner.server
        assert server is not None
        connection = Connection(
            server,
            self._settings,
            self._events,
            self._room,
            place,
            loop=asyncio.get_running_loop(),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEPT,
            lingering_time=LINGER,
        )
        if self._ssl_context is None:
            return connection
        return _Tls(connection, self._ssl_context, self._settings.head_timeout, self._room, place)
