"""Receiving requests from SQS: which of them are free, which are answered, which must wait."""

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
"""Requests over the shares of their clients that this process keeps while it looks for others."""
LAPSED = float("-inf")
"""When a parked request was held: it may be another's since, and is held anew before any work."""
COPY = 5.0
"""Seconds after which a second message of a request that is at work here is looked at again."""
MOST_PARKED = 1000
"""Requests that wait in this process to be tried again, at most; SQS keeps the others."""

Open = Callable[[Received], Awaitable[MessageEntry | None]]
"""Makes an entry of what was received; None where it was no request, and is dealt with."""


class LeasedIntake:
    """Hands out the requests of one SQS queue, each held by its visibility for a lease.

    From the second receipt of a message on, its ledger is looked at first. A claim of another is
    taken over once it has stood still for its whole lease, by this process's own clock.
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
                if failure is not None:  # it concerns one message, and the others go on
                    log.warning("%s; trying again", failure)
                return taken
            if failure is not None:
                raise failure
            # What is ready now is over the shares.
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
        """Receive, until something has changed that is worth another look."""
        ahead, taking = self._ahead, self._ahead.basket.taking
        room = limit - len(taking)
        if sum(one.client is not None for one in ahead.parked) >= LOOK_AHEAD:
            await ahead.wake(wait)
        elif room > 0:
            await self._receive(room, wait)
        if taking and not ahead.basket.ready:
            # What the store is slow to give holds up no other, as long as there is room.
            longest = TOGETHER if len(taking) < limit else None
            await asyncio.wait(taking, timeout=longest, return_when=asyncio.FIRST_COMPLETED)

    async def _receive(self, room: int, wait: float) -> None:
        ahead = self._ahead
        ahead.basket.changed.clear()
        fetching = asyncio.create_task(self._fetch(room, wait))
        waking = asyncio.create_task(ahead.wake(wait))
        # A short receive always comes to its end, or an idle queue would never be asked.
        awaited = {fetching, waking} if wait else {fetching}
        try:
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
            fetching.cancel()  # what it received is kept by the pump, for the next
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
        """Decide on what was just received, or has waited for a share of its client."""
        with self._ahead.copies.leaving(entry):
            (client, _), copies = entry.name, self._ahead.copies
            if self._ahead.shares.get(client, 1) <= 0:
                await self._triage.park(entry, self._lease, partial(self._decide, entry), client)
                return
            if not copies.enter(entry):
                # Once the first is answered, its ledger has the answer to this one.
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
        """Give back what was received and not settled: others have it at once."""
        await self._unasked.aclose()
        await give_back(self._ahead.deliveries)  # first: what is under way may take all the time
        undone = await self._ahead.basket.end()
        parked = [one.received for one in self._ahead.parked]
        letting_go = (_let_go(one, self._pump) for one in (*undone, *parked))
        await asyncio.gather(give_back(self._ahead.deliveries), *letting_go)


class _Triage:
    """Decides on each request: to be handed out, waited with, or finished."""

    def __init__(self, clock: Clock, options: QueueOptions, ahead: ReadAhead) -> None:
        self.clock = clock
        self._lease = options.lease
        self._put_aside = options.put_aside
        self._ahead = ahead

    async def consider(
        self, entry: MessageEntry, record: ClaimRecord | None, watched: Version | None
    ) -> None:
        """Hand out what is free; ``watched`` is the version that has stood still for a lease."""
        if record is None:
            await self._begin(entry, self._standing(_attempt(entry)))
            return
        if record.is_final:
            self._ahead.copies.leave(entry)
            await finish(entry, record, self._put_aside)
            return
        seen = claimable(record, self.clock())
        # Also one that was given back: no clock but ours is believed for longer than its delay.
        has_stood_still = seen.version == watched
        if seen.delay > 0 and not has_stood_still:
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
        """Remove a message that was answered here; put it aside first, where that failed before.

        What SQS refuses for good comes round with each lease, until it gives the message up.
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
        """Keep a request that was given back: SQS would count it as received once more."""
        entry, old = self._ahead.deliveries[delivery], delivery.standing
        if len(self._ahead.parked) >= MOST_PARKED:
            # The longer the more often: what waits for a service must not use up its receipts.
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
        """Forget a request that is settled, or another's."""
        self._ahead.end(delivery)

    async def wait_for_share(self, delivery: ClaimDelivery) -> None:
        """Keep a request that is ready until its client has a share for it."""
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
        # It is not held for longer: where nobody has room by then, another receives it.
        entry.was_used = True
        self._ahead.park(Parked(time.monotonic() + delay, entry.received, resume, client))


def _attempt(entry: MessageEntry) -> int:
    """Return which attempt it is, of a request that has no record.

    Receipts say little: what was given back before any work counts as one. But work is claimed
    before it begins, from the second receipt on: so one attempt, at most, has left no record.
    """
    count = entry.received.count
    return min(count, 2) if entry.ledger.remembers else count


def _is_contested(entry: MessageEntry, standing: Standing) -> bool:
    """Tell whether another may have a request, or get it, whatever SQS promises.

    It was received or answered before, was parked, or waited until others may look for it.
    """
    is_old = entry.received.count > 1 or entry.was_used or entry.is_late
    return is_old or standing.version is not None


async def _let_go(received: Received, pump: SqsPump) -> None:
    await given_back(f"message {received.id}", pump.hold(received.handle, 0))
