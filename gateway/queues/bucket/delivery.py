"""A request taken out of a bucket, and how it is settled in the right order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace

from gateway.errors import LeaseLost, QueueError, QueueUnavailable
from gateway.message import (
    Clock,
    Message,
    Unreadable,
    digest,
)
from gateway.queues.bucket.claim_records import (
    REASON_LIMIT,
    Claim,
    Registers,
    storable,
)
from gateway.queues.bucket.layout import (
    METADATA_LIMIT,
    Keys,
    Name,
    encoded,
    object_type,
)
from gateway.queues.bucket.store import S3Store
from gateway.queues.quarantine import entry_name

log = logging.getLogger(__name__)

FOREIGN_REST = 60.0
"""Seconds for which an object that is no request is left, where it cannot be put aside."""
RENEW_AFTER = 0.25
"""The part of a lease for which a claim counts as just written, and is not written again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a delivery ended: for good, given back for ``delay`` seconds, or lost (no ETag)."""

    is_final: bool = False
    etag: str = ""
    attempt: int = 0
    delay: float = 0.0
    interrupted: bool = False


Settled = Callable[[Ending], None]


class Removal:
    """Takes requests out of the bucket once their replies are stored."""

    def __init__(self, store: S3Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    async def remove(self, key: str) -> None:
        """Remove a request. Where that fails, whoever meets it again finds its reply first."""
        try:
            await self._store.delete(key)
        except QueueUnavailable as error:
            log.warning("%s is answered, and not removed yet: %s", key, error)

    async def put_aside(self, key: str, reason: str) -> None:
        """Copy a request into quarantine, then remove it. Raises QueueUnavailable."""
        stored = await self._store.head(key)
        if stored is not None:
            name = entry_name(key.removeprefix(self._keys.requests), reason, stored.etag)
            aside = self._keys.quarantine(name)
            kind = object_type(stored.content_type)
            metadata = _labelled(stored.metadata, reason)
            new = replace(stored, metadata=metadata, content_type=kind)
            await self._store.copy(key, aside, new)
        await self.remove(key)


def _labelled(metadata: Mapping[str, str], reason: str) -> dict[str, str]:
    """Return metadata with a reason beside it. What no header can carry is encoded.

    It may be a stranger's, and as long as may be: what there is no room for is left out.
    """
    labelled = {"gateway-reason": encoded(reason)[:REASON_LIMIT]}
    room = METADATA_LIMIT - sum(len(name) + len(value) for name, value in labelled.items())
    for name, value in metadata.items():
        carried = value if value.isascii() and value.isprintable() else encoded(value)
        size = len(name) + len(carried)
        if size <= room:
            labelled.setdefault(name, carried)
            room -= size
    return labelled


@dataclass(frozen=True, slots=True)
class Desk:
    """What the deliveries of one gateway work with."""

    registers: Registers
    removal: Removal
    clock: Clock


@dataclass
class Hold:
    """What a delivery holds its request by; ``written`` by the monotonic clock."""

    claim: Claim
    etag: str
    written: float
    has_begun: bool = False
    """Work may have reached the backend."""
    is_over: bool = False
    is_ended: bool = False
    """Over, and nothing is left to be done about it."""


class S3Delivery:
    """A request whose register is this gateway's claim."""

    is_contested = False  # the register is its claim

    def __init__(
        self,
        desk: Desk,
        key: str,
        name: Name,
        message: Message | Unreadable,
        hold: Hold,
        settled: Settled,
    ) -> None:
        self.message = message
        self.attempt = hold.claim.attempt
        self._desk = desk
        self._key = key
        self._name = name
        self._hold = hold
        self._settled = settled
        # A renewal under way changes the ETag that an answer has to name.
        self._turn = asyncio.Lock()

    async def answer(self, reply: Message | None) -> None:
        await self._settle(reply, "")
        try:
            await self._desk.removal.remove(self._key)
        finally:
            self._end(Ending(is_final=True))

    async def quarantine(self, reason: str, reply: Message | None) -> None:
        await self._settle(reply, reason)
        ending = Ending()
        try:
            await self._desk.removal.put_aside(self._key, reason)
            ending = Ending(is_final=True)
        except QueueUnavailable as error:
            # Its register says that it belongs aside: whoever meets it again does that first.
            log.warning("%s is answered, and not put aside yet: %s", self._key, error)
        finally:
            self._end(ending)

    async def retry(self, delay: float, *, counts: bool = True) -> None:
        await self._release(delay, counts, self._hold.claim.interrupted)

    async def abandon(self) -> None:
        """Give the request back as one that may have reached the backend, if work had begun."""
        has_begun = self._hold.has_begun
        await self._release(0.0, has_begun, self._hold.claim.interrupted or has_begun)

    async def _release(self, delay: float, counts: bool, interrupted: bool) -> None:
        async with self._sole():
            hold = _held(self._hold)
            attempt = self.attempt if counts else self.attempt - 1
            claim = replace(hold.claim, attempt=attempt, interrupted=interrupted)
            not_before = self._desk.clock() + delay
            etag = await self._guarded(
                self._desk.registers.release(self._name, claim, hold.etag, not_before)
            )
            hold.is_over = True
        self._end(Ending(etag=etag, attempt=attempt, delay=delay, interrupted=interrupted))

    async def extend(self, lease: float) -> None:
        async with self._turn:
            if self._hold.is_over and not self._hold.is_ended:
                return  # it is answered, and is being removed
            hold = _held(self._hold)
            hold.has_begun = True
            now = time.monotonic()
            if lease <= hold.claim.lease and now - hold.written < RENEW_AFTER * lease:
                return  # it was claimed just now, and the claim itself is the durable mark
            claim = replace(hold.claim, lease=lease)
            hold.etag = await self._guarded(
                self._desk.registers.claim(self._name, claim, hold.etag)
            )
            hold.claim, hold.written = claim, now

    def let_go(self) -> None:
        # Its claim stands in the register, and is taken over as that of a dead gateway is.
        self._hold.is_over = True
        self._end(Ending(delay=self._hold.claim.lease))

    async def _settle(self, reply: Message | None, quarantined: str) -> None:
        async with self._sole():
            hold = _held(self._hold)
            if isinstance(self.message, Message):
                reply = storable(reply, self.message)
            await self._guarded(
                self._desk.registers.settle(self._name, hold.claim, reply, hold.etag, quarantined)
            )
            hold.is_over = True

    @contextlib.asynccontextmanager
    async def _sole(self) -> AsyncIterator[None]:
        """Have the turn. What fails in a way that nobody foresaw leaves the request for a lease."""
        try:
            async with self._turn:
                yield
        except QueueError:
            raise
        except Exception:  # a bug: whoever settles meets it, and this request is not held for ever
            self.let_go()
            raise

    async def _guarded(self, write: object) -> str:
        """Await a write of the register; remember where it shows that another has it."""
        try:
            return await write  # type: ignore[misc, no-any-return]
        except LeaseLost:
            self._hold.is_over = True
            self._end(Ending())
            raise

    def _end(self, ending: Ending) -> None:
        """Tell how it ended, once: by the second time another delivery may have the request."""
        if not self._hold.is_ended:
            self._hold.is_ended = True
            self._settled(ending)


