"""Callers who wait: each for so long, and none longer than the listener runs."""

from __future__ import annotations

import asyncio
import re
from types import TracebackType

_PREFER_WAIT = re.compile(r"\bwait\s*=\s*(\d{1,5})\b")


class _Endable:
    """A wait under way. A class: two of them are on the way of every call."""

    __slots__ = ("_limit", "_limits")

    def __init__(self, limits: set[asyncio.Timeout]) -> None:
        self._limits = limits
        self._limit = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        self._limits.add(self._limit)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._limits.discard(self._limit)
        await self._limit.__aexit__(kind, error, trace)


class Waits:
    """The waits under way."""

    def __init__(self) -> None:
        self._limits: set[asyncio.Timeout] = set()

    def __len__(self) -> int:
        return len(self._limits)

    def endable(self) -> _Endable:
        """Return a context that raises TimeoutError inside its block when ``end`` is called."""
        return _Endable(self._limits)

    def end(self) -> None:
        """End all waits: whoever waits is told where the reply can be collected."""
        for limit in self._limits:
            limit.reschedule(asyncio.get_running_loop().time())


def preferred_wait(preferred: str, longest: float, otherwise: float) -> float:
    """Return how long a caller prefers to wait, in seconds (RFC 7240, section 4.3)."""
    asked = _PREFER_WAIT.search(preferred)
    return min(float(asked[1]), longest) if asked else otherwise
