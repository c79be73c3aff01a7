"""Concurrent operations on SQS, combined into batches of ten."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from gateway.errors import QueueError, QueueUnavailable, Unsure, unquoted
from gateway.queues.aws.sqs import BATCH, BATCH_BYTES, Outcome

log = logging.getLogger(__name__)

T = TypeVar("T")

SLOW = 0.5
"""Seconds after which the next batch no longer waits for one under way."""
PARALLEL = 8
"""Batches of one kind under way at a time."""


class Batches(Generic[T]):
    """Carries items in batches.

    A single item leaves at once. Items added in the same moment, or while a batch is under way,
    leave together; a full batch does not wait. ``size`` gives the bytes of an item.
    """

    def __init__(
        self,
        carry: Callable[[Sequence[T]], Awaitable[Sequence[Outcome]]],
        size: Callable[[T], int] = lambda item: 0,
    ) -> None:
        self._carry = carry
        self._size = size
        self._waiting: deque[tuple[T, asyncio.Future[str]]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._is_due = False
        self._left = 0.0

    async def add(self, item: T) -> str:
        """Carry an item, and return its id when that is done. Raises the item's own error.

        Cancelling the wait does not stop the item.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str] = loop.create_future()
        self._waiting.append((item, done))
        if not self._is_due:
            self._is_due = True
            loop.call_soon(self._launch)
        return await done

    async def drain(self) -> None:
        """Wait until all items are carried."""
        while self._waiting or self._under_way:
            if self._under_way:
                await asyncio.wait(self._under_way)
            await asyncio.sleep(0)

    def _launch(self) -> None:
        self._is_due = False
        loop = asyncio.get_running_loop()
        while self._waiting and self._may_leave(loop.time()):
            task = asyncio.create_task(self._carry_one(self._load()))
            self._under_way.add(task)
            self._left = loop.time()
            task.add_done_callback(self._arrived)
        if self._waiting:
            loop.call_later(SLOW, self._launch)

    def _may_leave(self, now: float) -> bool:
        if not self._under_way:
            return True
        # A batch that hangs must not hold up the others: every lease would lapse.
        is_urgent = len(self._waiting) >= BATCH or now - self._left >= SLOW
        return is_urgent and len(self._under_way) < PARALLEL

    def _load(self) -> list[tuple[T, asyncio.Future[str]]]:
        batch = [self._waiting.popleft()]
        room = BATCH_BYTES - self._size(batch[0][0])
        while self._waiting and len(batch) < BATCH:
            room -= self._size(self._waiting[0][0])
            if room < 0:
                break
            batch.append(self._waiting.popleft())
        return batch

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._launch()

    async def _carry_one(self, batch: Sequence[tuple[T, asyncio.Future[str]]]) -> None:
        outcomes: Sequence[Outcome]
        try:
            outcomes = await self._carry([item for item, _ in batch])
        except QueueUnavailable as error:
            outcomes = [error] * len(batch)
        except Exception as error:  # a bug: the waiters get an error, the next batch may work
            log.error("a batch for SQS failed in the gateway", exc_info=unquoted(error))
            outcomes = [Unsure("what SQS answered could not be read")] * len(batch)
        except BaseException:
            for _, done in batch:
                done.cancel()
            raise
        for (_, done), outcome in zip(batch, outcomes, strict=True):
            if done.done():
                continue
            if isinstance(outcome, QueueError):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)
