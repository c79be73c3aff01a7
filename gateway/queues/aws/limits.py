"""Time limits for a service, and the log's lines about one that does not answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

from gateway.errors import QueueAway, Unsure

log = logging.getLogger(__name__)

WHOLE = 30.0
"""Seconds for a whole operation, its attempts and pauses included."""
CLOSING = 5.0
"""Seconds for giving deliveries back at shutdown: the rest come back when their leases end."""
SILENT = 5.0
"""Seconds without any answer after which the log says so."""
CURE = "check that it is healthy, and that nothing on the way blocks the traffic"


class TimeLimits:
    """The time limits of operations, all of them shortened at shutdown."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._open: set[asyncio.Timeout] = set()
        self._end: float | None = None

    def end_within(self, seconds: float) -> None:
        """End every operation within so many seconds: this program is shutting down."""
        self._end = asyncio.get_running_loop().time() + seconds
        for limit in self._open:
            when = limit.when()
            if not limit.expired() and (when is None or when > self._end):
                limit.reschedule(self._end)

    @contextlib.asynccontextmanager
    async def within(self, seconds: float = WHOLE) -> AsyncIterator[None]:
        """Raise Unsure where the block takes longer; QueueAway once the time to shut down is up."""
        now = asyncio.get_running_loop().time()
        if self._end is not None and self._end <= now:
            raise QueueAway(f"{self._place} is not asked any more: this program is shutting down")
        limit = asyncio.timeout_at(min(now + seconds, self._end or now + seconds))
        self._open.add(limit)
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            took = asyncio.get_running_loop().time() - now
            raise Unsure(f"{self._place} gave no answer in {took:.0f} s: {CURE}") from error
        finally:
            self._open.discard(limit)


class Silence:
    """Logs once that a service does not answer, and once that it answers again."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._answered = float("-inf")
        self._first = float("inf")
        """When the first answer was due that is missing since the last one that came."""
        self._since: float | None = None

    def note_none(self, began: float, due: float) -> None:
        """Note a request without an answer, and when that was ``due``; times are monotonic.

        A service that answers other requests meanwhile is only slow.
        """
        now = time.monotonic()
        if self._since is not None or self._answered >= began or due > now:
            return
        # Several requests cancelled early, one after another, tell as much as a long one.
        self._first = min(self._first, due)
        passed = now - self._first
        if passed >= SILENT:
            self._since = self._first
            log.warning(
                "%s has not answered for %.0f s: work resumes when it does; %s",
                *(self._place, passed, CURE),
            )

    def note_answer(self) -> None:
        self._answered = time.monotonic()
        self._first = float("inf")
        if self._since is not None:
            log.warning("%s answers again, after %.0f s", self._place, self._answered - self._since)
            self._since = None
