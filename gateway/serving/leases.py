"""Deliveries at work in a gateway, and the renewal of their leases."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.errors import LeaseLost, QueueBroken, QueueUnavailable, unquoted
from gateway.message import Unreadable
from gateway.observe.events import Subject
from gateway.queue import Delivery

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Work:
    """A delivery in progress."""

    delivery: Delivery
    subject: Subject
    """What is known about it."""
    is_over: bool = False
    """It is over its client's share: it goes back."""
    task: asyncio.Task[None] | None = None
    lease_lost: bool = False
    is_told: bool = False
    """Whether a failed renewal of its lease was logged."""
    is_recorded: bool = False
    """Whether first subscribers have heard that it is settled."""
    may_be_settled: bool = False
    """Whether the queue may have its verdict by now."""
    renewing: asyncio.Task[None] | None = None
    kept: int = 0
    """Bytes of its verdict and request, once these wait without holding a place."""

    @classmethod
    def on(cls, delivery: Delivery, received: float) -> Work:
        """Begin work on a delivery that was received at that time."""
        message = delivery.message
        service = "" if isinstance(message, Unreadable) else message.target_service
        return cls(delivery, Subject(message, delivery.attempt, received, service))

    def learn(self, service: str, operation: str, one_way: bool) -> None:
        """Note what the request turned out to ask for."""
        old = self.subject
        self.subject = Subject(old.message, old.attempt, old.received, service, operation, one_way)


class Renewals:
    """Renews the leases of all deliveries at work, at a third of their length."""

    def __init__(self, lease: float, works: Callable[[], Iterable[Work]]) -> None:
        self._lease = lease
        self._works = works
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Renew each in a separate task: one that hangs does not let the others lapse."""
        try:
            while True:
                await asyncio.sleep(self._lease / 3)
                for work in self._works():
                    self._begin(work, group)
        finally:
            for task in self._under_way:
                task.cancel()

    def _begin(self, work: Work, group: asyncio.TaskGroup) -> None:
        if work.renewing is None or work.renewing.done():
            work.renewing = group.create_task(self._extend(work))
            self._under_way.add(work.renewing)
            work.renewing.add_done_callback(self._under_way.discard)

    async def _extend(self, work: Work) -> None:
        try:
            await work.delivery.extend(self._lease)
        except LeaseLost:
            if work.task is not None and not work.task.done():
                work.lease_lost = True
                work.task.cancel()
        except QueueUnavailable as error:
            level = logging.DEBUG if work.is_told else logging.WARNING
            log.log(level, "%s %s; lease not renewed", work.delivery.message.id, error)
            work.is_told = True
        except QueueBroken:
            raise
        except Exception as error:  # a bug: the leases of others are renewed all the same
            log.error(
                "%s failed in the gateway; lease not renewed",
                work.delivery.message.id,
                exc_info=unquoted(error),
            )
