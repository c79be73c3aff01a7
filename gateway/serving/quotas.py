"""The limits of each client: a share (concurrency and rate), and a daily quota.

Over its share, a client's requests wait in the queue, and are refused at the listener; over its
quota they are refused by both. Each process counts for itself, from its start on.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from gateway.errors import OverQuota, QueueError, TransientError
from gateway.message import Clock

DAY = 86400.0
UNLIMITED = 1 << 31
BURST = 10.0
"""Seconds of its rate that a client may use at once, where nothing else is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a client may have at a time, and in a day of UTC; None: no limit."""

    rate: Annotated[float | None, Interval(gt=0, le=1e6)] = None
    """Requests in a second, on average."""
    burst: Annotated[int | None, Interval(ge=1, le=10**6)] = None
    """How many may come at once, after a pause; None: those of ``BURST``."""
    in_flight: Annotated[int | None, Interval(ge=1, le=10000)] = None
    daily: Annotated[int | None, Interval(ge=1)] = None
    daily_bytes: Annotated[int | None, Interval(ge=1024)] = None


class _Tokens:
    """A token bucket, full at the start."""

    def __init__(self, rate: float, burst: int, monotonic: Clock) -> None:
        self._rate = rate
        self._burst = burst
        self._monotonic = monotonic
        self._tokens = float(burst)
        self._seen = monotonic()

    def tokens(self) -> float:
        now = self._monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._seen) * self._rate)
        self._seen = now
        return self._tokens

    def take(self) -> None:
        self._tokens = self.tokens() - 1

    def wait(self) -> float:
        """Return the seconds until there is a token."""
        return max(0.0, (1 - self.tokens()) / self._rate)


class Shares:
    """The use of shares at the moment. Clients without a share are not counted."""

    def __init__(self, clients: Mapping[str, Allowance], monotonic: Clock = time.monotonic) -> None:
        self.freed = asyncio.Event()
        """Set when a client may have some of its share again."""
        self._in_flight = {
            client: one.in_flight
            for client, one in clients.items()
            if one.rate is not None or one.in_flight is not None
        }
        self._at_work: dict[str, int] = defaultdict(int)
        self._buckets = {
            client: _Tokens(one.rate, one.burst or max(1, round(BURST * one.rate)), monotonic)
            for client, one in clients.items()
            if one.rate is not None
        }

    def left(self) -> dict[str, int]:
        """Return how many requests of each client may begin now."""
        return {client: self._left(client) for client in self._in_flight}

    def begin(self, client: str) -> bool:
        """Count a request that begins; tell whether its client's share had room for it."""
        if client not in self._in_flight:
            return True
        if not self._left(client):
            return False
        self._at_work[client] += 1
        if client in self._buckets:
            self._buckets[client].take()
        return True

    def look(self, client: str) -> bool:
        """Count a look for a reply, against the rate alone; tell whether the rate allows it."""
        bucket = self._buckets.get(client)
        if bucket is None:
            return True
        if bucket.tokens() < 1:
            return False
        bucket.take()
        return True

    def end(self, client: str) -> None:
        """Count a request that began and has ended."""
        if client in self._in_flight:
            self.freed.set()
            self._at_work[client] -= 1

    def wait(self, client: str) -> float:
        """Return the seconds until a client's rate lets another request begin."""
        return self._buckets[client].wait() if client in self._buckets else 0.0

    def soonest(self) -> float:
        """Return the seconds until the next client that waits for its rate may go on."""
        waits = [bucket.wait() for bucket in self._buckets.values()]
        return min((one for one in waits if one > 0), default=float("inf"))

    def _left(self, client: str) -> int:
        in_flight = self._in_flight[client]
        left = UNLIMITED if in_flight is None else in_flight - self._at_work[client]
        if client in self._buckets:
            left = min(left, int(self._buckets[client].tokens()))
        return max(0, left)


@dataclass(slots=True)
class _Used:
    day: int = 0
    requests: int = 0
    bytes: int = 0


class Quotas:
    """The use of daily quotas. ``clock`` tells which day it is."""

    def __init__(self, clients: Mapping[str, Allowance], clock: Clock) -> None:
        self._clients = {
            client: one
            for client, one in clients.items()
            if one.daily is not None or one.daily_bytes is not None
        }
        self._clock = clock
        self._used: dict[str, _Used] = defaultdict(_Used)

    @contextlib.contextmanager
    def spent(self, client: str, size: int) -> Iterator[None]:
        """Count a request while it is sent or carried out; one that comes back does not count.

        The same if the queue did not take it, or gave it to another gateway. Raises OverQuota.
        """
        self.spend(client, size)
        try:
            yield
        except (TransientError, QueueError):
            self._count(client, -1, -size)
            raise

    def spend(self, client: str, size: int) -> None:
        """Count a request. Raises OverQuota if that exceeds the client's quota."""
        quota = self._clients.get(client)
        if quota is None:
            return
        used = self._today(client)
        if quota.daily is not None and used.requests + 1 > quota.daily:
            raise OverQuota(self._left_of_day(), reason=f"{client}: {quota.daily} a day")
        most = quota.daily_bytes
        if most is not None and used.bytes + size > most:
            raise OverQuota(self._left_of_day(), reason=f"{client}: {most} bytes a day")
        self._count(client, 1, size)

    def _count(self, client: str, requests: int, size: int) -> None:
        if client in self._clients:
            used = self._today(client)
            used.requests = max(0, used.requests + requests)
            used.bytes = max(0, used.bytes + size)

    def _today(self, client: str) -> _Used:
        day = int(self._clock() // DAY)
        if self._used[client].day != day:
            self._used[client] = _Used(day)
        return self._used[client]

    def _left_of_day(self) -> float:
        return DAY - self._clock() % DAY


NO_QUOTAS = Quotas({}, time.time)
