"""Requests of clients who send little, taken out of the bucket ahead of their turn in the queue.

SQS hands out what it likes: of a queue that is not fair, the oldest. So where a few clients fill
it, others would wait for all that was sent before. But their requests can be found in the bucket,
and be claimed there as on plain S3: in turns with those that the queue hands out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Container, Mapping, Sequence

from gateway.errors import QueueError
from gateway.message import id_time, new_id
from gateway.queue import Delivery, let_go
from gateway.queues.bucket.backlog import Candidate, client_of
from gateway.queues.bucket.claim_records import Registers
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.store import Listed, S3Store
from gateway.queues.bucket.taking import Taker
from gateway.queues.doorbell.crowd import Crowd
from gateway.queues.doorbell.entry import Known
from gateway.queues.options import QueueOptions
from gateway.queues.unasked import Unasked

log = logging.getLogger(__name__)

LOOK = 2.0
"""Seconds between two listings, at least."""
RINGS = 50
"""Rings between two listings, at least: so these cost little beside what is worked on."""
LONG = 60.0
"""Seconds after which fewer rings will do: those who fill the queue may have small shares."""
PAGE = 1000
PAGES = 20
SKEW = 10.0
"""Seconds by which the clock of a client may be slow: its ids sort that much too early."""
YOUNG = 5.0
"""Seconds, beside a third of a lease, for which a request is left to its ring: a gateway that began
without a claim (``doorbell_entry.LATE``) has written one by then, or an answer."""
NEAR = 8
"""How many times what a gateway does at a time must be before a request: else its ring is received
soon, and two would read it, and claim it, for one to be refused."""
SOON = 1.0
TOGETHER = 0.5
"""Seconds that a receive waits for requests that are being claimed."""


class Ahead:
    """Finds requests that wait behind a crowd, and claims them."""

    def __init__(
        self, store: S3Store, keys: Keys, registers: Registers, options: QueueOptions, known: Known
    ) -> None:
        self._crowd = known.crowd
        self._backlog = known.ahead
        self._taking = _Taking(Taker(store, keys, registers, known.ahead, options))
        self._unasked = Unasked(lambda: self._taking.count > 0, self._taking.return_ready)
        self._waiting = Waiting(store, keys, options, known.at_work)
        self._look: asyncio.Task[None] | None = None
        self._credit = 1
        self._most = options.concurrency

    def note_in_turn(self, count: int) -> None:
        """Note how many requests the queue handed out: as many of each other client may follow.

        One, where it had none to hand out.
        """
        others = {client_of(key) for key in self._backlog.candidates}
        earned = max(1, count) * len(others)
        self._credit = min(self._most, self._credit + earned) if others else 1

    def patience(self, wait: float) -> float:
        """Return how long the queue may be waited for: not for long while others wait here."""
        return min(wait, SOON) if self._backlog.candidates else wait

    async def receive(self, limit: int, shares: Mapping[str, int]) -> Sequence[Delivery]:
        """Return requests whose turn it is, each claimed; mostly there are none."""
        with self._unasked.asking():
            return await self._receive(limit, shares)

    async def _receive(self, limit: int, shares: Mapping[str, int]) -> Sequence[Delivery]:
        noisy = self._crowd.noisy()
        if noisy:
            self._begin_look(noisy)
        if self._backlog.candidates:
            self._backlog.shares = shares
            self._begin_taking(min(limit, self._credit) - self._taking.count)
        taken = await self._taking.taken(limit)
        self._credit -= len(taken)
        return taken

    def _begin_taking(self, room: int) -> None:
        frontier = self._crowd.frontier()
        for one in self._backlog.choose(room) if room > 0 else ():
            # What this gateway has given back is not in anybody's hands.
            if one.etag is not None or self._waiting.is_far(one.key, frontier):
                self._backlog.hold(one.key)
                self._taking.begin(one)
            else:
                # Its ring comes soon. Kept, it would have this gateway ask every second for ever.
                del self._backlog.candidates[one.key]

    def _begin_look(self, noisy: frozenset[str]) -> None:
        is_free = self._look is None or self._look.done()
        if is_free and self._waiting.is_due(self._crowd.received):
            self._look = asyncio.create_task(self._find(noisy))

    async def _find(self, noisy: frozenset[str]) -> None:
        try:
            began = time.monotonic()
            found = await self._waiting.list(self._crowd, noisy)
            self._backlog.note(found, [0] * len(found), began, is_whole=True)
        except QueueError as error:
            log.warning("the requests of other clients could not be listed: %s", error)
            return
        except Exception:  # a bug: they wait for their rings, and the next look
            log.exception("a look for the requests of other clients failed in the gateway")
            return
        for candidate in self._backlog.candidates.values():
            # Others may have been there first: a look costs less than a claim that fails.
            candidate.is_tried = True

    async def aclose(self) -> None:
        """Give back what was claimed and not settled."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.gather(self._look, return_exceptions=True)
        await self._unasked.aclose()
        await self._taking.aclose()


