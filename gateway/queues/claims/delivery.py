"""Requests that SQS hands out under its visibility timeout, and how each is settled once.

What SQS promises is not enough to answer a request once: it may deliver a message twice. So beside
each request there is a ledger, in which only one can write the answer: its register in a bucket.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from gateway.errors import LeaseLost, QueueError, QueueUnavailable
from gateway.message import Clock, Message, Unreadable
from gateway.queues.aws.sqs import Received
from gateway.queues.aws.sqs_pump import SqsPump
from gateway.queues.bucket.claim_records import Claim, Register, storable
from gateway.queues.bucket.layout import Name

T = TypeVar("T")

log = logging.getLogger(__name__)

HIDDEN = 0.9
"""The part of a lease for which SQS hides a message. Whoever receives it then watches its claim for
a lease and a second, and both together are to be less than two leases."""
RENEW_AFTER = 0.25
"""The part of a lease for which what was just written, or held, is not renewed."""


class Untold(Exception):
    """A request is answered, and nobody takes its reply; the text is why, for its operator."""


class Ledger(Protocol):
    """Where a request is claimed and answered. ``Registers`` is one, with each promise kept."""

    remembers: bool
    """Whether what was claimed is found by ``look``."""

    async def look(self, name: Name) -> Register | None:
        """Return what is known of a request; None for nothing."""
        ...

    async def claim(self, name: Name, claim: Claim, over: str | None) -> str:
        """Mark that work begins, or goes on; return what the next write names as ``over``."""
        ...

    async def release(self, name: Name, claim: Claim, over: str, not_before: float) -> str:
        """Take the mark back."""
        ...

    async def settle(
        self, name: Name, claim: Claim, reply: Message | None, over: str | None, quarantined: str
    ) -> None:
        """Store or send the reply. Raises Untold where it is answered, and that can never be."""
        ...


class Entry(Protocol):
    """A message received that stands for a request, and the request's way out of the queue."""

    name: Name
    received: Received
    ledger: Ledger
    was_used: bool
    """Whether the request may have been answered before, though this is its first receipt."""

    @property
    def is_late(self) -> bool:
        """Tell whether others may come upon the request by now without this message."""
        ...

    async def read(self, *, interrupted: bool) -> Message | Unreadable | None:
        """Return the request; None where it is gone, and the message is to go as well."""
        ...

    async def remove(self) -> None:
        """Remove request and message; what fails is logged, and done by who receives it next."""
        ...

    async def put_aside(self, message: Message | Unreadable | None, reason: str) -> None:
        """Keep the request in quarantine, then remove it. Raises QueueUnavailable."""
        ...


@dataclass
class Standing:
    """How a request stands with this gateway."""

    claim: Claim
    etag: str | None
    """Of its register as it was seen last; None: there is none."""
    held: float
    """When its visibility was renewed, by the monotonic clock."""
    is_begun: bool = False
    """Whether the register is this gateway's claim: work may have reached the backend."""
    is_over: bool = False
    is_settled: bool = False
    """Over, and by an answer of this gateway."""
    owed: str = ""
    """Why it is to be put aside, where it is settled and that failed."""
    is_ended: bool = False
    """Over, and nothing is left to be done about it."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the deliveries of one gateway work with."""

    pump: SqsPump
    clock: Clock
    park: Callable[[LeasedDelivery, float], Awaitable[None]]
    """Keeps a request for so many seconds, then hands it out again, as another delivery."""
    ended: Callable[[LeasedDelivery], None]
    """Is told of one that is settled, or lost to another gateway."""


