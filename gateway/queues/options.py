"""What a queue is told beside its address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Interval

from gateway.limits import USUAL
from gateway.message import Message, Unreadable
from gateway.queue import CONCURRENCY, LEASE

PutAside = Callable[[Message | Unreadable, str], None]
"""Is told of a request, and of the reason, before a queue puts it aside by itself: no delivery
tells of it. Raises QueueUnavailable where that cannot be written down: then it stays."""


def untold(message: Message | Unreadable, reason: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """``[quarantine]``: how much may be kept aside: the oldest entries go first, and are gone."""

    days: Annotated[int, Interval(ge=1, le=3650)] = 30
    bytes: Annotated[int, Interval(ge=1 << 20, le=1 << 50)] = 1 << 30
    """Of all bodies together."""

    @property
    def age(self) -> float:
        """The days in seconds."""
        return 86400.0 * self.days


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """Settings of a program for whatever queue it opens; a queue reads those that concern it."""

    lease: float = LEASE
    """Seconds for which a request is held at a time, where leases run out."""
    concurrency: int = CONCURRENCY
    """Requests that are carried out at a time: connections are kept for as many."""
    soapjms_strict: bool = False
    """Of SQS: refuse whatever breaks a rule of SOAP/JMS, not only what contradicts itself."""
    senders: Mapping[str, str] = field(default_factory=dict)
    """The client's name of each principal that SQS may name; empty: the message is believed."""
    reply_queues: tuple[str, ...] = ()
    """The SQS queues that a request may name for its reply; ``*`` at the end stands for any."""
    limit: int = USUAL.request
    """The largest request that is read out of a bucket, in bytes."""
    reply_limit: int = USUAL.reply
    """The largest reply that is read out of a bucket, in bytes."""
    put_aside: PutAside = untold
    quarantine: Bounds = Bounds()
    """Kept by the queues that have no rules of their own: in a bucket its lifecycle rule does."""
