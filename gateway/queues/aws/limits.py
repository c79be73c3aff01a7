"""How long a service is waited for, and what the log says of one that stands still."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

from gateway.errors import QueueAway, Unsure

log = logging.getLogger(__name__)

WHOLE = 30.0
"""Seconds that may pass until something is done or has failed, its tries and pauses included."""
CLOSING = 5.0
"""Seconds that giving back may take at the end of a program: what is left comes back by itself."""
SILENT = 5.0
"""Seconds without any answer from which on a service is said to stand still."""
CURE = "see whether it is well, and whether something on the way holds the traffic up"


class TimeLimits:
    """Ends what takes too long, and all of it soon once the end was announced."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._open: set[asyncio.Timeout] = set()
        self._end: float | None = None

    def end_within(self, seconds: float) -> None:
        """Let nothing take longer than so many seconds from now: this program ends."""
        self._end = asyncio.get_running_loop().time() + seconds
        for limit in self._open:
            when = limit.when()
            if not limit.expired() and (when is None or when > self._end):
                limit.reschedule(self._end)

    @contextlib.asynccontextmanager
    async def within(self, seconds: float = WHOLE) -> AsyncIterator[None]:
        """Raise Unsure where the block takes longer; QueueAway where it may not begin any more."""
        now = asyncio.get_running_loop().time()
        if self._end is not None and self._end <= now:
            raise QueueAway(f"{self._place} is not asked any more: this program ends")
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
    """Says once that a service stands still, and once that it answers again."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._answered = float("-inf")
        self._first = float("inf")
        """When the first answer was due of those that have not come since the last that came."""
        self._since: float | None = None

    def note_none(self, began: float, due: float) -> None:
        """Learn that a request got no answer, which was ``due``; times by the monotonic clock.

        A service that answers others meanwhile is only slow.
        """
        now = time.monotonic()
        if self._since is not None or self._answered >= began or due > now:
            return
        # Several that were broken off early, one after another, tell as much as a long one.
        self._first = min(self._first, due)
        passed = now - self._first
        if passed >= SILENT:
            self._since = self._first
            log.warning(
                "%s has not answered for %.0f s: what waits for it goes on when it does; %s",
                *(self._place, passed, CURE),
            )

    def note_answer(self) -> None:
        self._answered = time.monotonic()
        self._first = float("inf")
        if self._since is not None:
            log.warning("%s answers again, after %.0f s", self._place, self._answered - self._since)
            self._since = None
