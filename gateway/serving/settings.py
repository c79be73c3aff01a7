"""``[gateway]``: how many requests are carried out at a time, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from gateway.limits import Seconds
from gateway.queue import CONCURRENCY, LEASE


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """How a gateway works; times in seconds."""

    concurrency: Annotated[int, Interval(ge=1, le=10000)] = CONCURRENCY
    attempts: Annotated[int, Interval(ge=1, le=1000)] = 5
    """Deliveries of a request, at most, of those that reached a backend or ended in a crash."""
    lease: Annotated[float, Interval(ge=1, le=3600)] = LEASE
    grace: Seconds = 20.0
