"""The waits of callers: each is limited, and none outlasts the listener."""

from __future__ import annotations

import asyncio
import re
from types import TracebackType

_ASYNC = re.compile(r"(?:^|,)\s*respond-async\s*(?:$|[,;])", re.IGNORECASE)
_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d+)\b', re.IGNORECASE)


class _Endable:
    """A wait under way. A class, for speed: every call has two of them."""

    __slots__ = ("_limit", "_limits")

    def __init__(self, limits: set[asyncio.Timeout], longest: float | None) -> None:
        self._limits = limits
        self._limit = asyncio.timeout(longest)

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
        self.have_ended = False

    def __len__(self) -> int:
        return len(self._limits)

    def endable(self) -> _Endable:
        """Return a context that raises TimeoutError inside its block when ``end`` is called.

        After that it raises at the first wait; a block that does not wait is still completed.
        """
        return _Endable(self._limits, 0.0 if self.have_ended else None)

    def end(self) -> None:
        """End all waits, and those that begin later: callers learn where the reply will be."""
        self.have_ended = True
        for limit in self._limits:
            limit.reschedule(asyncio.get_running_loop().time())


def preferred_wait(preferred: str, longest: float, otherwise: float) -> float:
    """Return how long a caller prefers to wait, in seconds (RFC 7240, section 4.3)."""
    asked = _WAIT.search(preferred)
    return min(float(asked[1]), longest) if asked else otherwise


def prefers_async(preferred: str) -> bool:
    """Tell whether a caller would rather not wait (RFC 7240, section 4.1)."""
    return _ASYNC.search(preferred) is not None
