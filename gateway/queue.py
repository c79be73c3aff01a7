"""The protocols of a queue, for its users. Implementations are in ``gateway.queues``."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from gateway.errors import FaultCode
from gateway.message import ID_WINDOW, Clock, Message, Unreadable

LEASE = 30.0
"""Seconds for which a request is held at a time, unless the settings say otherwise."""
CONCURRENCY = 64
"""Requests that are carried out at a time, unless the settings say otherwise."""

_CODE = re.compile(r"[A-Za-z][A-Za-z.-]{0,63}(?=: )")
NOT_CARRIED_OUT = (
    FaultCode.CLIENT,
    FaultCode.VERSION_MISMATCH,
    FaultCode.MUST_UNDERSTAND,
    FaultCode.BUSY,
    FaultCode.EXPIRED,
    "unreadable",
)
"""The codes which prove that no service carried out a request (unless it is repeatable)."""


class State(StrEnum):
    """The state of a request, as its sender sees it."""

    PENDING = "pending"
    WORKING = "working"
    REPLY = "reply"
    DONE = "done"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Collected:
    """What ``Queue.collect`` found; ``reply`` is there exactly when the state is REPLY."""

    state: State
    reply: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """How many requests a queue holds at the moment; None for what it cannot tell."""

    waiting: int
    """Not answered, and not held by a gateway."""
    in_flight: int | None
    """Held by gateways. Where it is None, these are counted as waiting."""
    oldest: float | None
    """Age of the oldest unanswered request in seconds; None also where there is none."""
    quarantined: int | None
    """In quarantine; None also where the queue has none."""
    is_exact: bool = True
    """False where the counts are approximate."""

    @property
    def depth(self) -> int:
        """How many requests are not answered yet."""
        return self.waiting + (self.in_flight or 0)


class Delivery(Protocol):
    """A request under a lease. Settle it once: answer it, give it back, or quarantine it."""

    message: Message | Unreadable
    attempt: int
    """1 for the first; one given back with ``counts=False`` counts only where no queue can tell."""
    is_contested: bool
    """Whether another gateway may begin the request too, unless it is extended before any work."""

    async def answer(self, reply: Message | None) -> None:
        """Store the reply, then remove the request; None for a one-way operation.

        The reply is durable before the request is removed, so after a crash in between it is
        answered from the store. Raises LeaseLost (nothing was written), QueueUnavailable (try
        again).
        """
        ...

    async def retry(self, delay: float, *, counts: bool = True) -> None:
        """Give the request back; nobody receives it for ``delay`` seconds.

        ``counts=False``: nothing reached a backend. Raises LeaseLost, QueueUnavailable.
        """
        ...

    async def quarantine(self, reason: str, reply: Message | None) -> None:
        """Answer as ``answer`` does, and put the request into quarantine with the reason."""
        ...

    async def extend(self, lease: float) -> None:
        """Hold the request for ``lease`` more seconds, counted from now.

        The first call is also the mark that work may have begun, and is durable when it returns:
        after any crash, the machine's too, the request comes back as ``interrupted``. Raises
        LeaseLost, QueueUnavailable.
        """
        ...


@runtime_checkable
class Forgettable(Protocol):
    """A delivery whose queue must be told when it is given up without being settled.

    Every delivery needs this, unless its lease expires by itself.
    """

    def let_go(self) -> None:
        """Give up the request if it was not settled: it comes back as after a crash.

        Touches memory only, so it works while the queue's store does not. Does nothing to a
        delivery that is settled, given back or lost.
        """
        ...


def let_go(delivery: Delivery) -> None:
    """Give up a delivery; without this, its request may stay held while this process runs."""
    if isinstance(delivery, Forgettable):
        delivery.let_go()


class Queue(Protocol):
    """A queue of requests with a store of their replies."""

    clock: Clock
    """The queue's own clock, by which messages expire."""

    async def send(self, message: Message) -> None:
        """Accept a request; it is durable when this returns.

        The same sender, id and bytes again are the same request: nothing happens. Raises Refused
        (an id that is malformed, too old, or taken by other bytes), QueueUnavailable.
        """
        ...

    async def receive(
        self, limit: int, wait: float, shares: Mapping[str, int] | None = None
    ) -> Sequence[Delivery]:
        """Return up to ``limit`` requests, each under a lease, with fair queuing between clients.

        Waits up to ``wait`` seconds for the first. ``shares`` has the most requests of a client
        among them; the others stay in the queue. SQS decides itself what it hands out, so clients
        take turns among that only. Cancelling it loses nothing. Raises QueueUnavailable,
        QueueBroken.
        """
        ...

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        """Return the state of a request, waiting up to ``wait`` seconds for it to become final.

        Collecting does not remove: the reply can be collected again. Raises QueueUnavailable.
        """
        ...

    async def aclose(self) -> None:
        """Release the queue's resources. Others get unsettled deliveries at once."""
        ...