class LeasedDelivery:
    """A request that SQS keeps from others, and, once work has begun, its ledger as well."""

    def __init__(
        self, desk: Desk, entry: Entry, message: Message | Unreadable, standing: Standing
    ) -> None:
        self.message = message
        self.attempt = standing.claim.attempt
        self.entry = entry
        self.standing = standing
        self.is_contested = _is_contested(entry, standing)
        self._desk = desk
        # A renewal under way changes the ETag that an answer has to name.
        self._turn = asyncio.Lock()

    async def answer(self, reply: Message | None) -> None:
        await self.quarantine("", reply)

    async def quarantine(self, reason: str, reply: Message | None) -> None:
        try:
            await self._settle(reply, reason)
        except Untold as error:
            reason = f"{reason}; {error}" if reason else str(error)
        await self._take_out(reason)

    async def _take_out(self, reason: str) -> None:
        """Put an answered request aside, or remove it where there is no reason to."""
        # Its register says that it belongs aside: whoever receives it again does that first.
        # Where there is none, this process remembers it, for as long as it is not done.
        self.standing.owed = reason
        try:
            if reason:
                await self.entry.put_aside(self.message, reason)
            else:
                await self.entry.remove()
            self.standing.owed = ""
        except QueueUnavailable as error:
            log.warning("%s is answered, and not put aside yet: %s", self.message.id, error)
        finally:
            self.let_go()

    async def retry(self, delay: float, *, counts: bool = True) -> None:
        async with self._sole():
            _check(self.standing)
            attempt = self.attempt if counts else self.attempt - 1
            await self._release(delay, replace(self.standing.claim, attempt=attempt))
            await self._guarded(self._desk.park(self, delay))
            self.standing.is_over = self.standing.is_ended = True

    async def give_back(self) -> None:
        """Give the request back at once: as one that may have reached the backend, if work began.

        Raises LeaseLost, QueueUnavailable.
        """
        async with self._turn:
            _check(self.standing)
            claim = self.standing.claim
            if self.standing.is_begun:
                claim = replace(claim, interrupted=True)
            else:
                claim = replace(claim, attempt=self.attempt - 1)
            await self._release(0, claim)
            await self._desk.pump.hold(self.entry.received.handle, 0)
            self.standing.is_over = True

    async def _release(self, delay: float, claim: Claim) -> None:
        standing = self.standing
        standing.claim = claim
        if standing.is_begun and standing.etag is not None:
            not_before = self._desk.clock() + delay
            release = self.entry.ledger.release(self.entry.name, claim, standing.etag, not_before)
            standing.etag = await self._guarded(release)
            standing.is_begun = False

    async def extend(self, lease: float) -> None:
        async with self._turn:
            if self.standing.is_over and not self.standing.is_ended:
                return  # it is answered, and is being removed
            _check(self.standing)
            standing, now = self.standing, time.monotonic()
            is_fresh = now - standing.held < RENEW_AFTER * lease
            if standing.is_begun and is_fresh:
                return
            if not is_fresh or lease > standing.claim.lease:
                await self._guarded(
                    self._desk.pump.hold(self.entry.received.handle, HIDDEN * lease)
                )
                standing.held = now
            claim = replace(standing.claim, lease=lease)
            write = self.entry.ledger.claim(self.entry.name, claim, standing.etag)
            standing.etag = await self._guarded(write)
            standing.claim, standing.is_begun = claim, True

    def let_go(self) -> None:
        # Where it is not settled, its message comes again, and its claim is taken over as a dead's.
        if not self.standing.is_ended:
            self.standing.is_over = self.standing.is_ended = True
            self._desk.ended(self)

    async def _settle(self, reply: Message | None, quarantined: str) -> None:
        async with self._sole():
            _check(self.standing)
            standing, message = self.standing, self.message
            if isinstance(message, Message):
                reply = storable(reply, message)
            settling = self.entry.ledger.settle(
                self.entry.name, standing.claim, reply, standing.etag, quarantined
            )
            try:
                await self._guarded(settling)
            except Untold:
                standing.is_over = standing.is_settled = True
                raise
            standing.is_over = standing.is_settled = True

    async def _guarded(self, doing: Awaitable[T]) -> T:
        """Await what shows whether another has the request; remember if so."""
        try:
            return await doing
        except LeaseLost:
            self.let_go()
            raise

    @contextlib.asynccontextmanager
    async def _sole(self) -> AsyncIterator[None]:
        """Have the turn. Where something fails that nobody foresaw, forget the request.

        Its message comes again, and must not be taken for the second of one that is here.
        """
        try:
            async with self._turn:
                yield
        except (QueueError, Untold):
            raise
        except Exception:  # a bug: whoever settles meets it, and this request is not held for ever
            self.let_go()
            raise


def _is_contested(entry: Entry, standing: Standing) -> bool:
    """Tell whether another may have a request, or get it, whatever SQS promises.

    It was received or answered before, was parked, or waited until others may look for it.
    """
    is_old = entry.received.count > 1 or entry.was_used or entry.is_late
    return is_old or standing.etag is not None


def _check(standing: Standing) -> None:
    if standing.is_over:
        raise LeaseLost("the request was settled, given back, or lost")
