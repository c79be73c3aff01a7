"""Signed requests to AWS's services over HTTP. Home of the HTTP client.

Botocore's client is not used for messages: it takes five times the CPU for an object, hides the
status 409, and blocks a thread with each long poll, which cannot be cancelled.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
import os
import random
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import aiohttp
from botocore.credentials import ReadOnlyCredentials
from yarl import URL

from gateway.errors import QueueAway, QueueUnavailable, Unsure
from gateway.queues.aws.account import Account
from gateway.queues.aws.clock import ServerClock
from gateway.queues.aws.endpoints import Places
from gateway.queues.aws.limits import CURE, WHOLE, Silence, TimeLimits
from gateway.queues.aws.signature import Signer

log = logging.getLogger(__name__)

CONNECT = 5.0
IDLE = 10.0
"""Seconds without a byte after which an attempt has failed."""
TIMEOUT = 30.0
"""Seconds that one attempt may take in all."""
ATTEMPTS = 5
LONGEST_PAUSE = 5.0
SENT_WHOLE = 64 << 10
"""Bytes of a body that are sent in one piece, at most: a larger one alternates with others."""
LONGEST_ANSWER = 64 << 20
"""Bytes of an answer other than an object, at most: ten messages of 1 MiB take 31 MB in JSON, a
page of the longest keys 8 MB. Neither S3 nor SQS sends more."""
LONGEST_ERROR = 64 << 10
"""Bytes of an error that are read: its code comes first."""

THROTTLED = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestThrottled"})
"""Codes of S3 and SQS for a request that was not processed: it may be sent again unchanged."""
_SKEWED = frozenset({"RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_SKEW = 60.0
_CODE = re.compile(rb"<Code>([^<]{1,100})</Code>")
_JSON_TYPE = re.compile(rb'"__type"\s*:\s*"(?:[^"#]*#)?([^"]{1,100})"')


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to send; ``headers`` without those of the signature."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout: float = TIMEOUT
    idle: float = IDLE
    """Seconds without a byte after which the attempt fails: more for a long poll."""
    limit: int | None = None
    """Bytes of an object that are read, at most: a larger one is not read to its end."""
    fails_late: bool = False
    """An error may come after the status of success (S3 API, CopyObject)."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer; names of headers are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool = False
    """The body is longer than the limit, and is left out."""
    may_be_second: bool = False
    """An earlier attempt got no answer or a server error, and may have been carried out."""

    @property
    def code(self) -> str:
        """The service's error code; empty for a success.

        The body of a success is not searched: anybody may have written it, and it may look like an
        error.
        """
        if self.status < 300:
            return ""
        found = _CODE.search(self.body) or _JSON_TYPE.search(self.body)
        return found[1].decode("ascii", "replace") if found else ""

    @property
    def is_foreign(self) -> bool:
        """Whether it comes from some other web server, not from S3 or SQS."""
        return self.status in (400, 404, 405, 501) and not self.is_cut and not self.code

    @property
    def is_throttled(self) -> bool:
        return self.status == 429 or self.code in THROTTLED

    @property
    def is_in_doubt(self) -> bool:
        """Whether the request may have been carried out although this answer says otherwise."""
        return self.may_be_second or (self.status >= 500 and not self.is_throttled)


