"""What a queue is, for those who use one. Implementations are in ``gateway.queues``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.message import Clock, Message, Unreadable


class State(StrEnum):
    """How far a request has come, as its sender sees it."""

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
    """How many requests a queue holds at the moment; None also for what it cannot tell."""

    waiting: int
    """Not answered, and nobody works on them."""
    in_flight: int | None
    """Held by gateways. Where it is None, these are counted as waiting."""
    oldest: float | None
    """Seconds since the oldest request that is not answered arrived; None where there is none."""
    quarantined: int | None
    """Kept aside; None where the queue has no place for them."""
    is_exact: bool = True
    """False where a service tells only about how many there are."""

    @property
    def depth(self) -> int:
        """How many requests are not answered yet."""
        return self.waiting + (self.in_flight or 0)


class Delivery(Protocol):
    """A request under a lease. Settle it once: answer it, give it back, or quarantine it."""

    message: Message | Unreadable
    attempt: int
    """1 for the first; one given back with ``counts=False`` counts only where none can tell."""

    async def answer(self, reply: Message | None) -> None:
        """Store the reply, then remove the request; None for a one-way operation.

        The reply is durable before the request goes, so a crash in between answers it again from
        what is stored. Raises LeaseLost (nothing was written), QueueUnavailable (try again).
        """
        ...

    async def retry(self, delay: float, *, counts: bool = True) -> None:
        """Give the request back; nobody receives it for ``delay`` seconds.

        ``counts=False`` says that nothing reached a backend. Raises LeaseLost, QueueUnavailable.
        """
        ...

    async def quarantine(self, reason: str, reply: Message | None) -> None:
        """Answer as ``answer`` does, and keep the request aside with the reason."""
        ...

    async def extend(self, lease: float) -> None:
        """Hold the request for ``lease`` more seconds, counted from now.

        The first call is also the mark that work may have begun, and is durable when it returns:
        after any crash, the machine's too, the request comes back as ``interrupted``. Raises
        LeaseLost, QueueUnavailable.
        """
        ...


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
        """Return up to ``limit`` requests, each under a lease; clients take turns.

        Waits up to ``wait`` seconds for the first. ``shares`` says how many requests of a client
        there may be among them, at most; the others stay in the queue. SQS hands out what it
        likes: there may be more then. Cancelling it loses nothing. Raises QueueUnavailable,
        QueueBroken.
        """
        ...

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        """Return the state of a request, waiting up to ``wait`` seconds for it to become final.

        Collecting does not remove: the reply can be collected again. Raises QueueUnavailable.
        """
        ...

    async def aclose(self) -> None:
        """Release what the queue holds open. Deliveries not settled come back to others at once."""
        ...


class QueueAdmin(Protocol):
    """What those ask of a queue who look after it."""

    async def status(self) -> QueueStatus:
        """Count what is in the queue; changes nothing. Raises QueueUnavailable, QueueBroken."""
        ...


class AdministeredQueue(Queue, QueueAdmin, Protocol):
    """A queue as programs open it."""
