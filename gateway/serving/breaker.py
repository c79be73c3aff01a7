"""A circuit breaker: what one call finds out about a service that is away, the others heed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from gateway.endpoint import Call
from gateway.errors import BackendFailed, Declined, LeftAlone, OutcomeUnknown, Unanswered, Unreached
from gateway.message import Clock, Message

IN_PLACE = (0.2, 1.0)
"""Seconds before a call that certainly did not leave is tried again, under the same lease."""
TRIAL = 10.0
"""Seconds for which the others wait for the one that tries. One that is still at work by then has
most likely reached the service, and may take hours: it is no reason to wait for so long."""
NEVER = float("-inf")


class CircuitBreaker:
    """Stands before what carries out a service's calls: while that is away, one call at a time
    tries it.

    Else the requests of one dead service would take all of a gateway's places from the others.
    """

    def __init__(
        self,
        carry_out: Callable[[Call], Awaitable[Message | None]],
        monotonic: Clock = time.monotonic,
    ) -> None:
        self._carry_out = carry_out
        self._monotonic = monotonic
        self._away_since: float | None = None
        self._tried = NEVER
        """When the last of those began that are finding out."""

    def check(self) -> None:
        """Raise LeftAlone where a call would be left alone: before more is done for it."""
        if self._away_since is not None and self._monotonic() - self._tried < TRIAL:
            away = "another request finds out whether the service is back"
            raise LeftAlone(away, retry_after=self._rest())

    async def __call__(self, call: Call) -> Message | None:
        """Carry out a call. Raises what that raises, and LeftAlone.

        Where the service is away, ``retry_after`` of the error is how long to leave it alone.
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
        delays = iter(IN_PLACE)
        while True:
            try:
                reply = await self._carry_out(call)
            except (Unreached, Declined) as error:
                delay = next(delays, None) if isinstance(error, Unreached) else None
                if delay is None:
                    raise error.put_off(self._rest()) from error
                await asyncio.sleep(delay)
            except (BackendFailed, Unanswered, OutcomeUnknown):
                self._away_since = None  # no good answer, but somebody is there
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
