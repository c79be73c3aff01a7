"""The queue in a bucket alone: requests are objects, and the reply object is the claim."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence

from gateway.message import Clock, Message
from gateway.queue import Collected, Delivery, QueueStatus
from gateway.queues.aws_address import BucketAddress
from gateway.queues.bucket import Keys, check_format
from gateway.queues.bucket_client import BucketClient
from gateway.queues.bucket_probe import check_conditions
from gateway.queues.bucket_status import bucket_status
from gateway.queues.options import QueueOptions
from gateway.queues.registers import Registers
from gateway.queues.s3_backlog import Backlog
from gateway.queues.s3_fleet import Fleet
from gateway.queues.s3_store import Listed, S3Store
from gateway.queues.s3_taking import Taker

log = logging.getLogger(__name__)

MODE = "plain"
BUSY_LOOK = 0.2
"""Seconds between two listings, at least, while there is work."""
IDLE_LOOK = 5.0
LAST_LOOK = 5.0
PAGE = 1000
PAGES = 20
"""Pages of a listing, at most, that are looked through for a request that is free."""


class S3Queue:
    """A queue in a bucket, drained by any number of gateways."""

    def __init__(self, store: S3Store, keys: Keys, options: QueueOptions) -> None:
        self.clock: Clock = store.clock
        self._store = store
        self._keys = keys
        self._backlog = Backlog(time.monotonic)
        self._fleet = Fleet(store, keys, time.monotonic)
        registers = Registers(store, keys)
        self._client = BucketClient(store, keys, registers)
        self._taker = Taker(store, keys, registers, self._backlog, options)
        self._looking = _Looking()

    @classmethod
    async def open(cls, address: BucketAddress, options: QueueOptions) -> S3Queue:
        """Open the queue. Raises ConfigurationError with the cure.

        Whether the store keeps the conditions of writes is tried by the first receive: clients may
        not write where that is tried.
        """
        store = await S3Store.open(address, 2 * options.concurrency)
        keys = Keys(address)
        try:
            await check_format(store, keys, MODE)
        except BaseException:
            await store.aclose()
            raise
        return cls(store, keys, options)

    async def send(self, message: Message) -> None:
        if await self._client.send(message):
            self._looking.soon.set()

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        return await self._client.collect(sender, id, wait)

    async def receive(
        self, limit: int, wait: float, shares: Mapping[str, int] | None = None
    ) -> Sequence[Delivery]:
        until = time.monotonic() + wait
        self._backlog.shares = shares or {}
        looking = self._looking
        while True:
            if not looking.taken:
                await self._look_once(limit)
            if looking.taken:
                return [looking.taken.popleft() for _ in range(min(limit, len(looking.taken)))]
            left = until - time.monotonic()
            if left <= 0:
                return []
            await looking.rest(min(left, max(0.05, self._backlog.next_due())))

    async def _look_once(self, limit: int) -> None:
        """Look for requests and claim them, in a task of its own: so a cancelled one loses none."""
        looking = self._looking
        if looking.task is None or looking.task.done():
            looking.task = asyncio.create_task(self._look(limit))
        await asyncio.shield(looking.task)

    async def _look(self, limit: int) -> None:
        if not self._looking.is_tried:
            await check_conditions(self._store, self._keys)
            await self._fleet.join()
            self._looking.is_tried = True
        chosen = self._backlog.choose(limit)
        if not chosen:
            await self._looking.turn()
            await self._list(limit)
            chosen = self._backlog.choose(limit)
        tasks = [asyncio.create_task(self._taker.take(one)) for one in chosen]
        await asyncio.wait(tasks) if tasks else None
        failed = [error for task in tasks if (error := task.exception())]
        taken = [task.result() for task in tasks if not task.exception()]
        self._looking.note([one for one in taken if one is not None])
        if failed:
            raise failed[0]

    async def _list(self, limit: int) -> None:
        """List what waits, as far as there is something free to be found in it."""
        found: list[Listed] = []
        mine: list[bool] = []
        began = time.monotonic()
        for _ in range(PAGES):
            after = found[-1].key if found else ""
            page = await self._store.list(self._keys.requests, after=after, limit=PAGE)
            found += page
            mine += [self._fleet.is_mine(one.key) for one in page]
            self._backlog.note(found, mine, began)
            if len(page) < PAGE or self._backlog.choose(limit):
                return

    async def status(self) -> QueueStatus:
        return await bucket_status(self._store, self._keys)

    async def aclose(self) -> None:
        await self._looking.end()
        await self._taker.give_back()
        await self._fleet.leave()
        await self._store.aclose()


class _Looking:
    """When to look, and what was found that nobody has fetched yet."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.taken: deque[Delivery] = deque()
        self.soon = asyncio.Event()
        self.is_tried = False
        self._pause = BUSY_LOOK
        self._last = -IDLE_LOOK

    async def end(self) -> None:
        """Let a look come to its end: a claim that is being made is to be given back."""
        if self.task is not None:
            await asyncio.wait([self.task], timeout=LAST_LOOK)
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    def note(self, taken: Sequence[Delivery]) -> None:
        """Keep what was taken; look more often while there is something."""
        self.taken.extend(taken)
        self._pause = BUSY_LOOK if taken else min(IDLE_LOOK, 1.5 * self._pause)

    async def turn(self) -> None:
        """Wait until the store may be listed again."""
        await asyncio.sleep(max(0.0, self._last + BUSY_LOOK - time.monotonic()))
        self._last = time.monotonic()
        self.soon.clear()

    async def rest(self, longest: float) -> None:
        """Wait until it is time for another look, or until this process has sent something."""
        try:
            async with asyncio.timeout(min(longest, self._pause)):
                await self.soon.wait()
        except TimeoutError:
            pass
