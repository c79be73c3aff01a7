"""The walk of one delivery, from its receipt to its verdict, stage by stage."""

from __future__ import annotations

import logging
from functools import partial

from gateway.endpoint import Endpoint, Refusal
from gateway.errors import (
    INTERNAL,
    FaultError,
    LeaseLost,
    LeftAlone,
    QueueUnavailable,
    TransientError,
    unquoted,
)
from gateway.message import Message, Unreadable
from gateway.observe.events import (
    Events,
    RequestAdmitted,
    RequestAnswered,
    RequestBegun,
    RequestRefused,
)
from gateway.serving.leases import Work
from gateway.serving.verdict import (
    LONGEST_DELAY,
    TOO_OFTEN,
    Completed,
    Retry,
    Verdict,
    failed,
    refused,
    rejected,
    unreadable,
)

log = logging.getLogger(__name__)


class Walk:
    """Lets an endpoint answer deliveries, and returns the verdict on each.

    ``attempts`` is how many times a request may be delivered, counting those that reached a backend
    or ended in a crash; ``lease`` is for how many seconds it is held from when it begins,
    ``longest_delay`` for how many it goes back at most.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        attempts: int,
        lease: float,
        events: Events,
        longest_delay: float = LONGEST_DELAY,
    ) -> None:
        self._endpoint = endpoint
        self._attempts = attempts
        self._lease = lease
        self._longest_delay = longest_delay
        self._events = events

    async def __call__(self, work: Work) -> Verdict:
        """Return the verdict on a delivery. Raises LeaseLost, and nothing else."""
        delivery, message = work.delivery, work.delivery.message
        if isinstance(message, Unreadable):
            return unreadable(message)
        try:
            if delivery.is_contested:  # another may begin it too, whatever its operation is
                await delivery.extend(self._lease)
            if delivery.attempt > self._attempts:
                # It may be what kills the process: only its count can tell.
                return rejected(FaultError(TOO_OFTEN), message)
            return await self._answered(work, message)
        except LeaseLost:
            raise
        except TransientError as error:
            level = logging.DEBUG if isinstance(error, LeftAlone) else logging.WARNING
            log.log(level, "%s %s: %s", message.id, work.subject.service, error)
            attempt, longest = delivery.attempt, self._longest_delay
            return failed(error, message, attempt, self._attempts, longest)
        except QueueUnavailable as error:
            log.warning("%s %s; given back", message.id, error)
            return Retry(1.0, counts=False)
        except Exception as error:  # a bug: this request ends here, and others go on
            log.error("%s failed in the gateway", message.id, exc_info=unquoted(error))
            return rejected(FaultError(INTERNAL), message)

    async def _answered(self, work: Work, message: Message) -> Verdict:
        events = self._events
        call = await self._endpoint.admit(message, partial(self._begin, work))
        if isinstance(call, Refusal):
            work.learn(call.service, call.operation, call.one_way)
            if RequestRefused in events.wanted:
                events.tell(RequestRefused(work.subject, call.error, events.clock()))
            return refused(call.error, message, call.is_repeatable)
        work.learn(call.message.target_service, call.operation.name, call.operation.one_way)
        if RequestAdmitted in events.wanted:
            events.tell(RequestAdmitted(work.subject, events.clock()))
        try:
            reply = await self._endpoint.answer(call)
        except FaultError as error:
            return refused(error, message, call.is_repeatable)
        if RequestAnswered in events.wanted:
            events.tell(RequestAnswered(work.subject, reply, events.clock()))
        return Completed(reply)

    async def _begin(self, work: Work) -> None:
        """Make it durable that an at-most-once operation begins."""
        await work.delivery.extend(self._lease)
        if RequestBegun in self._events.wanted:
            self._events.tell(RequestBegun(work.subject, self._events.clock()))
