"""Forwarding to a private HTTP endpoint: request and reply pass unchanged, byte by byte.

The home of the HTTP client. It is hardened: no redirects (one would send the message elsewhere), no
cookies (they would mix clients), no proxy or credentials from the environment, no decompression (a
bomb), limits on the time to connect and on silence within a reply, a limit on the reply's size, no
reuse of a connection with unexpected data. The time of a whole call is limited by the service.

No error says where the service is: not everyone who reads the log needs to know.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import requests
from aiohttp.client_proto import ResponseHandler
from zeep.transports import Transport

from gateway.backends.answers import HttpAnswer, reply
from gateway.backends.forward.tls import Tls
from gateway.backends.login import Login, nobody
from gateway.backends.redact.addresses import without_addresses
from gateway.backends.redact.faults import discreet
from gateway.backends.redact.kept_faults import Keep, kept_nowhere
from gateway.backends.redact.telltale import Telltales
from gateway.endpoint import Call
from gateway.errors import BackendFailed, Unanswered, Unreached
from gateway.message import Message
from gateway.soap.envelope import SoapVersion
from gateway.sockets import has_unread

log = logging.getLogger(__name__)

# Shorter than that of common servers (Apache: 5 s): if the server closes a connection while a
# request is on its way, the outcome of that request is unknown.
KEEP_ALIVE = 4.0
CONNECTIONS = 128

STRAY = (
    "a service sent more than one answer to a request: from now on each call to it has its own"
    " connection"
)
INTERIM = 8
"""Interim answers (1xx) to one request, at most; services send one or two, if any."""
BESIDE = 256 << 10
"""Bytes of an answer outside its body, at most; and one more for each four bytes of the body.

That is ample for headers and for chunks, which are longer than 20 bytes on average even if a
service never buffers. It is counted on arrival: the time of an answer on the event loop depends on
the number of its pieces, and a body of 1 MB in chunks of one byte has a million of them.
"""
_PIECE = 16 << 10
"""Bytes that are parsed at a time before the limits are checked."""
TOO_LARGE = "The reply is larger than the gateway passes on."

_REASONS = {
    aiohttp.ClientConnectorCertificateError: (
        "its certificate is not trusted: see backend.ca and backend.tls_name"
    ),
    aiohttp.ClientConnectorSSLError: "it does not speak TLS as it should",
    aiohttp.ClientConnectorDNSError: "its name cannot be resolved",
}

Secured = Callable[[Call], Awaitable[bytes]]
"""Returns the bytes to send for a call: its own, with a WS-Security header added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardSettings:
    """Limits on calls to a backend; times in seconds, sizes in bytes."""

    connect: float
    idle: float
    """How long the service may be silent within its reply."""
    reply: int
    telltales: Telltales
    """What gives the service away, and is taken out of faults and WS-Addressing headers."""
    unsafe_faults: bool = False
    """Faults pass unchanged, whatever they reveal."""


