"""Whether a service is there: what one request finds out about it, the others heed."""

from __future__ import annotations

import asyncio
import time

from gateway.endpoint import Endpoint
from gateway.errors import (
    BackendFailed,
    Declined,
    LeftAlone,
    OutcomeUnknown,
    Unanswered,
    Unreached,
)
from gateway.message import Clock, Message

IN_PLACE = (0.2, 1.0)
"""Seconds before a request that certainly did not leave is tried again, under the same lease."""
TRIAL = 10.0
"""Seconds for which the others wait for the one that tries. One that is still at work by then has
most likely reached the service, and may take hours: it is no reason to wait for so long."""
NEVER = float("-inf")


class Attendance:
    """An endpoint around a service's own: while that is away, one request at a time tries it.

    Else the requests of one dead service would take all of a gateway's places from the others.
    """

    def __init__(self, endpoint: Endpoint, monotonic: Clock = time.monotonic) -> None:
        self._endpoint = endpoint
        self._monotonic = monotonic
        self._away_since: float | None = None
        self._tried = NEVER
        """When the last of those began that are finding out."""

    async def __call__(self, message: Message) -> Message | None:
        """Answer a request. Raises what the service raises, and LeftAlone.

        Where the service is away, ``retry_after`` of the error is how long to leave it alone.
        """
        if self._away_since is None:
            return await self._ask(message)
        began = self._monotonic()
        if began - self._tried < TRIAL:
            away = "another request finds out whether the service is back"
            raise LeftAlone(away, retry_after=self._rest())
        self._tried = began
        try:
            return await self._ask(message)
        finally:
            if self._tried == began:
                self._tried = NEVER

    async def _ask(self, message: Message) -> Message | None:
        try:
            reply = await self._insist(message)
        except (Unreached, Declined) as error:
            error.retry_after = max(self._rest(), error.retry_after or 0.0)
            raise
        except (BackendFailed, Unanswered, OutcomeUnknown):
            self._away_since = None  # no good answer, but somebody is there
            raise
        self._away_since = None
        return reply

    async def _insist(self, message: Message) -> Message | None:
        for delay in IN_PLACE:
            try:
                return await self._endpoint(message)
            except Unreached:
                await asyncio.sleep(delay)
        return await self._endpoint(message)

    def _rest(self) -> float:
        """Return how long to leave the service alone: a quarter of the time it has been away."""
        now = self._monotonic()
        if self._away_since is None:
            self._away_since = now
        return (now - self._away_since) / 4