@runtime_checkable
class Checkable(Protocol):
    """A queue that may be readable and yet accept no requests."""

    async def check(self) -> None:
        """Check that requests can be sent. Raises QueueUnavailable, QueueBroken."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """An entry of the quarantine, without its body."""

    id: str
    """The request's id; the queue's own, if it is not a request."""
    sender: str
    """Empty where it is not known."""
    reason: str
    """Begins with the reason code, and a colon."""
    since: float | None
    """When it was put aside, in seconds since the epoch by the queue's clock."""
    size: int
    """Size of the stored message, in bytes."""
    service: str = ""
    """The service that it names, if it does."""
    is_request: bool = True
    """False for an unreadable message: it cannot be sent again unchanged."""
    sent_again: str = ""
    """The new id under which it was to be sent again, by an attempt that was not completed."""
    place: str = ""
    """Where it is, for the queue itself."""

    @property
    def code(self) -> str:
        """The reason code alone."""
        return reason_code(self.reason)

    @property
    def is_perhaps_done(self) -> bool:
        """Whether the request may have been carried out, by its reason code."""
        return not any(
            self.code == one or self.code.startswith(f"{one}.") for one in NOT_CARRIED_OUT
        )


def reason_code(reason: str) -> str:
    """Return the code at the beginning of a reason; ``other`` without one."""
    found = _CODE.match(reason)
    return found[0] if found else "other"


class Quarantine(Protocol):
    """The quarantine of a queue: each refused or failed request once."""

    def entries(self, id: str = "") -> AsyncIterator[Quarantined]:
        """Yield the entries, the oldest first where the queue knows; of one ``id``, if given.

        Raises QueueUnavailable, QueueBroken.
        """
        ...

    async def read(self, entry: Quarantined) -> Message:
        """Return a request as it was put aside; an unreadable message has all of it in its body.

        Raises EntryGone, QueueUnavailable.
        """
        ...

    async def send_again(
        self, entry: Quarantined, envelope: bytes | None = None, lifetime: float = ID_WINDOW
    ) -> str:
        """Send a request again, or ``envelope`` in its place; return its new id.

        The new request has the old id as its correlation, and ``lifetime`` seconds. The entry is
        removed; the old fault stands. A crash in between leaves the entry, and the next call
        completes it under the same new id. Raises Refused, EntryGone, QueueUnavailable.
        """
        ...

    async def drop(self, entry: Quarantined) -> None:
        """Remove an entry for good; its fault stands. Raises EntryGone, QueueUnavailable."""
        ...


class QueueAdmin(Protocol):
    """The operator's side of a queue."""

    @property
    def quarantine(self) -> Quarantine:
        """Its quarantine."""
        ...

    async def status(self) -> QueueStatus:
        """Count the requests; changes nothing. Raises QueueUnavailable, QueueBroken."""
        ...


class AdministeredQueue(Queue, QueueAdmin, Protocol):
    """A queue as programs open it."""
