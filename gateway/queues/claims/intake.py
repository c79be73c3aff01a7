"""Receiving requests from SQS: which of them are free, which are answered, which must wait."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from gateway.errors import LeaseLost, QueueBroken, QueueUnavailable
from gateway.message import Clock, Message, Unreadable
from gateway.queue import Delivery
from gateway.queues.aws.sqs import Received
from gateway.queues.aws.sqs_pump import SqsPump
from gateway.queues.bucket.claim_records import (
    Claim,
    Register,
    RegisterState,
    new_token,
)
from gateway.queues.bucket.delivery import request_digest
from gateway.queues.claims.delivery import (
    Desk,
    Entry,
    LeasedDelivery,
    Standing,
)
from gateway.queues.claims.shelf import Parked, Resume, Shelf
from gateway.queues.options import QueueOptions
from gateway.queues.quarantine import ID_TAKEN
from gateway.queues.unasked import Unasked

log = logging.getLogger(__name__)

MARGIN = 1.0
"""Seconds longer than its lease that the claim of another must have stood still."""
LAST_LOOK = 5.0
"""Seconds that what is being looked at may take at the end."""
TOGETHER = 0.5
"""Seconds that nothing more is received, at most, for the sake of what is being looked at."""
LOOK_AHEAD = 100
"""Requests over the shares of their clients that this process keeps while it looks for others."""
LAPSED = float("-inf")
"""When a parked request was held: it may be another's since, and is held anew before any work."""
COPY = 5.0
"""Seconds after which a second message of a request that is at work here is looked at again."""
MOST_PARKED = 1000
"""Requests that wait in this process to be tried again, at most; SQS keeps the others."""

Open = Callable[[Received], Awaitable[Entry | None]]
"""Makes an entry of what was received; None where it was no request, and is dealt with."""


class Intake:
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
        self._shelf = shelf = Shelf()
        self._unasked = Unasked(shelf.is_left, self._return_ready)
        self._triage = _Triage(pump, clock, options, shelf)

    async def receive(
        self, limit: int, wait: float, shares: Mapping[str, int]
    ) -> Sequence[Delivery]:
        """Do what ``Queue.receive`` does."""
        with self._unasked.asking():
            return await self._hand_out(limit, wait, shares)

    async def _hand_out(
        self, limit: int, wait: float, shares: Mapping[str, int]
    ) -> Sequence[Delivery]:
        until, shelf = time.monotonic() + wait, self._shelf
        asked, shelf.shares = False, shares
        while True:
            shelf.begin_due(limit)
            failure = shelf.reap()
            if taken := shelf.hand_out(limit):
                if failure is not None:  # it concerns one message, and the others go on
                    log.warning("%s; trying again", failure)
                return taken
            if failure is not None:
                raise failure
            # What is ready now is over the shares.
            while shelf.ready:
                one = shelf.ready.pop(0)
                shelf.begin(one.entry.received, self._triage.wait_for_share(one))
            left = until - time.monotonic()
            if asked and left <= 0 and not shelf.taking:
                return []
            asked = True
            await self._look(limit, max(0.0, left))

    async def _look(self, limit: int, wait: float) -> None:
        """Receive, until something has changed that is worth another look."""
        shelf = self._shelf
        room = limit - len(shelf.taking)
        if sum(one.client is not None for one in shelf.parked) >= LOOK_AHEAD:
            await shelf.wake(wait)
        elif room > 0:
            await self._receive(room, wait)
        if shelf.taking and not shelf.ready:
            # What the store is slow to give holds up no other, as long as there is room.
            longest = TOGETHER if len(shelf.taking) < limit else None
            await asyncio.wait(shelf.taking, timeout=longest, return_when=asyncio.FIRST_COMPLETED)

    async def _receive(self, room: int, wait: float) -> None:
        shelf = self._shelf
        shelf.changed.clear()
        fetching = asyncio.create_task(self._fetch(room, wait))
        waking = asyncio.create_task(shelf.wake(wait))
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
            self._shelf.begin(one, self._take(one))

    async def _take(self, received: Received) -> None:
        entry = await self._open(received)
        if entry is not None:
            await self._decide(entry)

    async def _decide(self, entry: Entry) -> None:
        """Decide on what was just received, or has waited for a share of its client."""
        with self._shelf.copies.leaving(entry):
            (client, _), copies = entry.name, self._shelf.copies
            if self._shelf.shares.get(client, 1) <= 0:
                await self._triage.park(entry, self._lease, partial(self._decide, entry), client)
                return
            if not copies.enter(entry):
                # Once the first is answered, its ledger has the answer to this one.
                if len(self._shelf.parked) < MOST_PARKED:
                    await self._triage.park(entry, COPY, partial(self._decide, entry))
                else:
                    await self._pump.hold(entry.received.handle, COPY)
                return
            if not entry.ledger.remembers and copies.was_answered(entry.received.id):
                await self._triage.clear(entry)
                return
            was_used = entry.was_used = entry.was_used or copies.was_answered(entry.name)
            is_first = entry.received.count == 1 and not was_used
            register = None if is_first else await entry.ledger.look(entry.name)
            await self._triage.consider(entry, register, "")

    async def _return_ready(self) -> None:
        """Let others have what was looked at, and not handed out.

        It stays on the shelf until it is given back: what a cancellation leaves is for the end.
        """
        shelf = self._shelf
        ready, shelf.ready = shelf.ready, []
        await asyncio.gather(*(_return(one, shelf) for one in ready))

    async def give_back(self) -> None:
        """Give back what was received and not settled: others have it at once."""
        shelf = self._shelf
        await self._unasked.aclose()
        if shelf.taking:
            await asyncio.wait(shelf.taking, timeout=LAST_LOOK)
        for task in shelf.taking:
            task.cancel()
        await asyncio.gather(*shelf.taking, return_exceptions=True)
        undone = [received for task, received in shelf.taking.items() if _is_undone(task)]
        parked = [one.received for one in shelf.parked]
        await asyncio.gather(
            *(_return(one, shelf) for one in shelf.deliveries),
            *(_let_go(one, self._pump) for one in undone + parked),
        )


