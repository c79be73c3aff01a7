"""Finding requests in a bucket by listing it, and taking several of them at a time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from gateway.errors import QueueError, QueueUnavailable
from gateway.queue import Delivery
from gateway.queues.bucket.backlog import Backlog, Candidate, client_of
from gateway.queues.bucket.fleet import Fleet
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.ledger import BucketLedger
from gateway.queues.bucket.probe import check_conditions
from gateway.queues.bucket.store import Listed, S3Store
from gateway.queues.bucket.taking import Taker
from gateway.queues.claims.basket import LAST_LOOK, Basket
from gateway.queues.options import QueueOptions
from gateway.queues.prefetched import Unasked

BUSY_LOOK = 0.25
"""Seconds between two listings, at least, while there is work."""
IDLE_LOOK = 5.0
SLOWER = 1.5
"""Factor by which the pause grows with each listing that brings no work."""
PAGE = 1000
PAGES = 20
"""Pages of a listing, at most."""
WHOLE = 5.0
"""Seconds between two listings of all pages, at least. The others end with the first page that has
free requests, so a client with many there hides later ones of other clients. Where there are more
than PAGES pages, the next such listing continues behind them."""


class S3Intake:
    """Hands out the requests of a bucket, each claimed for this gateway."""

    def __init__(
        self, store: S3Store, keys: Keys, ledger: BucketLedger, options: QueueOptions
    ) -> None:
        self._backlog = Backlog(time.monotonic)
        self._taker = Taker(store, keys, ledger, self._backlog, options)
        self._lister = _Lister(store, keys, self._backlog)
        self._basket: Basket[str] = Basket()
        self._listing: asyncio.Task[None] | None = None
        self._failure: QueueError | None = None
        self._unasked = Unasked(self._basket.is_left, self._basket.return_ready)

    def hurry(self) -> None:
        """List soon: a request was sent just now."""
        self._lister.pace.is_hurried = True
        self._basket.changed.set()

    async def receive(
        self, limit: int, wait: float, shares: Mapping[str, int] | None = None
    ) -> Sequence[Delivery]:
        """Do what ``Queue.receive`` does. Lists the bucket at least once, if need be."""
        with self._unasked.asking():
            return await self._receive(limit, wait, shares or {})

    async def _receive(
        self, limit: int, wait: float, shares: Mapping[str, int]
    ) -> Sequence[Delivery]:
        until = time.monotonic() + wait
        must_look, basket = True, self._basket
        while True:
            basket.changed.clear()
            self._failure = basket.reap() or self._failure
            if basket.ready:
                return await basket.hand_out(limit)
            self._raise_failure()
            room = self._begin(limit, shares)
            if room and not self._listing and (must_look or self._is_worth_a_look()):
                self._listing = asyncio.create_task(self._lister.list(room))
                self._listing.add_done_callback(lambda _: basket.changed.set())
                must_look = False
            left = until - time.monotonic()
            if left <= 0 and not basket.taking and not self._listing:
                self._raise_trouble()
                return []
            await basket.change(self._rest(left, room))

    def _raise_failure(self) -> None:
        """Raise the error of a request, or of the listing, since the last call."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        if self._listing is not None and self._listing.done():
            listing, self._listing = self._listing, None
            listing.result()

    def _raise_trouble(self) -> None:
        """Raise QueueUnavailable where the store has given no request since one failed."""
        backlog = self._backlog
        for one in backlog.candidates.values():
            if one.trouble and one.read_by_then == backlog.read:
                raise QueueUnavailable(one.trouble)

    def _is_worth_a_look(self) -> bool:
        """Tell whether a listing is due, or a request may be free that a listing must confirm."""
        return self._lister.pace.is_due() or self._backlog.next_due() <= 0

    def _begin(self, limit: int, shares: Mapping[str, int]) -> int:
        """Begin to take known free requests; return how many more there is room for."""
        taking = self._basket.taking
        under_way = Counter(client_of(key) for key in taking.values())
        self._backlog.shares = {client: n - under_way[client] for client, n in shares.items()}
        room = limit - len(taking)
        chosen = self._backlog.choose(room) if room > 0 else []
        for one in chosen:
            self._backlog.hold(one.key)
            self._basket.begin(one.key, self._take(one))
        return max(0, room - len(chosen))

    async def _take(self, candidate: Candidate) -> None:
        delivery = await self._taker.take(candidate)
        if delivery is not None:
            self._basket.ready.append(delivery)
            self._lister.pace.note_work()

    def _rest(self, left: float, room: int) -> float | None:
        """Return the seconds to wait for a change; None: until there is one."""
        if self._listing or not room:
            return None
        due = min(self._lister.pace.left(), max(0.05, self._backlog.next_due()))
        # A request that the store is slow to give does not hold up the next listing.
        return max(0.0, due if self._basket.taking else min(left, due))

    async def aclose(self) -> None:
        """Give back unsettled deliveries: others get them at once."""
        await self._taker.give_back()  # first: what is under way may use up the time that is left
        if self._listing is not None:
            await asyncio.wait([self._listing], timeout=LAST_LOOK)
            self._listing.cancel()
            await asyncio.gather(self._listing, return_exceptions=True)
        await self._basket.end()
        await self._unasked.aclose()
        await self._taker.give_back()
        await self._lister.leave()