def _held(hold: Hold) -> Hold:
    if hold.is_over:
        raise LeaseLost("the request was settled, given back, or lost")
    return hold


class ForeignDelivery:
    """An object among the requests that is none: it can only be put aside."""

    attempt = 1
    is_contested = False

    def __init__(self, desk: Desk, key: str, settled: Settled) -> None:
        entry = key.rpartition("/")[2][:64] or "?"
        self.message: Message | Unreadable = Unreadable(
            id=entry, sender="", reason="its key is not requests/ID.CLIENT"
        )
        self._desk = desk
        self._key = key
        self._settled = settled

    async def answer(self, reply: Message | None) -> None:
        await self.quarantine("its key is not requests/ID.CLIENT", reply)

    async def quarantine(self, reason: str, reply: Message | None) -> None:
        """Put it aside; there is nobody to tell. Where that fails, it is left for a while."""
        ending = Ending(delay=FOREIGN_REST)
        try:
            await self._desk.removal.put_aside(self._key, reason)
            ending = Ending(is_final=True)
        except QueueUnavailable as error:
            log.error("%s is no request, and cannot be put aside: %s", self._key, error)
        finally:
            self._settled(ending)

    async def retry(self, delay: float, *, counts: bool = True) -> None:
        self._settled(Ending(delay=delay))

    def let_go(self) -> None:
        self._settled(Ending(delay=FOREIGN_REST))

    async def extend(self, lease: float) -> None:
        """Hold nothing: others may find it too, and putting aside twice is once."""


def request_digest(message: Message | Unreadable) -> str:
    """Return the SHA-256 of a request's body; empty for what cannot be read."""
    return digest(message).hex() if isinstance(message, Message) else ""
