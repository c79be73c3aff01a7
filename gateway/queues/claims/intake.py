"""Receiving requests from SQS: which are free, which are answered, and which must wait."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from gateway.errors import QueueUnavailable
from gateway.message import Clock, Message, Unreadable
from gateway.queue import Delivery
from gateway.queues.aws.sqs import Received
from gateway.queues.aws.sqs_pump import SqsPump
from gateway.queues.claims.basket import TOGETHER, give_back, given_back
from gateway.queues.claims.delivery import ClaimDelivery, Standing, finish
from gateway.queues.claims.read_ahead import MessageEntry, Parked, ReadAhead, Resume
from gateway.queues.claims.records import (
    Claim,
    ClaimRecord,
    Version,
    claimable,
    new_token,
    request_digest,
)
from gateway.queues.options import QueueOptions
from gateway.queues.prefetched import Unasked

log = logging.getLogger(__name__)

LOOK_AHEAD = 100
"""Requests over their clients' concurrency limits that this process keeps, at most, while it looks
for others."""
LAPSED = float("-inf")
"""``held`` of a parked request: another may hold it since, so it is held again before any work."""
COPY = 5.0
"""Seconds before the second message of a request that is at work here is examined again."""
MOST_PARKED = 1000
"""Requests that wait in this process to be tried again, at most; SQS keeps the others."""

Open = Callable[[Received], Awaitable[MessageEntry | None]]
"""Makes an entry of a received message; None where it was not a request, and is dealt with."""


class LeasedIntake:
    """Hands out the requests of one SQS queue, each held by its visibility for a lease.

    From the second receipt of a message on, its record is read first. Another's claim is taken over
    when it has not changed for its whole lease, by this process's own clock.
    """

    def __init__(
        self, pump: SqsPump, clock: Clock, options: QueueOptions, open_entry: Open
    ) -> None:
        self._pump = pump
        self._open = open_entry
        self._lease = options.lease
        self._ahead = ahead = ReadAhead()
        self._unasked = Unasked(ahead.basket.is_left, ahead.basket.return_ready)
        self._triage = _Triage(clock, options, ahead)

    async def receive(
        self, limit: int, wait: float, shares: Mapping[str, int]
    ) -> Sequence[Delivery]:
        """Do what ``Queue.receive`` does."""
        with self._unasked.asking():
            return await self._hand_out(limit, wait, shares)

    async def _hand_out(
        self, limit: int, wait: float, shares: Mapping[str, int]
    ) -> Sequence[Delivery]:
        until, ahead = time.monotonic() + wait, self._ahead
        asked, ahead.shares = False, shares
        while True:
            ahead.begin_due(limit)
            failure = ahead.basket.reap()
            if taken := ahead.hand_out(limit):
                if failure is not None:  # it concerns one message; the others go on
                    log.warning("%s; trying again", failure)
                return taken
            if failure is not None:
                raise failure
            # All that are still ready are over the limits.
            while ahead.basket.ready:
                one = ahead.basket.ready.pop(0)
                received = ahead.deliveries[one].received
                ahead.basket.begin(received, self._triage.wait_for_share(one))
            left = until - time.monotonic()
            if asked and left <= 0 and not ahead.basket.taking:
                return []
            asked = True
            await self._look(limit, max(0.0, left))

    async def _look(self, limit: int, wait: float) -> None:
        """Receive until there is a change worth another look."""
        ahead, taking = self._ahead, self._ahead.basket.taking
        room = limit - len(taking)
        if sum(one.client is not None for one in ahead.parked) >= LOOK_AHEAD:
            await ahead.wake(wait)
        elif room > 0:
            await self._receive(room, wait)
        if taking and not ahead.basket.ready:
            # A slow read holds up no other request, as long as there is room.
            longest = TOGETHER if len(taking) < limit else None
            await asyncio.wait(taking, timeout=longest, return_when=asyncio.FIRST_COMPLETED)

    async def _receive(self, room: int, wait: float) -> None:
        ahead = self._ahead
        ahead.basket.changed.clear()
        fetching = asyncio.create_task(self._fetch(room, wait))
        waking = asyncio.create_task(ahead.wake(wait))
        # A receive without a wait is never cut short, or an idle queue would never be polled.
        awaited = {fetching, waking} if wait else {fetching}
        try:
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
            fetching.cancel()  # the pump keeps what it received for the next call
        if fetching.done():
            fetching.result()

    async def _fetch(self, limit: int, wait: float) -> None:
        for one in await self._pump.receive(limit, wait):
            self._ahead.basket.begin(one, self._take(one))

    async def _take(self, received: Received) -> None:
        entry = await self._open(received)
        if entry is not None:
            await self._decide(entry)

    async def _decide(self, entry: MessageEntry) -> None:
        """Decide on a request just received, or one that waited for its client's limit."""
        with self._ahead.copies.leaving(entry):
            (client, _), copies = entry.name, self._ahead.copies
            if self._ahead.shares.get(client, 1) <= 0:
                await self._triage.park(entry, self._lease, partial(self._decide, entry), client)
                return
            if not copies.enter(entry):
                # Once the first is answered, its record has the answer to this one.
                if len(self._ahead.parked) < MOST_PARKED:
                    await self._triage.park(entry, COPY, partial(self._decide, entry))
                else:
                    await entry.hold(COPY)
                return
            if not entry.ledger.remembers and copies.was_answered(entry.received.id):
                await self._triage.clear(entry)
                return
            was_used = entry.was_used = entry.was_used or copies.was_answered(entry.name)
            is_first = entry.received.count == 1 and not was_used
            record = None if is_first else await entry.ledger.look(entry.name)
            await self._triage.consider(entry, record, None)

    async def give_back(self) -> None:
        """Give back unsettled requests: others get them at once."""
        await self._unasked.aclose()
        await give_back(self._ahead.deliveries)  # first: tasks under way may take all the time
        undone = await self._ahead.basket.end()
        parked = [one.received for one in self._ahead.parked]
        letting_go = (_let_go(one, self._pump) for one in (*undone, *parked))
        await asyncio.gather(give_back(self._ahead.deliveries), *letting_go)