class BackendTransport(Transport):
    """A zeep transport on aiohttp that only posts, and passes bytes unchanged."""

    def __init__(self, settings: ForwardSettings, tls: Tls | None = None) -> None:
        super().__init__(session=_closed_session())
        self._settings = settings
        self._tls = tls
        self._client: aiohttp.ClientSession | None = None

    async def post(self, address: str, message: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """Post a message; return the answer, whatever its status.

        Raises Unreached, Unanswered, BackendFailed (the reply is over the limit).
        """
        client = self._client = self._client or self._open()
        context: ssl.SSLContext | bool = self._tls.context() if self._tls else True
        try:
            async with client.post(
                address,
                data=message,
                headers=headers,
                allow_redirects=False,
                ssl=context,
                server_hostname=self._tls.name if self._tls else None,
            ) as response:
                return HttpAnswer(
                    status_code=response.status,
                    headers=response.headers,
                    content=await self._read(response),
                    challenges=response.headers.getall("WWW-Authenticate", ()),
                )
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.InvalidURL,
        ) as error:
            raise Unreached(f"no connection: {_reason(error)}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unanswered(f"no answer: {type(error).__name__}") from error

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.close()

    def _open(self) -> aiohttp.ClientSession:
        limits = self._settings
        return aiohttp.ClientSession(
            connector=_Connections(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            # The service limits the whole call; the client's own timers would cost a tenth more.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect),
        )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        self._fit(response.content_length or 0)
        if response.content.is_eof():  # it has arrived whole, as most do: no timer is needed
            whole = response.content.read_nowait(-1)
            self._fit(len(whole))
            return whole
        idle, now = self._settings.idle, asyncio.get_running_loop().time
        body = bytearray()
        async with asyncio.timeout(idle) as silence:
            async for chunk in response.content.iter_any():
                body += chunk
                self._fit(len(body))
                silence.reschedule(now() + idle)
        return bytes(body)

    def _fit(self, size: int) -> None:
        if size > self._settings.reply:
            raise BackendFailed(TOO_LARGE)


class _Connections(aiohttp.TCPConnector):
    """Reuses a connection only if it was silent since the last answer.

    HTTP/1.1 matches answers to requests by their order alone. So unexpected data would be taken for
    the answer to the next call, which is another caller's.
    """

    _keeps = True

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        factory: Any = functools.partial(_Answers, loop=self._loop)
        self._factory = factory  # the library makes a connection's protocol with it

    async def _get(self, key: Any, traces: Any) -> Any:  # the library takes an idle one with it
        while (kept := await super()._get(key, traces)) is not None:
            has_stray = _has_stray(kept.protocol)
            if self._keeps and not has_stray and not has_unread(kept.transport):
                return kept
            if has_stray and self._keeps:
                # Its next stray answer could come just after this check, and not be noticed.
                self._keeps = False
                log.warning(STRAY)
            kept.close()
        return None


class _Answers(ResponseHandler):
    """Reads the answers of one connection, and ends it if one is made to keep the loop busy.

    The library limits neither interim answers, which it reads without yielding, nor the overhead
    around the chunks of a body.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._came = self._interim = 0
        self._held = b""
        """Received and not parsed yet: reading is paused."""

    def set_response_params(self, **settings: Any) -> None:
        """Begin to read the answer to the next request."""
        self._came = self._interim = 0
        super().set_response_params(**settings)

    def data_received(self, data: bytes) -> None:
        if not data:  # reading resumes: the parser goes on with what it has
            super().data_received(data)
        held, self._held = self._held + data, b""
        for at in range(0, len(held), _PIECE):
            if self._reading_paused:
                self._held = held[at:]
                return
            self._parse(held[at : at + _PIECE])
            if self.transport is None:
                return

    def connection_lost(self, exc: BaseException | None) -> None:
        """Parse held data first: with TLS, the end may come while reading is paused."""
        held, self._held = self._held, b""
        for at in range(0, len(held), _PIECE):
            if self.transport is not None:
                self._parse(held[at : at + _PIECE])
        super().connection_lost(exc)

    def _parse(self, piece: bytes) -> None:
        self._came += len(piece)
        super().data_received(piece)
        self._bound()

    def feed_data(self, data: Any, size: int = 0) -> None:
        self._interim += 100 <= data[0].code < 200
        if self._interim <= INTERIM:
            super().feed_data(data, size)

    def _bound(self) -> None:
        body = self._payload
        size = body.total_bytes if body is not None else 0
        if self._interim > INTERIM:
            self._give_up(Unanswered("no answer: too many interim ones"))
        elif self._came - size > BESIDE + size // 4:
            self._give_up(
                Unanswered("no answer: its headers are too long")
                if body is None
                else BackendFailed(TOO_LARGE, reason="its body is in too many small chunks")
            )

    def _give_up(self, error: Exception) -> None:
        body = self._payload
        self.abort()
        self.set_exception(error)
        if body is not None and not body.is_eof():
            body.set_exception(error)


def _has_stray(protocol: Any) -> bool:
    """Tell whether an idle connection has read more than the expected answers.

    That may be just the beginning of an answer, which only the parser knows; it is not used again.
    """
    try:
        return protocol.should_close or protocol._parser.feed_eof() is not None
    except aiohttp.http.HttpProcessingError:
        return True


def _reason(error: Exception) -> str:
    """Return why there is no connection, in our own words: those of libraries name the host."""
    for kind, reason in _REASONS.items():
        if isinstance(error, kind):
            return reason
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else type(error).__name__


def _closed_session() -> requests.Session:
    """Return a session for zeep's base class that cannot send anything."""
    session = requests.Session()
    session.trust_env = False
    session.adapters.clear()
    return session


class ForwardBackend:
    """Posts each call to ``address``, or to the one in the contract if that is empty."""

    def __init__(
        self,
        address: str,
        settings: ForwardSettings,
        *,
        login: Login = nobody,
        tls: Tls | None = None,
        secured: Secured | None = None,
        keep: Keep = kept_nowhere,
    ) -> None:
        """``keep`` gets the original of a fault that was rewritten."""
        self._address = address
        self._settings = settings
        self._login = login
        self._secured = secured
        self._keep = keep
        self._transport = BackendTransport(settings, tls)

    async def invoke(self, call: Call) -> Message | None:
        address = self._address or call.operation.address
        body = await self._secured(call) if self._secured else call.message.body
        headers = {**_headers(call), **self._login()}
        answered = reply(call, await self._transport.post(address, body, headers))
        return None if answered is None else self._discreet(answered, call)

    async def aclose(self) -> None:
        await self._transport.aclose()

    def _discreet(self, reply: Message, call: Call) -> Message:
        """Return a reply without what gives the service away."""
        telltales = self._settings.telltales
        if reply.is_fault and not self._settings.unsafe_faults:
            reply = discreet(reply, call, telltales, self._keep)
        return without_addresses(reply, telltales.places)


def _headers(call: Call) -> dict[str, str]:
    """Return the only headers that are sent. SOAP 1.1 wants SOAPAction, quoted, even if empty."""
    headers = {"Content-Type": call.message.content_type, "Accept-Encoding": "identity"}
    if call.envelope.version is SoapVersion.V11:
        headers["SOAPAction"] = f'"{call.message.soap_action}"'
    return headers
