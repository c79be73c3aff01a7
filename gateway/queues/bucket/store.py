"""A bucket, in the few verbs that a queue needs, with exact outcomes of conditional writes."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from urllib.parse import quote

from gateway.errors import QueueAway, QueueUnavailable, Unsure
from gateway.queues.aws.account import Account, AwsEndpoint
from gateway.queues.aws.address import BucketAddress
from gateway.queues.aws.clock import ServerClock
from gateway.queues.aws.http import ATTEMPTS, HttpRequest, HttpResponse, SignedHttp, pause
from gateway.queues.foreign_text import legible

META = "x-amz-meta-"
OCTETS = "application/octet-stream"
SMALL = 64 << 10
"""Bytes of an object other than a message, at most: a claim, a note, ``format.json``."""

# Botocore's parser takes 90 ms for a full page of names, this 3 ms.
_ITEM = re.compile(rb"<Contents>(.*?)</Contents>", re.S)
_KEY = re.compile(rb"<Key>(.*?)</Key>", re.S)
_ETAG = re.compile(rb"<ETag>(.*?)</ETag>", re.S)
_MODIFIED = re.compile(rb"<LastModified>\s*([0-9TZ:.+-]+)\s*</LastModified>")
_TRUNCATED = re.compile(rb"<IsTruncated>\s*true\s*</IsTruncated>")
_GOES_ON = re.compile(rb"<NextContinuationToken>(.*?)</NextContinuationToken>", re.S)


class Occupied(Exception):
    """A condition of a write did not hold: certainly nothing was written."""


class AccessDenied(QueueUnavailable):
    """The store refuses: no permission, or, without permission to list, no such object."""


class Unauthenticated(QueueUnavailable):
    """The store rejects the credentials: that does not end until an operator mends it."""


@dataclass(frozen=True, slots=True)
class IfAbsent:
    """Write only where there is no object of that key."""

    @property
    def headers(self) -> dict[str, str]:
        return {"If-None-Match": "*"}


@dataclass(frozen=True, slots=True)
class IfMatch:
    """Write only over the object with this ETag."""

    etag: str

    @property
    def headers(self) -> dict[str, str]:
        # Without quotes: Ceph up to 16 never finds a quoted one equal, and S3 takes either.
        return {"If-Match": self.etag}


Condition = IfAbsent | IfMatch


@dataclass(frozen=True, slots=True)
class Stored:
    """An object; ``metadata`` is what the user gave it, names in lower case."""

    body: bytes
    etag: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""
    is_cut: bool = False
    """It is larger than the limit, and its body is left out."""
    size: int = 0
    """Of its body, in bytes, as the store gives it, even where the body is left out."""
    modified: str = ""
    """When it was written, as an HTTP date."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An object in a listing."""

    key: str
    etag: str
    modified: str = ""
    """When it was written, as the store gives it, in ISO 8601. It is parsed on demand: that takes
    as long as all the rest."""

    @property
    def written(self) -> float | None:
        """When it was written, in seconds since the epoch; None where the store does not say."""
        if not self.modified:
            return None
        moment = datetime.fromisoformat(self.modified)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing."""

    found: Sequence[Listed]
    is_cut: bool
    """There may be more behind it: a store may stop after any number of objects."""


class S3Store:
    """One bucket. Objects are named by their whole keys."""

    def __init__(self, http: SignedHttp, endpoint: AwsEndpoint, bucket: str) -> None:
        self._http = http
        self.limits = http.limits
        self.bucket = bucket
        self.clock: ServerClock = http.clock
        if endpoint.path_style:
            self._root = f"{endpoint.url}/{bucket}"
        else:
            self._root = endpoint.url.replace("://", f"://{bucket}.", 1)

    @classmethod
    async def open(cls, address: BucketAddress, connections: int) -> S3Store:
        """Make a store of an address. Raises ConfigurationError; nothing is sent to it yet."""
        account = await Account.open(address.access)
        endpoint = await account.endpoint("s3")
        http = SignedHttp(account, "s3", connections, endpoint.url)
        return cls(http, endpoint, address.bucket)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def put(
        self,
        key: str,
        body: bytes,
        *,
        only: Condition | None = None,
        metadata: Mapping[str, str] | None = None,
        content_type: str = OCTETS,
    ) -> str:
        """Write an object; return its ETag.

        Raises Occupied (the condition does not hold), Unsure (only for a conditional write: it may
        be written; read it back), AccessDenied, QueueUnavailable (not written).
        """
        headers = {META + name: value for name, value in (metadata or {}).items()}
        headers |= {"Content-Type": content_type, **(only.headers if only else {})}
        request = HttpRequest("PUT", self._root + _path(key), headers, body)
        answer = await (self._http.insist(request) if only is None else _once(self._http, request))
        if answer.status == 200:
            return answer.headers.get("etag", "").strip('"')
        # To a condition on an object that is not there, S3 answers 404 and Ceph 412.
        if answer.status == 412 or (answer.status == 404 and answer.code == "NoSuchKey"):
            raise Occupied(key)
        raise _error(self.bucket, answer, "PUT", key)

    async def create(
        self,
        key: str,
        body: bytes,
        what: str,
        *,
        metadata: Mapping[str, str] | None = None,
        content_type: str = OCTETS,
    ) -> bool:
        """Create an object, and repeat that until the outcome is known.

        True: this call created it. False: an answer was lost, and then there was an object, which
        may be another's. ``what`` names it in errors. Raises Occupied (there was one before),
        Unsure (it may be written), AccessDenied, QueueUnavailable (not written).
        """
        put = partial(
            self.put, key, body, only=IfAbsent(), metadata=metadata, content_type=content_type
        )
        async with self.limits.within():
            return await _created(put, what)

    async def get(self, key: str, limit: int = SMALL) -> Stored | None:
        """Read an object; None where there is none. A body over ``limit`` bytes is left out.

        Raises AccessDenied, QueueUnavailable.
        """
        return await self._read("GET", key, limit)

    async def head(self, key: str) -> Stored | None:
        """Read all of an object but its body."""
        return await self._read("HEAD", key, None)

    async def copy(self, source: str, key: str, new: Stored) -> None:
        """Copy an object inside the store, with the metadata and the type of ``new``.

        Raises AccessDenied, QueueUnavailable.
        """
        headers = {META + name: value for name, value in new.metadata.items()} | {
            "Content-Type": new.content_type or OCTETS,
            "x-amz-copy-source": quote(f"/{self.bucket}/{source}", safe="/-_.~"),
            "x-amz-metadata-directive": "REPLACE",
        }
        request = HttpRequest("PUT", self._root + _path(key), headers, fails_late=True)
        answer = await self._http.insist(request)
        if answer.status != 200:
            raise _error(self.bucket, answer, "PUT", key)

    async def _read(self, method: str, key: str, limit: int | None) -> Stored | None:
        answer = await self._http.insist(HttpRequest(method, self._root + _path(key), limit=limit))
        if answer.status == 200:
            etag = answer.headers.get("etag", "").strip('"')
            content_type = legible(answer.headers.get("content-type", ""))
            metadata = _metadata(answer.headers)
            size = int(answer.headers.get("content-length", len(answer.body)))
            modified = answer.headers.get("last-modified", "")
            is_cut = answer.is_cut
            return Stored(answer.body, etag, metadata, content_type, is_cut, size, modified)
        # An answer to HEAD has no body, and so no code.
        if method == "GET" and answer.is_foreign:
            said = f"the server at {self._root} is not S3 (status {answer.status})"
            text = f"{said}: correct endpoint_url"
            raise QueueUnavailable(text)
        if answer.status == 404 and answer.code != "NoSuchBucket":
            return None
        raise _error(self.bucket, answer, method, key)

    async def delete(self, key: str) -> None:
        """Remove an object, if it is there. Raises AccessDenied, QueueUnavailable."""
        answer = await self._http.insist(HttpRequest("DELETE", self._root + _path(key)))
        if answer.status not in (200, 204) and answer.code != "NoSuchKey":
            raise _error(self.bucket, answer, "DELETE", key)

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> Page:
        """Return the objects below a prefix in the order of their keys, a thousand at most.

        Only those behind the key ``after``. A page that is cut is not empty. Raises AccessDenied,
        QueueUnavailable.
        """
        query = f"?list-type=2&max-keys={limit}&prefix={quote(prefix, safe='')}"
        start = f"&start-after={quote(after, safe='')}" if after else ""
        while True:
            answer = await self._http.insist(HttpRequest("GET", self._root + query + start))
            if answer.status != 200:
                raise _error(self.bucket, answer, "LIST", prefix)
            found = [_listed(item) for item in _ITEM.findall(answer.body)]
            is_cut = _TRUNCATED.search(answer.body) is not None
            token = _GOES_ON.search(answer.body) if is_cut and not found else None
            if token is None:
                return Page(found, is_cut and bool(found))
            # It stopped before it had found any, so no key says where to go on.
            said = html.unescape(token[1].decode("utf-8", "replace"))
            start = f"&continuation-token={quote(said, safe='')}"


async def _created(put: Callable[[], Awaitable[str]], what: str) -> bool:
    lost: Unsure | None = None
    for attempt in range(ATTEMPTS):
        try:
            await put()
        except Occupied:
            if lost is None:
                raise
            return False
        except Unsure as error:
            lost = error
            await pause(attempt)
        except QueueUnavailable as error:
            if lost is None:
                raise
            raise Unsure(f"{lost}; and then {error}") from error
        else:
            return True
    raise Unsure(f"the store did not say whether it took {what}")


async def _once(http: SignedHttp, request: HttpRequest) -> HttpResponse:
    """Send a conditional write; again only where it was certainly not carried out.

    S3 answers 409 in that case: another write was under way.
    """
    async with http.limits.within():
        for attempt in range(ATTEMPTS):
            answer = await http.send(request)
            if answer.status != 409 and not answer.is_throttled:
                break
            await pause(attempt)
    if answer.status >= 500 and not answer.is_throttled:
        # Ceph answers so to the loser of a race, and any store may after it has done the work.
        raise Unsure(f"the store answered {answer.status} {answer.code} to a write")
    return answer


def _path(key: str) -> str:
    return "/" + quote(key, safe="/-_.~")


def _error(bucket: str, answer: HttpResponse, verb: str, key: str) -> QueueUnavailable:
    """Return the error for an answer that a verb does not expect, with the cure."""
    place = f"s3://{bucket}/{key}"
    said = f"{answer.status} {answer.code}".rstrip()
    if answer.status in (301, 307, 400) and "x-amz-bucket-region" in answer.headers:
        region = answer.headers["x-amz-bucket-region"]
        return QueueUnavailable(f"the bucket {bucket} is in {region}: set that region")
    if answer.code == "NoSuchBucket":
        text = f"there is no bucket {bucket}: correct its name, or run gateway provision"
        return QueueUnavailable(text)
    if answer.status in (401, 403):
        refused = Unauthenticated if answer.code in _CURES else AccessDenied
        cure = _CURES.get(answer.code) or (
            f"allow {_ACTIONS[verb]} on it (gateway policy shows the whole policy)"
        )
        return refused(f"{place} may not be {_DONE[verb]} ({said}): {cure}")
    kind = QueueAway if answer.status >= 500 else QueueUnavailable
    return kind(f"{place} could not be {_DONE[verb]}: the store answered {said}")


_DONE = {"PUT": "written", "GET": "read", "HEAD": "read", "LIST": "listed", "DELETE": "removed"}
_ACTIONS = {
    "PUT": "s3:PutObject",
    "GET": "s3:GetObject",
    "HEAD": "s3:GetObject",
    "LIST": "s3:ListBucket",
    "DELETE": "s3:DeleteObject",
}
_CURES = {
    **dict.fromkeys(
        (
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "InvalidToken",
            "ExpiredToken",
            "TokenRefreshRequired",
        ),
        "the credentials are wrong or have expired: set those of this store",
    ),
    "RequestTimeTooSkewed": "the clocks differ: correct this machine's",
}


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    lowered = [(name.lower(), value) for name, value in headers.items()]
    own = [(name, value) for name, value in lowered if name.startswith(META)]
    return {name.removeprefix(META): legible(value) for name, value in own}


def _listed(item: bytes) -> Listed:
    key, etag, modified = (pattern.search(item) for pattern in (_KEY, _ETAG, _MODIFIED))
    assert key is not None
    return Listed(
        html.unescape(key[1].decode("utf-8", "replace")),
        html.unescape(etag[1].decode()).strip('"') if etag else "",
        modified[1].decode() if modified else "",
    )
