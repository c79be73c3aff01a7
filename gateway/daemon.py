"""The gateway: takes requests from a queue, has them answered, and settles each one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.audit.record import Outcome, Record, Write, nowhere
from gateway.endpoint import Endpoint, admitted
from gateway.errors import FaultCode, LeaseLost, QueueUnavailable
from gateway.message import Message
from gateway.queue import Delivery, Queue, reason_code
from gateway.quotas import Shares
from gateway.verdict import Answer, Judge, Quarantine, Retry, Verdict

log = logging.getLogger(__name__)

RECEIVE_WAIT = 20.0
OVER_SHARE = Retry(2.0, counts=False)
"""What becomes of a request that a queue hands out although its client has all of its share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """How a gateway works; times in seconds."""

    concurrency: int = 64
    lease: float = 30.0
    grace: float = 20.0
    attempts: int = 5
    """Deliveries of a request, at most, of those that reached a backend or ended in a crash."""


@dataclass(eq=False)
class _Work:
    """A delivery in progress."""

    delivery: Delivery
    is_over: bool
    """Its client has all of its share already: it goes back."""
    task: asyncio.Task[None] | None = None
    lease_lost: bool = False
    renewing: asyncio.Task[None] | None = None


class Gateway:
    """Drains a queue into an endpoint."""

    def __init__(
        self,
        queue: Queue,
        endpoint: Endpoint,
        settings: GatewaySettings,
        *,
        audit: Write = nowhere,
        shares: Shares | None = None,
    ) -> None:
        """``audit`` writes down what becomes of each request, before it is settled."""
        self._audit = audit
        self._queue = queue
        self._judge = Judge(endpoint, settings.attempts)
        self._settings = settings
        self._shares = shares or Shares({})
        self._working: set[_Work] = set()
        self._renewals: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; then finish what was begun, within the grace time.

        What is not finished by then comes back from the queue. Raises QueueBroken.
        """
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(self._renew(group))
            taking = group.create_task(self._take(group))
            await stop.wait()
            taking.cancel()
            await asyncio.wait([taking])
            await self._drain()
            renewing.cancel()
            for task in self._renewals:
                task.cancel()

    async def _take(self, group: asyncio.TaskGroup) -> None:
        """Begin to work on what comes, no more at once than there is room for."""
        while True:
            for delivery in await self._next():
                work = _Work(delivery, is_over=not self._shares.begin(delivery.message.sender))
                self._working.add(work)
                work.task = group.create_task(self._process(work))

    async def _next(self) -> Sequence[Delivery]:
        while (room := self._settings.concurrency - len(self._working)) == 0:
            self._freed.clear()
            await self._freed.wait()
        shares = self._shares.left()
        try:
            if all(shares.values()):
                return await self._queue.receive(room, RECEIVE_WAIT, shares)
            return await _receive_until_freed(self._queue, room, self._shares)
        except QueueUnavailable as error:
            log.warning("%s; trying again", error)
            await asyncio.sleep(1.0)
            return ()

    async def _drain(self) -> None:
        tasks = [work.task for work in self._working if work.task is not None]
        if not tasks:
            return
        log.info("stopping: %d requests under way", len(tasks))
        _, late = await asyncio.wait(tasks, timeout=self._settings.grace)
        for task in late:
            task.cancel()
        if late:
            log.warning("%d requests not finished in time go back to the queue", len(late))

    async def _process(self, work: _Work) -> None:
        delivery = work.delivery
        record = Record(self._audit, delivery.message, delivery.attempt)
        admitted.set(record.admitted)

        async def begin() -> None:
            await delivery.extend(self._settings.lease)

        try:
            verdict = await self._judge.judge(delivery, begin) if not work.is_over else OVER_SHARE
            await _settle(delivery, verdict, record)
        except LeaseLost:
            log.warning("%s lease lost: another gateway has it", delivery.message.id)
            with contextlib.suppress(QueueUnavailable):  # the other one's line tells as well
                record.lost()
        except asyncio.CancelledError:
            if not work.lease_lost:
                raise
            log.warning("%s lease lost at work: stopped", delivery.message.id)
        finally:
            self._working.discard(work)
            if not work.is_over:
                self._shares.end(delivery.message.sender)
            self._freed.set()

    async def _renew(self, group: asyncio.TaskGroup) -> None:
        """Renew the lease of whatever is at work, at a third of its length.

        Each in a task of its own: one that hangs does not let the leases of others lapse.
        """
        while True:
            await asyncio.sleep(self._settings.lease / 3)
            for work in self._working:
                if work.renewing is None or work.renewing.done():
                    work.renewing = group.create_task(self._extend(work))
                    self._renewals.add(work.renewing)
                    work.renewing.add_done_callback(self._renewals.discard)

    async def _extend(self, work: _Work) -> None:
        try:
            await work.delivery.extend(self._settings.lease)
        except LeaseLost:
            if work in self._working and work.task is not None:
                work.lease_lost = True
                work.task.cancel()
        except QueueUnavailable as error:
            log.warning("%s %s; lease not renewed", work.delivery.message.id, error)


async def _receive_until_freed(queue: Queue, room: int, shares: Shares) -> Sequence[Delivery]:
    """Receive while somebody has all of its share, until it has some of it again."""
    shares.freed.clear()
    wait = min(RECEIVE_WAIT, shares.soonest())
    receiving = asyncio.ensure_future(queue.receive(room, wait, shares.left()))
    freed = asyncio.ensure_future(shares.freed.wait())
    try:
        await asyncio.wait({receiving, freed}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        freed.cancel()
        receiving.cancel()
    await asyncio.wait({receiving})
    return () if receiving.cancelled() else receiving.result()


async def _settle(delivery: Delivery, verdict: Verdict, record: Record) -> None:
    """Tell the queue; for as long as it cannot take the verdict, keep it and try again.

    First the record: a crash in between leaves a line too many, and never an answer without one.
    """
    delay = 0.1
    while True:
        try:
            _note(verdict, record)
            return await _tell(delivery, verdict)
        except QueueUnavailable as error:
            log.warning("%s %s; the verdict waits", delivery.message.id, error)
            await asyncio.sleep(delay)
            delay = min(2 * delay, 5.0)


def _note(verdict: Verdict, record: Record) -> None:
    """Write down what becomes of a request; one that is given back is not settled yet."""
    match verdict:
        case Answer(None):
            record.settle(Outcome.DONE)
        case Answer(Message(is_fault=is_fault)):
            record.settle(Outcome.FAULT if is_fault else Outcome.REPLY)
        case Quarantine(reason, _):
            code = reason_code(reason)
            is_late = code == FaultCode.EXPIRED
            record.settle(Outcome.EXPIRED if is_late else Outcome.QUARANTINED, code)


async def _tell(delivery: Delivery, verdict: Verdict) -> None:
    match verdict:
        case Answer(reply):
            await delivery.answer(reply)
        case Retry(delay, counts):
            await delivery.retry(delay, counts=counts)
        case Quarantine(reason, reply):
            log.warning("%s quarantined: %s", delivery.message.id, reason)
            await delivery.quarantine(reason, reply)