class SignedHttp:
    """Sends requests to one service (``s3`` or ``sqs``), signed by the server's own clock."""

    def __init__(self, account: Account, service: str, connections: int, url: str = "") -> None:
        """``url`` is where the service is, for the log."""
        self.clock = ServerClock()
        self._account = account
        self._signer = Signer(service, account.region)
        self._place_of = Places().of
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=account.tls()),
            auto_decompress=False,
            middlewares=(_once,),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        place = f"{service.upper()} at {_authority(url)}" if url else service.upper()
        self._silence = Silence(place)
        self.limits = TimeLimits(place)

    async def aclose(self) -> None:
        await self._session.close()

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request once; again only where it was certainly not processed.

        Any status is an answer. Raises Unsure where none came, QueueUnavailable where no
        connection could be made.
        """
        async with self.limits.within(max(WHOLE, request.timeout)):
            return await self._send(request)

    async def _send(self, request: HttpRequest) -> HttpResponse:
        ahead = self._ahead()
        answer = await self._exchange(request, await self._account.credentials())
        if answer.code in _SKEWED and abs(self._ahead() - ahead) > _SKEW:
            # The server's clock is known now: sign again, by that.
            answer = await self._exchange(request, await self._account.credentials())
        if answer.code in _EXPIRED:
            fresh = await self._account.credentials(renewed=True)
            answer = await self._exchange(request, fresh)
        return answer

    async def insist(self, request: HttpRequest) -> HttpResponse:
        """Send a repeatable request until it gets a conclusive answer.

        Raises Unsure after a few attempts, or when WHOLE has passed; QueueUnavailable where it was
        certainly not carried out.
        """
        async with self.limits.within():
            return await self._insist(request)

    async def _insist(self, request: HttpRequest) -> HttpResponse:
        in_doubt = False
        for attempt in range(ATTEMPTS):
            try:
                answer = replace(await self._send(request), may_be_second=in_doubt)
            except Unsure:
                if attempt == ATTEMPTS - 1:
                    raise
                in_doubt = True
            except QueueUnavailable as error:
                if in_doubt:
                    raise Unsure(str(error)) from error
                raise
            else:
                if answer.status < 500 and not answer.is_throttled:
                    return answer
                in_doubt = answer.is_in_doubt
            await pause(attempt)
        return answer

    async def _exchange(
        self, request: HttpRequest, credentials: ReadOnlyCredentials
    ) -> HttpResponse:
        began = time.monotonic()
        due = began + request.idle - IDLE  # a long poll may be silent for that long
        try:
            answer = await self._asked(request, self._signed(request, credentials))
        except aiohttp.ClientConnectorError as error:
            raise QueueAway(
                f"{_authority(request.url)} cannot be reached ({_said(error.os_error)}): start "
                "what listens there, or correct its address"
            ) from error
        except aiohttp.ConnectionTimeoutError as error:
            self._silence.note_none(began, due)
            text = f"{_authority(request.url)} accepts no connection within {CONNECT:g} s: {CURE}"
            raise QueueAway(text) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._silence.note_none(began, due)
            raise Unsure(f"{_authority(request.url)} gave no answer: {_lost(error)}") from error
        except asyncio.CancelledError:
            self._silence.note_none(began, due)
            raise
        self._silence.note_answer()
        self.clock.note(answer.headers.get("date", ""))
        return answer

    async def _asked(self, request: HttpRequest, headers: Mapping[str, str]) -> HttpResponse:
        async with self._session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=headers,
            data=_data(request.body),
            timeout=_limit(request.timeout, request.idle),
            allow_redirects=False,
            proxy=self._place_of(request.url).proxy,
        ) as response:
            return await _read(response, request)

    def _ahead(self) -> float:
        return self.clock() - time.monotonic()

    def _signed(self, request: HttpRequest, credentials: ReadOnlyCredentials) -> dict[str, str]:
        """Return the headers and those of Signature Version 4, dated by the server's clock."""
        signed = {
            "Host": self._place_of(request.url).host,
            **request.headers,
            "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.clock())),
            "X-Amz-Content-SHA256": hashlib.sha256(request.body).hexdigest(),
        }
        if credentials.token:
            signed["X-Amz-Security-Token"] = credentials.token
        signed["Authorization"] = self._signer.authorization(
            request.method, request.url, signed, credentials
        )
        return signed


class _Lost(aiohttp.ClientError):
    """The connection ended before there was an answer to a write."""


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a write once: aiohttp would repeat it without saying so."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method == "PUT":
            raise _Lost(str(error)) from error
        raise


@lru_cache(maxsize=64)
def _limit(timeout: float, idle: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT, sock_read=idle)


def _data(body: bytes) -> bytes | io.BytesIO | None:
    """Return a body in the form that aiohttp wants: it warns of large ones that are not files."""
    return (body if len(body) <= SENT_WHOLE else io.BytesIO(body)) or None


async def _read(response: aiohttp.ClientResponse, request: HttpRequest) -> HttpResponse:
    status, body = response.status, b""
    if request.method != "HEAD":  # its answer has a Content-Length, and no body
        most = LONGEST_ERROR if status >= 300 else request.limit
        read = await _body(response, LONGEST_ANSWER if most is None else most)
        if read is None and status < 300:
            return _cut(response, request)
        body = read or b""
    status = 500 if _is_late_failure(request, status, body) else status
    return HttpResponse(status, response.headers, body)


async def _body(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """Read a body as a stream; None where it is longer than ``most``: its rest is not read."""
    chunks, size = [], response.content_length or 0
    if size <= most:
        size = 0
        async for chunk in response.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size > most:
                break
    if size > most:
        response.close()  # the rest would be taken for the next answer
        return None
    return b"".join(chunks)


def _cut(response: aiohttp.ClientResponse, request: HttpRequest) -> HttpResponse:
    """Return an answer without its body, which is too long.

    Raises QueueUnavailable where no limit was asked for: it cannot be an answer of S3 or SQS.
    """
    if request.limit is None:
        raise QueueUnavailable(
            f"{_authority(request.url)} answered with more than {LONGEST_ANSWER >> 20} MiB, as no "
            "S3 or SQS does: correct its address"
        )
    return HttpResponse(response.status, response.headers, b"", is_cut=True)


def _is_late_failure(request: HttpRequest, status: int, body: bytes) -> bool:
    return request.fails_late and status == 200 and _CODE.search(body) is not None


async def pause(attempt: int) -> None:
    """Wait before the next attempt: twice as long each time, with jitter."""
    longest = min(LONGEST_PAUSE, 0.1 * 2**attempt)
    await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311  # no secret


def _lost(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"it took too long; {CURE}"
    return str(error) or type(error).__name__


def _said(error: OSError) -> str:
    # OpenSSL gives every error the number 1, which means something else to the system.
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message
        return f"its certificate is not trusted: {why}; set AWS_CA_BUNDLE to a file with its CA"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS as it should"
    # The loop's text repeats the address; errors of name resolution have negative numbers.
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)


def _authority(url: str) -> str:
    return URL(url).authority or url
