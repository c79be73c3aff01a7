"""Fair queuing at a doorbell: a client that sends little does not wait for another's backlog.

SQS chooses what it hands out: without fair queuing, the oldest messages. So where a few clients
fill the queue, others would wait. But their requests can be found in the bucket and claimed there,
as on plain S3, in turns with those that the queue hands out. AWS's fair queues do the same by the
message groups of our rings; but S3's notifications have no group, and other SQS servers have no
fair queues.

This is one part, around the intake of the queue's messages; nothing else depends on it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import QueueError, unquoted
from gateway.message import Clock, id_time, new_id
from gateway.queue import Delivery
from gateway.queues.aws.sqs import Received
from gateway.queues.bucket.backlog import Backlog, Candidate, client_of
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.ledger import BucketLedger
from gateway.queues.bucket.store import Listed, S3Store
from gateway.queues.bucket.taking import Taker
from gateway.queues.claims.basket import Basket
from gateway.queues.claims.intake import Open
from gateway.queues.claims.read_ahead import MessageEntry
from gateway.queues.doorbell.entry import RequestEntry
from gateway.queues.options import QueueOptions
from gateway.queues.prefetched import Unasked

log = logging.getLogger(__name__)

LOOK = 2.0
"""Seconds between two listings, at least."""
RINGS = 50
"""Rings between two listings, at least, so that listings cost little beside the work."""
LONG = 60.0
"""Seconds after which fewer rings suffice: clients that fill the queue may have small shares."""
PAGE = 1000
PAGES = 20
SKEW = 10.0
"""Seconds by which a client's clock may be slow: its ids sort that much too early."""
YOUNG = 5.0
"""Seconds, beside a third of a lease, for which a request is left to its ring: a gateway that began
without a claim (``doorbell.entry.LATE``) has written one by then, or an answer."""
NEAR = 8
"""How many times a gateway's concurrency must wait before a request: with less, its ring is
received soon, and two gateways would read and claim it, for one to be refused."""
SOON = 1.0
WAITED = 2.0
"""Seconds of waiting from which on a ring counts as late: more come in than are worked off."""
WINDOW = 100
"""The number of last received rings that count."""
FEW = 10
"""Late rings needed before anything is concluded."""
MOST = 0.75
"""The queue is full when this part of the rings is late, and this part of those is from noisy
clients."""
NOISY = 0.1
"""A client is noisy from this part of the late rings on, as in AWS's fair queues."""


Receive = Callable[[int, float, Mapping[str, int]], Awaitable[Sequence[Delivery]]]
"""Receives in the order of the queue, as ``Queue.receive`` does."""


