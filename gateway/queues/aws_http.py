"""Signed requests to AWS's services over HTTP. Home of the HTTP client and of the signer.

The signer is botocore's. Its client is not used for messages: it costs five times the CPU for an
object, hides the status 409, and a long poll in a thread of its own cannot be cancelled.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
import os
import random
import re
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from yarl import URL

from gateway.errors import QueueAway
from gateway.queues.aws import Account
from gateway.queues.server_clock import ServerClock

log = logging.getLogger(__name__)

CONNECT = 5.0
TIMEOUT = 30.0
ATTEMPTS = 5
LONGEST_PAUSE = 5.0

THROTTLED = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestThrottled"})
"""The codes of S3 and SQS for a request that was not looked at: it may be sent again as it is."""
_SKEWED = frozenset({"RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_SKEW = 60.0
_CODE = re.compile(rb"<Code>([^<]{1,100})</Code>")
_JSON_TYPE = re.compile(rb'"__type"\s*:\s*"(?:[^"#]*#)?([^"]{1,100})"')


class Unsure(QueueAway):
    """The request may have been carried out, or not: its answer was lost, or was an error."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to send; ``headers`` without those of the signature."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout: float = TIMEOUT
    limit: int | None = None
    """Bytes of a body that are read, at most; a longer one is left."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool = False
    """The body is longer than was to be read, and none of it is here."""

    @property
    def code(self) -> str:
        """The service's own code of an error; empty where the answer has none."""
        found = _CODE.search(self.body) or _JSON_TYPE.search(self.body)
        return found[1].decode("ascii", "replace") if found else ""

    @property
    def is_foreign(self) -> bool:
        """Whether it is of no such service, but of some web server that was asked in its place."""
        return self.status in (400, 404, 405, 501) and not self.is_cut and not self.code

    @property
    def is_throttled(self) -> bool:
        return self.status == 429 or self.code in THROTTLED


class SignedHttp:
    """Sends requests to one service (``s3`` or ``sqs``), signed by the server's own clock."""

    def __init__(self, account: Account, service: str, connections: int) -> None:
        self.clock = ServerClock()
        self._account = account
        self._service = service
        self._proxies = _Proxies()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=account.tls()),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def aclose(self) -> None:
        await self._session.close()

    async def send(self, request: Request) -> Answer:
        """Send a request once; again only where it was certainly not looked at.

        Any status is an answer. Raises Unsure where none came, QueueUnavailable where no
        connection could be made.
        """
        ahead = self._ahead()
        answer = await self._exchange(request, await self._account.credentials())
        if answer.code in _SKEWED and abs(self._ahead() - ahead) > _SKEW:
            # Now the server's clock is known: what was signed by another is signed anew.
            answer = await self._exchange(request, await self._account.credentials())
        if answer.code in _EXPIRED:
            fresh = await self._account.credentials(renewed=True)
            answer = await self._exchange(request, fresh)
        return answer

    async def insist(self, request: Request) -> Answer:
        """Send a request that may be carried out twice, until it gets an answer that counts.

        Raises QueueUnavailable after a few attempts.
        """
        for attempt in range(ATTEMPTS):
            try:
                answer = await self.send(request)
            except Unsure:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                if answer.status < 500 and not answer.is_throttled:
                    return answer
            await pause(attempt)
        return answer

    async def _exchange(self, request: Request, credentials: ReadOnlyCredentials) -> Answer:
        headers = self._signed(request, credentials)
        limit = aiohttp.ClientTimeout(total=request.timeout, sock_connect=CONNECT)
        try:
            async with self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=headers,
                # As a file: aiohttp warns of large bodies that are bytes.
                data=io.BytesIO(request.body) if request.body else None,
                timeout=limit,
                allow_redirects=False,
                proxy=self._proxies.of(request.url),
            ) as response:
                answer = await _read(response, request.limit)
        except aiohttp.ClientConnectorError as error:
            raise QueueAway(
                f"{_place(request.url)} cannot be reached ({_said(error.os_error)}): start what "
                "listens there, or correct its address"
            ) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise Unsure(f"{_place(request.url)} gave no answer: {reason}") from error
        self.clock.note(answer.headers.get("date", ""))
        return answer

    def _ahead(self) -> float:
        return self.clock() - time.monotonic()

    def _signed(self, request: Request, credentials: ReadOnlyCredentials) -> dict[str, str]:
        """Return the headers with those of Signature Version 4, dated by the server's clock."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.clock()))
        signed = {
            **request.headers,
            "X-Amz-Date": moment,
            "X-Amz-Content-SHA256": hashlib.sha256(request.body).hexdigest(),
        }
        if credentials.token:
            signed["X-Amz-Security-Token"] = credentials.token
        to_sign = AWSRequest(request.method, request.url, headers=signed)
        to_sign.context["timestamp"] = moment
        # S3 signs a path as it is sent; the other services normalise it first.
        kind = S3SigV4Auth if self._service == "s3" else SigV4Auth
        signer = kind(credentials, self._service, self._account.region)
        canonical = signer.canonical_request(to_sign)
        signature = signer.signature(signer.string_to_sign(to_sign, canonical), to_sign)
        # What is signed last, before the hash of the body (Signature Version 4, "Create a canonical
        # request"). Botocore would go through all headers once more to tell.
        names = canonical.rsplit("\n", 2)[1]
        signed["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={signer.scope(to_sign)}, SignedHeaders={names}, "
            f"Signature={signature}"
        )
        return signed


class _Proxies:
    """The proxies of the environment, as boto3 finds them, each looked for once.

    Left to aiohttp they are looked for in a thread, for each request: half of what that costs.
    """

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def of(self, url: str) -> str | None:
        """Return the proxy to a URL; None where there is none, or the host is to go without."""
        scheme, _, rest = url.partition("://")
        place = f"{scheme}://{rest.partition('/')[0]}"
        if place not in self._known:
            host = URL(place).host or ""
            is_direct = urllib.request.proxy_bypass(host)
            proxy = None if is_direct else urllib.request.getproxies().get(scheme)
            self._known[place] = proxy
        return self._known[place]


async def _read(response: aiohttp.ClientResponse, limit: int | None) -> Answer:
    size = response.content_length or 0
    is_cut = limit is not None and response.status == 200 and size > limit
    body = b"" if is_cut else await response.read()
    return Answer(response.status, _lowered(response.headers), body, is_cut)


async def pause(attempt: int) -> None:
    """Wait before the next attempt: twice as long each time, and never all at once."""
    longest = min(LONGEST_PAUSE, 0.1 * 2**attempt)
    await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311  # no secret


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _said(error: OSError) -> str:
    # The loop's own text has the address once more; errors of names have negative numbers.
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)


def _place(url: str) -> str:
    return URL(url).authority or url
