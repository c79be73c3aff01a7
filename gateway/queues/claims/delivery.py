"""A request that one gateway holds, and how it is settled once, in the right order.

The source of requests cannot ensure that each is answered once: a listing shows them to all, and
SQS may deliver a message twice. So each request has a record in a ledger, where only one gateway
can write the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from gateway.errors import LeaseLost, QueueError, QueueUnavailable
from gateway.message import Clock, Message, Unreadable
from gateway.queues.claims.records import (
    Claim,
    Claimed,
    ClaimRecord,
    Ledger,
    Name,
    Released,
    Settled,
    Untold,
    Version,
    Writing,
    request_digest,
)
from gateway.queues.options import PutAside
from gateway.queues.quarantine import ID_TAKEN

T = TypeVar("T")

log = logging.getLogger(__name__)

HIDDEN = 0.9
"""The part of a lease for which SQS hides a message. Its next receiver then watches the claim for a
lease and a second; together that must be less than two leases."""
RENEW_AFTER = 0.25
"""The part of a lease for which a fresh claim, and the hiding of its message, are not renewed."""


class Entry(Protocol):
    """A request in its queue: how it is read, held and taken out."""

    name: Name
    ledger: Ledger

    async def read(self, *, interrupted: bool) -> Message | Unreadable | None:
        """Return the request; None where it is gone, and its message has to go as well."""
        ...

    async def remove(self) -> None:
        """Remove the request; a failure is logged, and the next gateway to try it removes it."""
        ...

    async def put_aside(self, message: Message | Unreadable | None, reason: str) -> None:
        """Keep the request in quarantine, then remove it. Raises QueueUnavailable."""
        ...

    async def hold(self, seconds: float) -> None:
        """Hide the request from others for so many seconds from now; 0 shows it again.

        Does nothing where the claim alone keeps others away. Raises LeaseLost, QueueUnavailable.
        """
        ...


@dataclass
class Standing:
    """The state of a request that this gateway holds."""

    claim: Claim
    version: Version | None
    """Version of its record when it was last seen; None: there is no record."""
    held: float
    """When its claim or its hiding was last begun or renewed, by the monotonic clock."""
    is_claimed: bool = False
    """Whether the record is this gateway's claim."""
    has_begun: bool = False
    """Whether it was extended: work may have reached the backend."""
    is_over: bool = False
    is_settled: bool = False
    """It is over, by an answer of this gateway."""
    owed: str = ""
    """Why a settled request still has to be put aside, after that failed."""
    is_ended: bool = False
    """It is over, and nothing is left to do."""


class Source(Protocol):
    """The part of a queue that handed out a delivery."""

    clock: Clock
    """The ledger's."""

    async def put_off(self, delivery: ClaimDelivery, delay: float) -> None:
        """Hand the request of a delivery out again in so many seconds, as another delivery."""
        ...

    def ended(self, delivery: ClaimDelivery) -> None:
        """Note that a delivery is settled, lost to another gateway, or let go; called once."""
        ...