class FairQueuing:
    """Finds requests that wait behind those of other clients, and claims them."""

    def __init__(
        self,
        store: S3Store,
        keys: Keys,
        ledger: BucketLedger,
        options: QueueOptions,
        at_work: Container[str],
    ) -> None:
        """``at_work`` has the keys of the requests that this process holds by their rings."""
        self._noisy = NoisyClients()
        self._backlog = Backlog(time.monotonic)
        self._taker = Taker(store, keys, ledger, self._backlog, options)
        self._basket: Basket[str] = Basket()
        self._unasked = Unasked(self._basket.is_left, self._basket.return_ready)
        self._waiting = Waiting(store, keys, options, at_work)
        self._look: asyncio.Task[None] | None = None
        self._credit = _Credit(options.concurrency)

    def watching(self, open_entry: Open, clock: Clock) -> Open:
        """Wrap ``open_entry``, to learn from each ring. ``clock`` is that of SQS."""

        async def opened(received: Received) -> MessageEntry | None:
            entry = await open_entry(received)
            if isinstance(entry, RequestEntry):
                self._note(entry, clock() - entry.received.sent)
            return entry

        return opened

    def _note(self, entry: RequestEntry, waited: float) -> None:
        if entry.received.count == 1 and not entry.is_swept:
            self._noisy.note(entry.key, waited)
        # Other gateways may take the request of a quiet client ahead of its ring.
        noisy = self._noisy.clients()
        is_quiet = bool(noisy) and client_of(entry.key) not in noisy
        entry.was_used = entry.was_used or is_quiet or entry.key in self._backlog.held

    async def receive(
        self, in_turn: Receive, limit: int, wait: float, shares: Mapping[str, int]
    ) -> Sequence[Delivery]:
        """Return requests taken ahead of their turn, each claimed; without any, those in turn."""
        with self._unasked.asking():
            if ahead := await self._receive_ahead(limit, shares):
                return ahead
        received = await in_turn(limit, self.patience(wait), shares)
        self._credit.earn(len(received), {client_of(key) for key in self._backlog.candidates})
        return received

    def patience(self, wait: float) -> float:
        """Return how long to wait for the queue: not for long while there are candidates."""
        return min(wait, SOON) if self._backlog.candidates else wait

    async def _receive_ahead(self, limit: int, shares: Mapping[str, int]) -> Sequence[Delivery]:
        self._basket.reap()
        noisy = self._noisy.clients()
        if noisy:
            self._begin_look(noisy)
        if self._backlog.candidates:
            self._backlog.shares = shares
            under_way = len(self._basket.taking) + len(self._basket.ready)
            self._begin_taking(min(limit, self._credit.left) - under_way)
        taken = await self._basket.hand_out(limit)
        self._credit.left -= len(taken)
        return taken

    def _begin_taking(self, room: int) -> None:
        frontier = self._noisy.frontier()
        for one in self._backlog.choose(room) if room > 0 else ():
            # A request that this gateway has released is not held by anybody.
            if one.version is not None or self._waiting.is_far(one.key, frontier):
                self._backlog.hold(one.key)
                self._basket.begin(one.key, self._take(one))
            else:
                # Its ring comes soon. If it were kept, this gateway would poll every second.
                del self._backlog.candidates[one.key]

    async def _take(self, candidate: Candidate) -> None:
        try:
            delivery = await self._taker.take(candidate)
        except QueueError as error:
            log.warning("%s was not taken ahead of its turn: %s", candidate.key, error)
            return
        if delivery is not None:
            log.info("%s is taken ahead of its turn", candidate.key)
            self._basket.ready.append(delivery)

    def _begin_look(self, noisy: frozenset[str]) -> None:
        is_free = self._look is None or self._look.done()
        if is_free and self._waiting.is_due(self._noisy.received):
            self._look = asyncio.create_task(self._find(noisy))

    async def _find(self, noisy: frozenset[str]) -> None:
        try:
            began = time.monotonic()
            found = await self._waiting.list(self._noisy, noisy)
            self._backlog.note(found, [0] * len(found), began, is_whole=True)
        except QueueError as error:
            log.warning("the requests of other clients could not be listed: %s", error)
            return
        except Exception as error:  # a bug: they wait for their rings, or the next look
            log.error(
                "a look for the requests of other clients failed in the gateway",
                exc_info=unquoted(error),
            )
            return
        for candidate in self._backlog.candidates.values():
            # Others may have been there first: a read costs less than a claim that fails.
            candidate.is_tried = True

    async def aclose(self) -> None:
        """Give back unsettled requests."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.gather(self._look, return_exceptions=True)
        await self._unasked.aclose()
        await self._taker.give_back()  # first: what is under way may use up the time that is left
        await self._basket.end()
        await self._taker.give_back()


@dataclass
class _Credit:
    """How many requests may be taken ahead of their turn now; ``most`` at a time."""

    most: int
    left: int = 1

    def earn(self, in_turn: int, others: Collection[str]) -> None:
        """For each request handed out in turn, allow one of each other client; at least one."""
        earned = max(1, in_turn) * len(others)
        self.left = min(self.most, self.left + earned) if others else 1


class NoisyClients:
    """The clients whose rings fill the queue, judged by how long the last rings had waited."""

    def __init__(self) -> None:
        self.received = 0
        """Rings so far."""
        self._last: deque[tuple[str, bool]] = deque(maxlen=WINDOW)
        self._late = 0

    def note(self, key: str, waited: float) -> None:
        """Note a ring, and how many seconds it was in the queue."""
        is_late = waited >= WAITED
        forgotten = self._last[0][1] if len(self._last) == WINDOW else False
        self.received += 1
        self._late += is_late - forgotten
        self._last.append((key, is_late))

    def clients(self) -> frozenset[str]:
        """Return the noisy clients; empty where no ring waits for long.

        Also empty where so many clients fill the queue that none of them is noisy.
        """
        if self._late < max(FEW, MOST * len(self._last)):
            return frozenset()
        late = Counter(client_of(key) for key, is_late in self._last if is_late)
        noisy = {one: n for one, n in late.items() if n >= NOISY * late.total()}
        return frozenset(noisy if sum(noisy.values()) >= MOST * late.total() else ())

    def frontier(self) -> str:
        """Return the youngest key among the rings: older ones were received, or will be soon."""
        return max((key for key, _ in self._last), default="")


class Waiting:
    """The listed requests of the bucket, oldest first."""

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
        """Tell whether so many wait before a request that its ring is not received soon."""
        return self._place(key) - self._place(frontier) >= self._near

    async def list(self, rings: NoisyClients, noisy: frozenset[str]) -> list[Listed]:
        """Return the requests behind others. Lists new ones; once half was received, all again.

        Raises QueueUnavailable.
        """
        after = self._after(rings.received)
        self._listed = (time.monotonic(), rings.received)
        del self._order[self._place(after) :]
        for _ in range(PAGES):
            page = await self._store.list(self._keys.requests, after=after, limit=PAGE)
            self._order += page.found
            if not page.is_cut:
                break
            after = page.found[-1].key
        frontier = rings.frontier()
        return [one for one in self._order if self._is_behind(one.key, noisy, frontier)]

    def _after(self, received: int) -> str:
        """Return the key behind which there may be requests that were not listed yet."""
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