class _Triage:
    """Decides on each request: to be handed out, waited with, or finished."""

    def __init__(self, pump: SqsPump, clock: Clock, options: QueueOptions, shelf: Shelf) -> None:
        self._pump = pump
        self._clock = clock
        self._lease = options.lease
        self._put_aside = options.put_aside
        self._shelf = shelf
        self._desk = Desk(pump, clock, self._put_off, shelf.end)

    async def consider(self, entry: Entry, register: Register | None, watched: str) -> None:
        """Hand out what is free; ``watched`` is the ETag that has stood still for a lease."""
        if register is None:
            await self._begin(entry, self._standing(_attempt(entry)))
        elif register.is_final:
            await self._finish(entry, register)
        else:
            await self._wait_or_take_over(entry, register, watched)

    async def _wait_or_take_over(self, entry: Entry, register: Register, watched: str) -> None:
        is_released = register.state is RegisterState.RELEASED
        if is_released:
            delay = register.delay(self._clock())
        else:
            delay = 0.0 if register.etag == watched else register.lease + MARGIN
        if delay > 0:
            await self.park(entry, delay, partial(self._again, entry, register.etag))
            return
        standing = self._standing(register.attempt + 1)
        interrupted = register.interrupted or not is_released
        standing.claim = replace(standing.claim, interrupted=interrupted)
        standing.etag = register.etag
        await self._begin(entry, standing)

    async def _again(self, entry: Entry, watched: str) -> None:
        with self._shelf.copies.leaving(entry):
            await self.consider(entry, await entry.ledger.look(entry.name), watched)

    def _standing(self, attempt: int) -> Standing:
        claim = Claim(token=new_token(), lease=self._lease, attempt=attempt)
        return Standing(claim, None, time.monotonic())

    async def _begin(self, entry: Entry, standing: Standing) -> None:
        message = await entry.read(interrupted=standing.claim.interrupted)
        if message is None:
            self._shelf.copies.leave(entry)
            await entry.remove()
            return
        standing.claim = replace(standing.claim, digest=request_digest(message))
        standing.held = LAPSED if entry.was_used else standing.held
        self._shelf.offer(LeasedDelivery(self._desk, entry, message, standing))

    async def _finish(self, entry: Entry, register: Register) -> None:
        """Remove a request that has its reply, and do what whoever answered it left undone."""
        self._shelf.copies.leave(entry)
        message = await entry.read(interrupted=False)
        if message is not None and _is_other(message, register):
            self._put_aside(message, ID_TAKEN)
            await entry.put_aside(message, ID_TAKEN)
        elif register.quarantined:
            await entry.put_aside(message, register.quarantined)
        else:
            await entry.remove()

    async def clear(self, entry: Entry) -> None:
        """Remove a message that was answered here; put it aside first, where that failed before.

        What SQS refuses for good comes round with each lease, until it gives the message up.
        """
        copies, owed = self._shelf.copies, self._shelf.copies.owed(entry.received.id)
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

    async def _put_off(self, delivery: LeasedDelivery, delay: float) -> None:
        """Keep a request that was given back: SQS would count it as received once more."""
        entry, old = delivery.entry, delivery.standing
        if len(self._shelf.parked) >= MOST_PARKED:
            # The longer the more often: what waits for a service must not use up its receipts.
            await self._pump.hold(entry.received.handle, delay * entry.received.count)
            self._shelf.end(delivery)
            return
        message, standing = delivery.message, self._standing(old.claim.attempt + 1)
        standing.etag = old.etag
        standing.claim = replace(
            standing.claim, digest=old.claim.digest, interrupted=old.claim.interrupted
        )

        async def resume() -> None:
            standing.held = LAPSED
            self._shelf.offer(LeasedDelivery(self._desk, entry, message, standing))

        await self.park(entry, delay, resume)
        self._shelf.deliveries.discard(delivery)

    async def wait_for_share(self, delivery: LeasedDelivery) -> None:
        """Keep a request that is ready until its client has a share for it."""

        async def resume() -> None:
            delivery.standing.held = LAPSED
            delivery.is_contested = True
            self._shelf.offer(delivery)

        entry = delivery.entry
        await self.park(entry, self._lease, resume, entry.name[0])

    async def park(
        self, entry: Entry, delay: float, resume: Resume, client: str | None = None
    ) -> None:
        with self._shelf.copies.leaving(entry):
            await self._pump.hold(entry.received.handle, delay + self._lease)
        # It is not held for longer: where nobody has room by then, another receives it.
        entry.was_used = True
        self._shelf.park(Parked(time.monotonic() + delay, entry.received, resume, client))