class ClaimDelivery:
    """A request kept from other gateways: by its ledger, at the latest when work begins."""

    def __init__(
        self,
        source: Source,
        entry: Entry,
        message: Message | Unreadable,
        standing: Standing,
        *,
        is_contested: bool = False,
    ) -> None:
        self.message = message
        self.attempt = standing.claim.attempt
        self.entry = entry
        self.standing = standing
        self.is_contested = is_contested
        self._source = source
        # A renewal under way changes the version that an answer must name.
        self._turn = asyncio.Lock()

    async def answer(self, reply: Message | None) -> None:
        await self.quarantine("", reply)

    async def quarantine(self, reason: str, reply: Message | None) -> None:
        async with self._sole():
            standing = _check(self.standing)
            try:
                await self._write(Settled(standing.claim, self.message, reply, reason))
            except Untold as error:
                reason = f"{reason}; {error}" if reason else str(error)
            standing.is_over = standing.is_settled = True
        await self._take_out(reason)

    async def _take_out(self, reason: str) -> None:
        """Put an answered request aside; remove it where there is no reason for that."""
        # Its record says that it has to be put aside: the next gateway to try it does that first.
        # Without a record, this process remembers it until it is done.
        self.standing.owed = reason
        try:
            if reason:
                await self.entry.put_aside(self.message, reason)
            else:
                await self.entry.remove()
            self.standing.owed = ""
        except QueueUnavailable as error:
            log.warning("%s is answered, but not put aside yet: %s", self.message.id, error)
        finally:
            self.let_go()

    async def retry(self, delay: float, *, counts: bool = True) -> None:
        async with self._sole():
            _check(self.standing)
            attempt = self.attempt if counts else self.attempt - 1
            await self._release(delay, replace(self.standing.claim, attempt=attempt))
            await self._guarded(self._source.put_off(self, delay))
            self.standing.is_over = self.standing.is_ended = True

    async def give_back(self) -> None:
        """Give the request back at once, marked as interrupted if work had begun.

        Raises LeaseLost, QueueUnavailable.
        """
        async with self._sole():
            _check(self.standing)
            claim = self.standing.claim
            if self.standing.has_begun:
                claim = replace(claim, interrupted=True)
            else:
                claim = replace(claim, attempt=self.attempt - 1)
            await self._release(0, claim)
            await self.entry.hold(0)
            self.standing.is_over = True

    async def _release(self, delay: float, claim: Claim) -> None:
        standing = self.standing
        if standing.is_claimed:
            await self._write(Released(claim, self._source.clock() + delay))
            standing.is_claimed = standing.has_begun = False
        standing.claim = claim

    async def extend(self, lease: float) -> None:
        async with self._turn:
            if self.standing.is_over and not self.standing.is_ended:
                return  # it is answered, and is being removed
            _check(self.standing)
            standing, now = self.standing, time.monotonic()
            standing.has_begun = standing.has_begun or standing.is_claimed
            is_fresh = lease <= standing.claim.lease and now - standing.held < RENEW_AFTER * lease
            if standing.is_claimed and is_fresh:
                return  # the claim is fresh, and is itself the durable mark
            if not is_fresh:
                await self._guarded(self.entry.hold(HIDDEN * lease))
            claim = replace(standing.claim, lease=lease)
            await self._write(Claimed(claim))
            standing.claim, standing.is_claimed, standing.has_begun = claim, True, True
            standing.held = standing.held if is_fresh else now

    def let_go(self) -> None:
        # If it is not settled, it comes again, and its claim is taken over as an abandoned one.
        if not self.standing.is_ended:
            self.standing.is_over = self.standing.is_ended = True
            self._source.ended(self)

    async def _write(self, new: Writing) -> None:
        """Write the record. Raises LeaseLost, QueueUnavailable, Untold."""
        entry, over = self.entry, self.standing.version
        writing = entry.ledger.write(entry.name, new, over)
        self.standing.version = await self._guarded(writing)

    async def _guarded(self, doing: Awaitable[T]) -> T:
        """Await ``doing``; on LeaseLost, let the request go."""
        try:
            return await doing
        except LeaseLost:
            self.let_go()
            raise

    @contextlib.asynccontextmanager
    async def _sole(self) -> AsyncIterator[None]:
        """Hold the lock. After an unexpected error, forget the request.

        It comes again, and must not count as a second copy of one that is here.
        """
        try:
            async with self._turn:
                yield
        except QueueError:
            raise
        except Exception:  # a bug: the caller gets it, and the request is not held for ever
            self.let_go()
            raise


def _check(standing: Standing) -> Standing:
    if standing.is_over:
        raise LeaseLost("the request was settled, given back, or lost")
    return standing


@contextlib.asynccontextmanager
async def renewed(entry: Entry, standing: Standing) -> AsyncIterator[None]:
    """Renew a claim at each third of its lease, until the block ends.

    Raises LeaseLost at its end if another gateway has the request by then.
    """
    is_over = asyncio.Event()
    renewals: list[asyncio.Task[None]] = []

    def begin() -> None:
        renewals.append(asyncio.create_task(_renew(entry, standing, is_over)))

    timer = asyncio.get_running_loop().call_later(standing.claim.lease / 3, begin)
    try:
        yield
    finally:
        timer.cancel()
        # A renewal is not cancelled: a write cut short leaves an unknown version.
        is_over.set()
        await asyncio.gather(*renewals)


async def _renew(entry: Entry, standing: Standing, is_over: asyncio.Event) -> None:
    while not is_over.is_set():
        written, claimed = time.monotonic(), Claimed(standing.claim)
        with contextlib.suppress(QueueUnavailable):
            standing.version = await entry.ledger.write(entry.name, claimed, standing.version)
            standing.held = written
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(standing.claim.lease / 3):
                await is_over.wait()


async def finish(entry: Entry, record: ClaimRecord, tell: PutAside) -> None:
    """Remove an answered request, and finish what the gateway that answered it left undone.

    A request with other bytes than the answered one of its id is put aside; ``tell`` reports it.
    """
    message = await entry.read(interrupted=False)
    if message is not None and record.digest and request_digest(message) != record.digest:
        tell(message, ID_TAKEN)
        await entry.put_aside(message, ID_TAKEN)
    elif record.quarantined:
        await entry.put_aside(message, record.quarantined)
    else:
        await entry.remove()