class _Triage:
    """Decides on each request: to hand it out, to park it, or to finish it."""

    def __init__(self, clock: Clock, options: QueueOptions, ahead: ReadAhead) -> None:
        self.clock = clock
        self._lease = options.lease
        self._put_aside = options.put_aside
        self._ahead = ahead

    async def consider(
        self, entry: MessageEntry, record: ClaimRecord | None, watched: Version | None
    ) -> None:
        """Hand out a free request; ``watched`` is the version seen a lease ago, if any."""
        if record is None:
            await self._begin(entry, self._standing(_attempt(entry)))
            return
        if record.is_final:
            self._ahead.copies.leave(entry)
            await finish(entry, record, self._put_aside)
            return
        seen = claimable(record, self.clock())
        # Also a released one: only our own clock is believed for longer than its delay.
        is_unchanged = seen.version == watched
        if seen.delay > 0 and not is_unchanged:
            await self.park(entry, seen.delay, partial(self._again, entry, seen.version))
            return
        standing = self._standing(seen.attempt + 1)
        standing.claim = replace(standing.claim, interrupted=seen.interrupted)
        standing.version = seen.version
        await self._begin(entry, standing)

    async def _again(self, entry: MessageEntry, watched: Version) -> None:
        with self._ahead.copies.leaving(entry):
            await self.consider(entry, await entry.ledger.look(entry.name), watched)

    def _standing(self, attempt: int) -> Standing:
        claim = Claim(token=new_token(), lease=self._lease, attempt=attempt)
        return Standing(claim, None, time.monotonic())

    async def _begin(self, entry: MessageEntry, standing: Standing) -> None:
        message = await entry.read(interrupted=standing.claim.interrupted)
        if message is None:
            self._ahead.copies.leave(entry)
            await entry.remove()
            return
        standing.claim = replace(standing.claim, digest=request_digest(message))
        standing.held = LAPSED if entry.was_used else standing.held
        self._offer(entry, message, standing)

    def _offer(
        self, entry: MessageEntry, message: Message | Unreadable, standing: Standing
    ) -> None:
        is_contested = _is_contested(entry, standing)
        delivery = ClaimDelivery(self, entry, message, standing, is_contested=is_contested)
        self._ahead.offer(entry, delivery)

    async def clear(self, entry: MessageEntry) -> None:
        """Remove a message that was answered here; first put it aside, if that failed before.

        If SQS refuses that for good, the message comes again with each lease, until SQS gives up.
        """
        copies, owed = self._ahead.copies, self._ahead.copies.owed(entry.received.id)
        copies.leave(entry)
        if not owed:
            await entry.remove()
            return
        try:
            await entry.put_aside(None, owed)
        except QueueUnavailable as error:
            log.debug("%s is not put aside yet: %s", entry.name[1], error)
            return
        copies.leave(entry, is_answered=True)
        log.warning("%s is put aside now: %s", entry.name[1], owed)

    async def put_off(self, delivery: ClaimDelivery, delay: float) -> None:
        """Keep a released request here: SQS would count another receipt."""
        entry, old = self._ahead.deliveries[delivery], delivery.standing
        if len(self._ahead.parked) >= MOST_PARKED:
            # Longer each time: a request that waits for a service must not use up its receipts.
            await entry.hold(delay * entry.received.count)
            self._ahead.end(delivery)
            return
        message, standing = delivery.message, self._standing(old.claim.attempt + 1)
        standing.version = old.version
        standing.claim = replace(
            standing.claim, digest=old.claim.digest, interrupted=old.claim.interrupted
        )

        async def resume() -> None:
            standing.held = LAPSED
            self._offer(entry, message, standing)

        await self.park(entry, delay, resume)
        del self._ahead.deliveries[delivery]

    def ended(self, delivery: ClaimDelivery) -> None:
        """Forget a request that is settled or lost."""
        self._ahead.end(delivery)

    async def wait_for_share(self, delivery: ClaimDelivery) -> None:
        """Park a ready request until its client's concurrency limit has room."""
        entry = self._ahead.deliveries[delivery]

        async def resume() -> None:
            delivery.standing.held = LAPSED
            delivery.is_contested = True
            self._ahead.offer(entry, delivery)

        await self.park(entry, self._lease, resume, entry.name[0])

    async def park(
        self, entry: MessageEntry, delay: float, resume: Resume, client: str | None = None
    ) -> None:
        with self._ahead.copies.leaving(entry):
            await entry.hold(delay + self._lease)
        # It is held no longer than that: if it has not been resumed by then, another receives it.
        entry.was_used = True
        self._ahead.park(Parked(time.monotonic() + delay, entry.received, resume, client))


def _attempt(entry: MessageEntry) -> int:
    """Return the number of the attempt for a request without a record.

    Receipts say little: one that was given back before any work counts as well. But from the second
    receipt on, a claim precedes any work: so at most one attempt has left no record.
    """
    count = entry.received.count
    return min(count, 2) if entry.ledger.remembers else count


def _is_contested(entry: MessageEntry, standing: Standing) -> bool:
    """Tell whether another gateway may have a request, or get it, in spite of its receipt.

    It was received or answered before, was parked, or waited until others may look for it.
    """
    is_old = entry.received.count > 1 or entry.was_used or entry.is_late
    return is_old or standing.version is not None


async def _let_go(received: Received, pump: SqsPump) -> None:
    await given_back(f"message {received.id}", pump.hold(received.handle, 0))