def _attempt(entry: Entry) -> int:
    """Return which attempt it is, of a request that has no register.

    Receipts say little: what was given back before any work counts as one. But work is claimed
    before it begins, from the second receipt on: so one attempt, at most, has left no register.
    """
    count = entry.received.count
    return min(count, 2) if entry.ledger.remembers else count


def _is_other(message: Message | Unreadable, register: Register) -> bool:
    """Tell whether a request has other bytes than the one that was answered under its id."""
    stated = request_digest(message)
    return bool(stated and register.digest) and stated != register.digest


def _is_undone(task: asyncio.Task[None]) -> bool:
    """Tell whether a task ended, and what it was to look at is still here."""
    return task.cancelled() or isinstance(task.exception(), QueueUnavailable)


async def _return(delivery: LeasedDelivery, shelf: Shelf) -> None:
    await _given_back(delivery.entry.received, delivery.give_back())
    shelf.end(delivery)


async def _let_go(received: Received, pump: SqsPump) -> None:
    await _given_back(received, pump.hold(received.handle, 0))


async def _given_back(received: Received, giving: Awaitable[None]) -> None:
    """Await what gives a message back; where that fails, it comes back when its time is over."""
    try:
        await giving
    except (LeaseLost, QueueUnavailable) as error:
        log.warning("%s not given back: %s", received.id, error)
    except QueueBroken:
        raise
    except Exception:  # a bug, met by one message: the others are given back
        log.exception("message %s failed in the gateway: not given back", received.id)
