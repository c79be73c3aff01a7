"""Forwarding to a private HTTP endpoint: the bytes go out as they came, and come back so.

The home of the HTTP client. What the design calls hardened, and why: no redirects (one would carry
the message elsewhere), no cookies (they would mix clients), no proxy or credentials from the
environment, no decompression (a bomb), a limit on the time to connect, a cap on the reply. The
time that a whole call may take is bounded by the service.
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import requests
from zeep.transports import Transport

from gateway.backend import Call
from gateway.errors import BackendFailed, Declined, Unanswered, Unreached
from gateway.glimpse import Glimpse, glimpse
from gateway.message import Message
from gateway.soap import SoapVersion

# Shorter than the shortest that common servers allow (Apache's 5 s): a connection that the server
# closes while a request is on its way makes the outcome of that request unknown.
KEEP_ALIVE = 4.0
CONNECTIONS = 128

DECLINED = (429, 503)
"""Statuses that say the request was not taken (RFC 6585 section 4, RFC 9110 section 15.6.4)."""
NO_ANSWER = (502, 504)
"""Statuses of a proxy that does not know what became of the request."""

_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
NOT_SOAP = "The service behind the gateway did not answer with a SOAP message."


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardSettings:
    """Limits on calls to a backend; times in seconds, sizes in bytes."""

    connect: float = 5.0
    reply: int = 64 << 20


class BackendTransport(Transport):
    """A zeep transport on aiohttp that only posts, and hands bytes on as they are."""

    def __init__(self, settings: ForwardSettings) -> None:
        super().__init__(session=_closed_session())
        self._settings = settings
        self._client: aiohttp.ClientSession | None = None

    async def post(
        self, address: str, message: bytes, headers: Mapping[str, str]
    ) -> requests.Response:
        """Post a message; return the response, whatever its status.

        Raises Unreached, Unanswered, BackendFailed (the reply is over the limit).
        """
        client = self._client = self._client or self._open()
        try:
            async with client.post(
                address, data=message, headers=headers, allow_redirects=False
            ) as response:
                return _response(response, await self._read(response))
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.InvalidURL,
        ) as error:
            raise Unreached(f"no connection to {_place(address)}: {_reason(error)}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = f"no answer from {_place(address)}: {type(error).__name__}"
            raise Unanswered(reason) from error

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.close()

    def _open(self) -> aiohttp.ClientSession:
        limits = self._settings
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            # The service bounds the whole call; timers of its own would cost a tenth more a call.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect),
        )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        limit = self._settings.reply
        if (response.content_length or 0) > limit:
            raise BackendFailed("The reply is larger than the gateway passes on.")
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise BackendFailed("The reply is larger than the gateway passes on.")
        return bytes(body)


def _place(address: str) -> str:
    """Return host and port of an address: its path and its query may hold secrets."""
    return urlsplit(address).netloc.rpartition("@")[2]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _closed_session() -> requests.Session:
    """Return the session that zeep's own transport would use, with every way out taken off."""
    session = requests.Session()
    session.trust_env = False
    session.adapters.clear()
    return session


def _response(response: aiohttp.ClientResponse, body: bytes) -> requests.Response:
    answer = requests.Response()
    answer.status_code = response.status
    answer._content = body
    for name in ("Content-Type", "Content-Encoding", "Retry-After"):
        if name in response.headers:
            answer.headers[name] = response.headers[name]
    return answer


class ForwardBackend:
    """Posts each call to ``address``, or, where that is empty, to the address in the contract."""

    def __init__(self, address: str, settings: ForwardSettings) -> None:
        self._address = address
        self._transport = BackendTransport(settings)

    async def invoke(self, call: Call) -> Message | None:
        address = self._address or call.operation.address
        response = await self._transport.post(address, call.message.body, _headers(call))
        kind = _kind(response)
        if kind is None or response.status_code in (*DECLINED, *NO_ANSWER):
            _check_status(response)
        if not call.operation.one_way:
            return _reply(call, response, kind)
        _check_taken(kind)
        return None

    async def aclose(self) -> None:
        await self._transport.aclose()


def _headers(call: Call) -> dict[str, str]:
    """Return the only headers that travel. SOAP 1.1 wants SOAPAction, quoted, even when empty."""
    headers = {"Content-Type": call.message.content_type, "Accept-Encoding": "identity"}
    if call.envelope.version is SoapVersion.V11:
        headers["SOAPAction"] = f'"{call.message.soap_action}"'
    return headers


def _check_taken(kind: Glimpse | None) -> None:
    """Raise where the answer to a one-way message is a fault; all else that it says is ignored."""
    if kind is not None and kind.is_fault:
        raise BackendFailed("The service refused the one-way message.")


def _reply(call: Call, response: requests.Response, kind: Glimpse | None) -> Message:
    """Return the reply; a fault may be in another version of SOAP, a VersionMismatch must be."""
    if kind is None or not (kind.is_fault or kind.version is call.envelope.version):
        raise BackendFailed(NOT_SOAP, reason=_described(response))
    content_type = response.headers["Content-Type"]
    return Message(body=response.content, content_type=content_type, is_fault=kind.is_fault)


def _kind(response: requests.Response) -> Glimpse | None:
    content_type = response.headers.get("Content-Type", "")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return None  # never asked for: nobody further on would know how to read it
    if not _HEADER_VALUE.fullmatch(content_type):
        return None
    return glimpse(response.content, content_type)


def _check_status(response: requests.Response) -> None:
    """Raise unless a response that is no SOAP message means that all is well (one-way)."""
    status = response.status_code
    if status in DECLINED:
        raise Declined(f"the backend answered {status}", retry_after=_retry_after(response))
    if status in NO_ANSWER:
        raise Unanswered(f"the backend answered {status}", retry_after=_retry_after(response))
    if not 200 <= status < 300:
        raise BackendFailed(NOT_SOAP, reason=_described(response))


def _described(response: requests.Response) -> str:
    """Return status and content type, for the log: what an operator needs to find the mistake."""
    return f"status {response.status_code}, {response.headers.get('Content-Type', 'no content')!r}"


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds that Retry-After asks for: a number or a date (RFC 9110, 10.2.3)."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
