"""The traffic with one SQS queue: long polls, and everything else in batches of ten."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial

from gateway.errors import QueueError, QueueUnavailable, unquoted
from gateway.queues.aws.http import pause
from gateway.queues.aws.sqs import BATCH, LONGEST_POLL, Outgoing, Received, SqsClient, Throttled
from gateway.queues.aws.sqs_batches import Batches
from gateway.queues.aws.sqs_groups import Groups

log = logging.getLogger(__name__)

IDLE = 1.0
"""Seconds for which a received message waits for a taker; then it is given back to the queue."""
MOST_POLLS = 8

Hold = Callable[[str, float], Awaitable[None]]


class SqsPump:
    """Receives, sends, deletes and holds the messages of a queue. ``lease`` is in seconds."""

    def __init__(self, client: SqsClient, queue_url: str, lease: float) -> None:
        self.client = client
        self.queue_url = queue_url
        self._intake = _Intake(client, queue_url, lease, self.hold)
        self._deletes = Batches(partial(client.delete_batch, queue_url))
        self._holds = Batches(partial(client.change_visibility_batch, queue_url))
        self._sends = Batches(partial(client.send_batch, queue_url), lambda one: one.size)
        self.groups = Groups(self.send)

    async def receive(self, limit: int, wait: float) -> list[Received]:
        """Return up to ``limit`` messages, each invisible to others for the lease.

        Waits up to ``wait`` seconds for the first. Cancelling it loses nothing: messages under way
        go to the next receive, or back to the queue. Raises QueueUnavailable.
        """
        if wait <= 0:
            return await self._intake.look(limit)
        return await self._intake.wait(limit, wait)

    async def delete(self, handle: str) -> None:
        """Delete a message. Raises LeaseLost (the receipt is too old), QueueUnavailable."""
        await self._deletes.add(handle)

    async def hold(self, handle: str, seconds: float) -> None:
        """Hide a message from others for so many seconds from now; 0 gives it back.

        Raises LeaseLost (the receipt is no longer valid), QueueUnavailable.
        """
        await self._holds.add((handle, seconds))

    async def send(self, outgoing: Outgoing) -> str:
        """Send a message; return the id that SQS gives it. Raises QueueUnavailable."""
        return await self._sends.add(outgoing)

    async def aclose(self) -> None:
        """End the polls, and give back messages that nobody took."""
        await self._intake.aclose()
        for batches in (self._sends, self._deletes, self._holds):
            await batches.drain()


class _Intake:
    """The polls under way, and received messages that nobody has taken yet."""

    def __init__(self, client: SqsClient, queue_url: str, lease: float, hold: Hold) -> None:
        self._receive = partial(client.receive, queue_url, visibility=lease)
        self._hold = hold
        self._stock: deque[Received] = deque()
        self._polls = _Polls()
        self._returning: set[asyncio.Task[None]] = set()
        self._arrived = asyncio.Event()
        self._error: QueueUnavailable | None = None
        self._waiters = 0

    async def look(self, limit: int) -> list[Received]:
        """Return the messages that are available now."""
        if not self._stock:
            await asyncio.wait([self._start(min(limit, BATCH), 0)])
        return self._take(limit)

    async def wait(self, limit: int, wait: float) -> list[Received]:
        """Return the messages available now, or the first ones within ``wait`` seconds."""
        until = time.monotonic() + wait
        self._waiters += 1
        try:
            while True:
                self._arrived.clear()
                left = until - time.monotonic()
                if (taken := self._take(limit)) or left <= 0:
                    return taken
                for asked in self._polls.wanted(limit):
                    self._start(asked, min(LONGEST_POLL, max(1, math.ceil(left))))
                await _rest(self._arrived, left)
        finally:
            self._waiters -= 1

    async def aclose(self) -> None:
        await self._polls.aclose()
        self._give_back()
        if self._returning:
            await asyncio.wait(self._returning)

    def _take(self, limit: int) -> list[Received]:
        """Take from the stock. Raises the error of a failed poll, once."""
        taken = [self._stock.popleft() for _ in range(min(limit, len(self._stock)))]
        if not taken and self._error is not None:
            error, self._error = self._error, None
            raise error
        return taken

    def _start(self, asked: int, wait: int) -> asyncio.Task[None]:
        task = self._polls.start(self._poll(asked, wait), asked)
        # Not before it has ended: a waiter may then start another in its place.
        task.add_done_callback(lambda _: self._arrived.set())
        return task

    async def _poll(self, asked: int, wait: int) -> None:
        try:
            received = await self._receive(asked, wait)
        except Throttled:
            await pause(self._polls.note_throttled())
        except QueueUnavailable as error:
            self._error = error
        except Exception as error:  # a bug: the receiver gets an error, and tries again later
            log.error("a receive from SQS failed in the gateway", exc_info=unquoted(error))
            self._error = QueueUnavailable("what SQS answered could not be read")
        else:
            self._error = None
            self._polls.note_brought(len(received), asked)
            self._stock.extend(received)
        if self._stock and not self._waiters:
            asyncio.get_running_loop().call_later(IDLE, self._give_back_idle)

    def _give_back_idle(self) -> None:
        if not self._waiters and not self._polls.is_closed:
            self._give_back()

    def _give_back(self) -> None:
        """Give the stock back to the queue."""
        while self._stock:
            task = asyncio.create_task(self._release(self._stock.popleft()))
            self._returning.add(task)
            task.add_done_callback(self._returning.discard)

    async def _release(self, received: Received) -> None:
        # If that fails, it comes back when its lease ends.
        with contextlib.suppress(QueueError):
            await self._hold(received.handle, 0)


async def _rest(until: asyncio.Event, longest: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(longest):
            await until.wait()


class _Polls:
    """The polls under way: one while idle, more while they come back full."""

    def __init__(self) -> None:
        self.is_closed = False
        self._asked: dict[asyncio.Task[None], int] = {}
        self._width = 1
        self._throttled = 0

    def wanted(self, limit: int) -> list[int]:
        """Return how many messages each further poll is to ask for, for ``limit`` in all."""
        room = limit - sum(self._asked.values())
        free = self._width - len(self._asked)
        return [min(BATCH, room - BATCH * n) for n in range(free) if room > BATCH * n]

    def start(self, poll: Coroutine[None, None, None], asked: int) -> asyncio.Task[None]:
        task = asyncio.create_task(poll)
        self._asked[task] = asked
        task.add_done_callback(self._asked.pop)
        return task

    def note_brought(self, brought: int, asked: int) -> None:
        """Adapt the number of polls to how full this one came back."""
        self._throttled = 0
        if brought >= asked:
            self._width = min(2 * self._width, MOST_POLLS)
        elif brought <= asked // 2:
            self._width = max(1, self._width // 2)

    def note_throttled(self) -> int:
        """Return how many times in a row SQS had throttled polls before this one."""
        self._width = 1
        self._throttled += 1
        return self._throttled - 1

    async def aclose(self) -> None:
        """End all polls. A message that SQS hands out just then comes back after its lease."""
        self.is_closed = True
        for task in list(self._asked):
            task.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)
