"""The requests that one gateway is taking, and those that are ready for the next receive."""

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
"""Seconds, at most, that a ready request waits for others that are being taken."""
LAST_LOOK = 2.0
"""Seconds for tasks under way to finish at shutdown, so that their claims can be given back.

Two baskets, one after the other, still leave time for that within ``CLOSING``."""


class Basket(Generic[T]):
    """Requests that are taken in separate tasks, so that a cancelled receive loses none.

    ``T`` identifies a request before it is taken; ``label`` names it in the log.
    """

    def __init__(self, label: Callable[[T], str] = str) -> None:
        self._label = label
        self.taking: dict[asyncio.Task[None], T] = {}
        self.ready: list[ClaimDelivery] = []
        self.changed = asyncio.Event()

    def begin(self, one: T, taking: Coroutine[None, None, None]) -> None:
        """Start ``taking``, which adds the delivery to those that are ready."""
        task = asyncio.create_task(taking)
        self.taking[task] = one
        task.add_done_callback(lambda _: self.changed.set())

    def reap(self) -> QueueError | None:
        """Forget all tasks that ended; return the first QueueError among them.

        Raises QueueBroken if one of them did. After an unexpected error the request comes again:
        from SQS when it is visible again, until ``maxReceiveCount`` ends that.
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
                    self._label(one),
                    exc_info=unquoted(error),
                )
        return failure

    def is_left(self) -> bool:
        """Tell whether there is a request to hand out, or may be one soon."""
        return bool(self.ready) or any(not task.done() for task in self.taking)

    async def hand_out(self, limit: int) -> Sequence[Delivery]:
        """Return the ready requests in the order of their ids, after a short wait for others."""
        if self.taking and len(self.ready) < limit:
            await asyncio.wait(self.taking, timeout=TOGETHER)
        self.ready.sort(key=lambda one: (one.message.id, one.message.sender))
        taken, self.ready = self.ready[:limit], self.ready[limit:]
        return taken

    async def change(self, longest: float | None) -> None:
        """Wait for a change, for ``longest`` seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self.changed.wait()

    async def return_ready(self) -> None:
        """Give back the ready requests; a cancellation leaves the rest to the end."""
        ready, self.ready = self.ready, []
        await give_back(ready)

    async def end(self) -> Sequence[T]:
        """Let tasks finish; return the requests of those that did not, or got QueueUnavailable."""
        if self.taking:
            await asyncio.wait(self.taking, timeout=LAST_LOOK)
        for task in self.taking:
            task.cancel()
        await asyncio.gather(*self.taking, return_exceptions=True)
        return [one for task, one in self.taking.items() if _is_undone(task)]


def _is_undone(task: asyncio.Task[None]) -> bool:
    """Tell whether a task ended without having dealt with its request."""
    return task.cancelled() or isinstance(task.exception(), QueueUnavailable)


async def give_back(deliveries: Iterable[ClaimDelivery]) -> None:
    """Give back unsettled requests: others get them at once.

    One that cannot be given back is taken over, perhaps from here, when its lease has ended.
    """
    await asyncio.gather(*(_give_back(one) for one in list(deliveries)))


async def _give_back(delivery: ClaimDelivery) -> None:
    await given_back(delivery.message.id, delivery.give_back())
    delivery.let_go()


async def given_back(what: str, giving: Awaitable[None]) -> None:
    """Await ``giving``; if that fails, log it: the request comes back when its lease ends."""
    try:
        await giving
    except (LeaseLost, QueueUnavailable) as error:
        log.warning("%s not given back: %s", what, error)
    except QueueError:
        raise
    except Exception as error:  # a bug, met by one request: the others are given back
        log.error("%s failed in the gateway: not given back", what, exc_info=unquoted(error))
