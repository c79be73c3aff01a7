"""What one gateway is taking, and what it has ready for whoever receives next."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Generic, TypeVar

from gateway.errors import LeaseLost, QueueBroken, QueueError, QueueUnavailable, unquoted
from gateway.queue import Delivery
from gateway.queues.claims.delivery import ClaimDelivery

T = TypeVar("T")

log = logging.getLogger(__name__)

TOGETHER = 0.5
"""Seconds that a request is kept back, at most, for those that are being taken beside it."""
LAST_LOOK = 2.0
"""Seconds that what is under way may take at the end: a claim that is being made is given back.

Two baskets one after the other leave time to do that, within ``CLOSING``."""


class Basket(Generic[T]):
    """Requests that are taken in tasks of their own, so that a cancelled receive loses none.

    ``T`` is what a request is known by before it is taken; ``told`` names it in the log.
    """

    def __init__(self, told: Callable[[T], str] = str) -> None:
        self._told = told
        self.taking: dict[asyncio.Task[None], T] = {}
        self.ready: list[ClaimDelivery] = []
        self.changed = asyncio.Event()

    def begin(self, one: T, taking: Coroutine[None, None, None]) -> None:
        """Take a request; what takes it puts its delivery among those that are ready."""
        task = asyncio.create_task(taking)
        self.taking[task] = one
        task.add_done_callback(lambda _: self.changed.set())

    def reap(self) -> QueueError | None:
        """Forget all tasks that ended; return the first QueueUnavailable of one.

        Raises QueueBroken of one of them. What failed in a way that nobody foresaw comes again: of
        SQS when it is hidden no longer, until ``maxReceiveCount`` ends that.
        """
        failure: QueueError | None = None
        for task in [one for one in self.taking if one.done()]:
            one = self.taking.pop(task)
            try:
                task.result()
            except LeaseLost as error:
                log.debug("a request was taken by another: %s", error)
            except QueueBroken:
                raise
            except QueueError as error:
                failure = failure or error
            except Exception as error:  # a bug, met by one request: the others go on
                log.error(
                    "%s failed in the gateway: it comes again",
                    self._told(one),
                    exc_info=unquoted(error),
                )
        return failure

    def is_left(self) -> bool:
        """Tell whether there is something to be handed out, or will be."""
        return bool(self.ready) or any(not task.done() for task in self.taking)

    async def hand_out(self, limit: int) -> Sequence[Delivery]:
        """Return what is ready, with what was begun beside it, in the order of the ids."""
        if self.taking and len(self.ready) < limit:
            await asyncio.wait(self.taking, timeout=TOGETHER)
        self.ready.sort(key=lambda one: (one.message.id, one.message.sender))
        taken, self.ready = self.ready[:limit], self.ready[limit:]
        return taken

    async def change(self, longest: float | None) -> None:
        """Return when something has ended, or came; or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self.changed.wait()

    async def return_ready(self) -> None:
        """Let others have what was taken, and not handed out.

        What a cancellation leaves is given back at the end.
        """
        ready, self.ready = self.ready, []
        await give_back(ready)

    async def end(self) -> Sequence[T]:
        """Let what is under way come to its end; return what did not, or the store did not give."""
        if self.taking:
            await asyncio.wait(self.taking, timeout=LAST_LOOK)
        for task in self.taking:
            task.cancel()
        await asyncio.gather(*self.taking, return_exceptions=True)
        return [one for task, one in self.taking.items() if _is_undone(task)]


def _is_undone(task: asyncio.Task[None]) -> bool:
    """Tell whether a task ended, and what it was to look at is still here."""
    return task.cancelled() or isinstance(task.exception(), QueueUnavailable)


async def give_back(deliveries: Iterable[ClaimDelivery]) -> None:
    """Give requests back that were not settled: others have them at once.

    One that cannot be given back is taken over, perhaps from here, when its lease has ended.
    """
    await asyncio.gather(*(_give_back(one) for one in list(deliveries)))


async def _give_back(delivery: ClaimDelivery) -> None:
    await given_back(delivery.message.id, delivery.give_back())
    delivery.let_go()


async def given_back(what: str, giving: Awaitable[None]) -> None:
    """Await what gives a request back; where that fails, it comes back when its time is over."""
    try:
        await giving
    except (LeaseLost, QueueUnavailable) as error:
        log.warning("%s not given back: %s", what, error)
    except QueueError:
        raise
    except Exception as error:  # a bug, met by one request: the others are given back
        log.error("%s failed in the gateway: not given back", what, exc_info=unquoted(error))
