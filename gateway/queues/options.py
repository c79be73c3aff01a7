"""The options of a queue, beside its address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Interval

from gateway.limits import USUAL
from gateway.message import Message, Unreadable
from gateway.queue import CONCURRENCY, LEASE

PutAside = Callable[[Message | Unreadable, str], None]
"""Called with a request and a reason before a queue puts the request aside by itself, without a
delivery. Raises QueueUnavailable where that cannot be recorded: then the request stays."""


def untold(message: Message | Unreadable, reason: str) -> None:
    """Do nothing."""


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
class Sweeps:
    """The times of a doorbell's sweeps, which find requests that no ring came for; in seconds."""

    period: float = 65.0
    """From one sweep to the next."""
    old: float = 60.0
    """After which a request should have been taken."""
    margin: float = 5.0
    """Beside a third of a lease, after which a gateway at work on a request has claimed it."""
    surplus: float = 60.0
    """In which a second token is one too many: the same, or its successor, comes later."""
    first_at_rest: tuple[float, float] = (5.0, 10.0)
    """Without a token, after which a gateway that starts makes one; at random between the two. If
    no message is hidden: a token would be received soon."""
    settling: int = 5
    """Before the first sweep of a gateway that starts: its work comes first."""
    ring_again: float = 600.0
    """Before a request is rung for a second time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """A program's settings for any queue it opens; a queue reads those that concern it."""

    lease: float = LEASE
    """Seconds for which a request is held at a time, where leases expire."""
    concurrency: int = CONCURRENCY
    """Requests that are carried out at a time: the queue keeps connections for as many."""
    soapjms_strict: bool = False
    """For SQS: refuse any breach of SOAP/JMS, not only contradictions."""
    senders: Mapping[str, str] = field(default_factory=dict)
    """For SQS: the client of each principal; empty: the client that the message names."""
    reply_queues: tuple[str, ...] = ()
    """The SQS queues that a request may name for its reply; a final ``*`` matches any ending."""
    limit: int = USUAL.request
    """The largest request that is read out of a bucket, in bytes."""
    reply_limit: int = USUAL.reply
    """The largest reply that is read out of a bucket, in bytes."""
    sweeps: Sweeps = Sweeps()
    """Of a doorbell."""
    put_aside: PutAside = untold
    quarantine: Bounds = Bounds()
    """For queues without a lifecycle rule, which does this in a bucket."""
