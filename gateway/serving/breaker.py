"""A circuit breaker: while a service is away, one call at a time tries it, and the others wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from gateway.endpoint import Call
from gateway.errors import BackendFailed, Declined, LeftAlone, OutcomeUnknown, Unanswered, Unreached
from gateway.message import Clock, Message

IN_PLACE = (0.2, 1.0)
"""Seconds before a call that certainly was not sent is tried again, under the same lease."""
TRIAL = 10.0
"""Seconds for which the others wait for the trial call. If it is still under way by then, it has
most likely reached the service, and may take hours: the others do not wait for that."""
NEVER = float("-inf")


class CircuitBreaker:
    """Wraps the function that carries out a service's calls.

    Without it, the requests of one dead service would occupy all of a gateway's places.
    """

    def __init__(
        self,
        carry_out: Callable[[Call], Awaitable[Message | None]],
        monotonic: Clock = time.monotonic,
        in_place: Sequence[float] = IN_PLACE,
    ) -> None:
        self._carry_out = carry_out
        self._monotonic = monotonic
        self._in_place = in_place
        self._away_since: float | None = None
        self._tried = NEVER
        """When the current trial call began; NEVER without one."""

    def check(self) -> None:
        """Raise LeftAlone if a call would not be tried now, before more work is done for it."""
        if self._away_since is not None and self._monotonic() - self._tried < TRIAL:
            away = "another request finds out whether the service is back"
            raise LeftAlone(away, retry_after=self._rest())

    async def __call__(self, call: Call) -> Message | None:
        """Carry out a call. Raises the errors of that, and LeftAlone.

        If the service is away, the error's ``retry_after`` is how long to leave it alone.
        """
        if self._away_since is None:
            return await self._ask(call)
        self.check()
        self._tried = began = self._monotonic()
        try:
            return await self._ask(call)
        finally:
            if self._tried == began:
                self._tried = NEVER

    async def _ask(self, call: Call) -> Message | None:
        delays = iter(self._in_place)
        while True:
            try:
                reply = await self._carry_out(call)
            except (Unreached, Declined) as error:
                delay = next(delays, None) if isinstance(error, Unreached) else None
                if delay is None:
                    raise error.put_off(self._rest()) from error
                await asyncio.sleep(delay)
            except (BackendFailed, Unanswered, OutcomeUnknown):
                self._away_since = None  # not a good answer, but the service is there
                raise
            else:
                self._away_since = None
                return reply

    def _rest(self) -> float:
        """Return how long to leave the service alone: a quarter of the time it has been away."""
        now = self._monotonic()
        if self._away_since is None:
            self._away_since = now
        return (now - self._away_since) / 4
