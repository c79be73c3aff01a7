"""The embedded queue: one SQLite file, many processes on one machine, no server.

A request is on the disk before ``send`` returns, a reply before its request is removed (WAL mode,
``synchronous=FULL``). Claims need no fsync: work had not begun under one that a power cut lost,
since its beginning (``Delivery.extend``) is on the disk before the first byte of an at-most-once
call leaves. Leases do not expire here: requests held by a process are free once it is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from gateway.errors import LeaseLost, QueueError
from gateway.message import Clock, Message, Unreadable, check_identity
from gateway.queue import Collected, Delivery, QueueStatus
from gateway.queues.embedded import store
from gateway.queues.embedded.file import REPLIES, REQUESTS, QueueFile
from gateway.queues.embedded.group_commit import USUAL, Job, Periods
from gateway.queues.embedded.housekeeping import Tidying
from gateway.queues.embedded.quarantine import SqliteQuarantine
from gateway.queues.embedded.steady_clock import Uptime, of_this_machine
from gateway.queues.embedded.store import census
from gateway.queues.embedded.waiters import Waiters
from gateway.queues.embedded.wake_up import WakeUp
from gateway.queues.fair_queuing import Turns
from gateway.queues.options import Bounds


class SqliteQueue:
    """A queue in one file, for one event loop. Make it with ``await SqliteQueue.open(path)``.

    A folder beside the file (its name and ``.live``) holds the locks and bells of the processes
    that have it open.
    """

    def __init__(self, file: QueueFile, clock: Clock, bounds: Bounds) -> None:
        self.clock = clock
        self.quarantine = SqliteQuarantine(file, clock, bounds)
        self._file = file
        self._waiters: Waiters | None = None
        self._bell: WakeUp | None = None
        self._turns = Turns()
        self._tidying = Tidying(file, clock, self.quarantine)

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        clock: Clock = time.time,
        uptime: Uptime | None = None,
        bounds: Bounds = Bounds(),  # noqa: B008  # frozen
        periods: Periods = USUAL,
    ) -> SqliteQueue:
        """Open a queue; create it if missing. Raises ConfigurationError with the cure.

        ``clock`` is the machine's; ``uptime`` its monotonic one, which measures ages.
        """
        file = await QueueFile.open(path, clock, uptime or of_this_machine(), periods)
        return cls(file, clock, bounds)

    async def send(self, message: Message) -> None:
        check_identity(message, self.clock())
        steady = self._file.steady
        job = partial(store.add, message=message, clock=self.clock, steady=steady)
        name, last = (message.sender, message.id), None
        if self._waiters is not None:
            self._waiters.expect(name)
        try:
            last = await self._file.write(job, durable=True, ring=REQUESTS, is_new=True)
        finally:
            if self._waiters is not None:
                self._waiters.was_sent(name, last)

    async def receive(
        self, limit: int, wait: float, shares: Mapping[str, int] | None = None
    ) -> Sequence[Delivery]:
        until = time.monotonic() + wait
        self._bell = self._bell or self._file.bell(REQUESTS)
        while True:
            self._bell.clear()
            await self._tidying.tidy()
            claims, due = await self._claim(limit, shares or {})
            left = until - time.monotonic()
            if claims or left <= 0:
                let_go = self._tidying.let_go
                return [SqliteDelivery(self._file, self.clock, one, let_go) for one in claims]
            pause = self._file.periods.look
            if due is not None:
                pause = min(pause, max(due - self._file.steady(), 0.001))
            await self._bell.wait(min(left, pause))

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        if self._waiters is None:
            look = self._file.periods.look
            self._waiters = Waiters(self._file.read, self._file.bell(REPLIES), look)
        return await self._waiters.collect(sender, id, wait)

    async def check(self) -> None:
        """Check that requests can be sent. Raises QueueUnavailable, QueueBroken."""
        await self._file.check()

    async def status(self) -> QueueStatus:
        found = await self._file.read(census)
        alive = [count for owner, count in found.held.items() if self._file.is_alive(owner)]
        # Requests held by dead processes are free for the next receive.
        waiting = found.waiting + sum(found.held.values()) - sum(alive)
        steady, now = self._file.steady, self.clock()
        return QueueStatus(
            waiting=waiting,
            in_flight=sum(alive),
            oldest=None if found.oldest is None else found.oldest.age(steady, now),
            quarantined=found.quarantined,
        )

    async def aclose(self) -> None:
        if self._waiters is not None:
            await self._waiters.aclose()
        if self._bell is not None:
            self._bell.close()
        with contextlib.suppress(QueueError):
            # If that fails, another process frees them when it notices that this owner is gone.
            await self._file.write(partial(store.release, owner=self._file.owner), ring=REQUESTS)
        await self._file.aclose()

    async def _claim(
        self, limit: int, shares: Mapping[str, int]
    ) -> tuple[list[store.Taken], float | None]:
        job = partial(
            store.claim,
            owner=self._file.owner,
            limit=limit,
            steady=self._file.steady,
            turns=self._turns,
            shares=shares,
        )
        claiming = self._file.write(job)
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # The claim is made all the same, but nobody works on it.
            claiming.add_done_callback(self._give_back)
            raise

    def _give_back(self, claiming: asyncio.Future[tuple[list[store.Taken], float | None]]) -> None:
        if claiming.cancelled() or claiming.exception() is not None:
            return
        claims, _ = claiming.result()
        for claim in claims:
            job = _giving_back(self._file.owner, claim, self._file.steady(), counts=False)
            giving = self._file.write(job, ring=REQUESTS)
            giving.add_done_callback(lambda done: done.cancelled() or done.exception())


class SqliteDelivery:
    """A request of the embedded queue, held by this process."""

    is_contested = False

    def __init__(
        self,
        file: QueueFile,
        clock: Clock,
        claim: store.Taken,
        let_go: Callable[[store.Taken], None],
    ) -> None:
        self.message: Message | Unreadable = claim.message
        self.attempt = claim.attempt
        self._file = file
        self._clock = clock
        self._claim = claim
        self._let_go = let_go
        self._started = False

    async def answer(self, reply: Message | None) -> None:
        job = partial(
            store.answer,
            owner=self._file.owner,
            claim=self._claim,
            reply=reply,
            now=self._clock(),
        )
        await self._file.write(job, durable=True, ring=REPLIES)

    async def retry(self, delay: float, *, counts: bool = True) -> None:
        due = self._file.steady() + delay
        job = _giving_back(self._file.owner, self._claim, due, counts=counts)
        await self._file.write(job, ring=REQUESTS)

    async def quarantine(self, reason: str, reply: Message | None) -> None:
        job = partial(
            store.quarantine,
            owner=self._file.owner,
            claim=self._claim,
            reason=reason,
            reply=reply,
            now=self._clock(),
        )
        await self._file.write(job, durable=True, ring=REPLIES)

    async def extend(self, lease: float) -> None:
        owner, claim = self._file.owner, self._claim
        if not self._started:
            await self._file.write(partial(store.start, owner=owner, claim=claim), durable=True)
            self._started = True
        elif not await self._file.read(partial(store.is_held, owner=owner, claim=claim)):
            raise LeaseLost("another gateway holds the request")

    def let_go(self) -> None:
        self._let_go(self._claim)


def _giving_back(owner: str, claim: store.Taken, due: float, *, counts: bool) -> Job[None]:
    return partial(store.give_back, owner=owner, claim=claim, due=due, counts=counts)