class _Lister:
    """Lists the waiting requests, and notes this gateway's place in line for each."""

    def __init__(self, store: S3Store, keys: Keys, backlog: Backlog) -> None:
        self.pace = _Pace()
        self._store = store
        self._keys = keys
        self._backlog = backlog
        self._fleet = Fleet(store, keys)
        self._is_tried = False
        self._whole = -WHOLE
        self._after = ""
        """Where the next listing of all pages continues."""

    async def list(self, wanted: int) -> None:
        """List until ``wanted`` free requests are found. Raises QueueUnavailable.

        The first call probes the store, and raises QueueBroken where it does not honour the
        conditions of writes.
        """
        if not self._is_tried:
            await check_conditions(self._store, self._keys)
            await self._fleet.join()
            self._is_tried = True
        await self.pace.turn()
        found: list[Listed] = []
        places: list[int] = []
        began = time.monotonic()
        must_end = began - self._whole >= WHOLE
        begins = self._after if must_end else ""
        for _ in range(PAGES):
            after = found[-1].key if found else begins
            page = await self._store.list(self._keys.requests, after=after, limit=PAGE)
            found += page.found
            places += [self._fleet.place(one.key) for one in page.found]
            is_whole = not page.is_cut
            self._backlog.note(found, places, began, after=begins, is_whole=is_whole)
            if is_whole:
                self._after, self._whole = "", began
                return
            if not must_end and self._backlog.choose(wanted):
                return
        # Clients at their concurrency limits may fill all these pages: then continue at once.
        self._after = found[-1].key
        self._whole = began if self._backlog.choose(wanted) else -WHOLE

    async def leave(self) -> None:
        await self._fleet.leave()


class _Pace:
    """When to list: often while there is work, less and less often while there is none."""

    def __init__(self) -> None:
        self.is_hurried = False
        self._pause = BUSY_LOOK
        self._last = -IDLE_LOOK

    def note_work(self) -> None:
        self._pause = BUSY_LOOK

    def left(self) -> float:
        """Return the seconds until the next listing is due."""
        pause = BUSY_LOOK if self.is_hurried else self._pause
        return self._last + pause - time.monotonic()

    def is_due(self) -> bool:
        return self.left() <= 0

    async def turn(self) -> None:
        """Wait until the bucket may be listed again, and note that it is."""
        await asyncio.sleep(max(0.0, self._last + BUSY_LOOK - time.monotonic()))
        self._last = time.monotonic()
        self.is_hurried = False
        self._pause = min(IDLE_LOOK, SLOWER * self._pause)