class Waiting:
    """The requests in the bucket by their keys, as far as they were listed, oldest first."""

    def __init__(
        self, store: S3Store, keys: Keys, options: QueueOptions, at_work: Container[str]
    ) -> None:
        self._store = store
        self._keys = keys
        self._at_work = at_work
        self._young = options.lease / 3 + YOUNG
        self._near = NEAR * options.concurrency
        self._order: list[Listed] = []
        self._whole = 0
        """Rings that had been received at the last listing of all."""
        self._listed = (float("-inf"), -RINGS)
        """The time of the last listing, and the rings by then."""

    def is_due(self, received: int) -> bool:
        at, by_then = self._listed
        rings, passed = received - by_then, time.monotonic() - at
        return (rings >= RINGS and passed >= LOOK) or (rings > 0 and passed >= LONG)

    def is_far(self, key: str, frontier: str) -> bool:
        """Tell whether there is much before a request, so that nobody receives its ring now."""
        return self._place(key) - self._place(frontier) >= self._near

    async def list(self, crowd: Crowd, noisy: frozenset[str]) -> list[Listed]:
        """Return what waits behind a crowd. Lists what is new; once half was received, all again.

        Raises QueueUnavailable.
        """
        after = self._after(crowd.received)
        self._listed = (time.monotonic(), crowd.received)
        del self._order[self._place(after) :]
        for _ in range(PAGES):
            page = await self._store.list(self._keys.requests, after=after, limit=PAGE)
            self._order += page.found
            if not page.is_cut:
                break
            after = page.found[-1].key
        frontier = crowd.frontier()
        return [one for one in self._order if self._is_behind(one.key, noisy, frontier)]

    def _after(self, received: int) -> str:
        """Return the key from which on there may be requests that were not listed yet."""
        if not self._order or 2 * (received - self._whole) >= len(self._order):
            self._whole = received
            return ""
        slow = self._store.clock() - SKEW
        by_time = self._keys.requests + new_id(lambda: slow)[:10]
        return min(by_time, self._order[-1].key)

    def _place(self, key: str) -> int:
        return bisect_left(self._order, key, key=lambda one: one.key)

    def _is_behind(self, key: str, noisy: frozenset[str], frontier: str) -> bool:
        if client_of(key) in noisy or key in self._at_work:
            return False
        name = self._keys.name(key)
        made = id_time(name[1]) if name is not None else None
        if made is None:  # its place among the others says nothing
            return False
        return self._store.clock() - made >= self._young and self.is_far(key, frontier)


class _Taking:
    """Requests that are being claimed, in tasks of their own: a cancelled receive loses none."""

    def __init__(self, taker: Taker) -> None:
        self._taker = taker
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready: deque[Delivery] = deque()

    @property
    def count(self) -> int:
        return len(self._tasks) + len(self._ready)

    def begin(self, candidate: Candidate) -> None:
        task = asyncio.create_task(self._take(candidate))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def taken(self, limit: int) -> list[Delivery]:
        """Return what is claimed."""
        if self._tasks and len(self._ready) < limit:
            await asyncio.wait(self._tasks, timeout=TOGETHER)
        return [self._ready.popleft() for _ in range(min(limit, len(self._ready)))]

    async def return_ready(self) -> None:
        """Let others have what was not handed out."""
        while self._ready:
            delivery = self._ready.popleft()
            try:
                await delivery.retry(0.0, counts=False)
            except QueueError:
                let_go(delivery)  # it is taken over, perhaps from here, when its lease has ended

    async def _take(self, candidate: Candidate) -> None:
        try:
            delivery = await self._taker.take(candidate)
        except QueueError as error:
            log.warning("%s was not taken ahead of its turn: %s", candidate.key, error)
            return
        if delivery is not None:
            log.info("%s is taken ahead of its turn", candidate.key)
            self._ready.append(delivery)

    async def aclose(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=TOGETHER)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._taker.give_back()
