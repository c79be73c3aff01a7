"""Callers who wait: each for so long, and none longer than the listener runs."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

_PREFER_WAIT = re.compile(r"\bwait\s*=\s*(\d{1,5})\b")


class Waits:
    """The waits under way."""

    def __init__(self) -> None:
        self._limits: set[asyncio.Timeout] = set()

    def __len__(self) -> int:
        return len(self._limits)

    @contextlib.asynccontextmanager
    async def endable(self) -> AsyncIterator[None]:
        """Raise TimeoutError inside the block when ``end`` is called."""
        limit = asyncio.timeout(None)
        self._limits.add(limit)
        try:
            async with limit:
                yield
        finally:
            self._limits.discard(limit)

    def end(self) -> None:
        """End all waits: whoever waits is told where the reply can be collected."""
        for limit in self._limits:
            limit.reschedule(asyncio.get_running_loop().time())


def preferred_wait(preferred: str, longest: float, otherwise: float) -> float:
    """Return how long a caller prefers to wait, in seconds (RFC 7240, section 4.3)."""
    asked = _PREFER_WAIT.search(preferred)
    return min(float(asked[1]), longest) if asked else otherwise
