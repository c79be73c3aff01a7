"""What a queue is, for those who use one. Implementations are in ``gateway.queues``."""

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
"""The codes that prove that no service carried a request out; a repeatable one perhaps, once."""


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
    is_contested: bool
    """Whether another may begin the request too, unless it is extended before any work."""

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


@runtime_checkable
class Forgettable(Protocol):
    """A delivery whose queue must be told that nobody holds it any more, though it is not settled.

    Every delivery is, but for one whose lease runs out by itself.
    """

    def let_go(self) -> None:
        """Forget the request, where it was not settled: it comes back as after a crash.

        Touches memory only, so it works while the queue takes nothing. Does nothing to what is
        settled, given back or lost.
        """
        ...


def let_go(delivery: Delivery) -> None:
    """Have a queue forget that a request is held here: else it stays so while this process runs."""
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
        """Return up to ``limit`` requests, each under a lease; clients take turns.

        Waits up to ``wait`` seconds for the first. ``shares`` says how many requests of a client
        there may be among them, at most; the others stay in the queue. SQS hands out what it
        likes, so turns are taken among what it did. Cancelling it loses nothing. Raises
        QueueUnavailable, QueueBroken.
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


@runtime_checkable
class Checkable(Protocol):
    """A queue that may be readable and yet take nothing."""

    async def check(self) -> None:
        """Look whether requests are taken. Raises QueueUnavailable, QueueBroken."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A request that is kept aside, by all but its body."""

    id: str
    """The request's; of what is no request, what the queue calls it."""
    sender: str
    """Empty where nobody knows."""
    reason: str
    """Begins with the reason code, and a colon."""
    since: float | None
    """When it was put aside, in seconds since the epoch by the queue's clock."""
    size: int
    """Bytes that are kept of it."""
    service: str = ""
    """The service that it names itself, if it does."""
    is_request: bool = True
    """False for what could not be read: then it cannot go out again as it is."""
    sent_again: str = ""
    """The id under which it was to be sent again before, by a program that did not end well."""
    place: str = ""
    """Where it is, for the queue itself."""

    @property
    def code(self) -> str:
        """Return the reason code alone."""
        return reason_code(self.reason)

    @property
    def is_perhaps_done(self) -> bool:
        """Tell whether the request may have been carried out, by what its reason code proves."""
        return not any(
            self.code == one or self.code.startswith(f"{one}.") for one in NOT_CARRIED_OUT
        )


def reason_code(reason: str) -> str:
    """Return the code that a reason begins with; ``other`` where it begins with none."""
    found = _CODE.match(reason)
    return found[0] if found else "other"


class Quarantine(Protocol):
    """The requests of a queue that are kept aside: each refused or failed one once."""

    def entries(self, id: str = "") -> AsyncIterator[Quarantined]:
        """Yield what is kept aside, the oldest first where the queue knows; of one id, if given.

        Raises QueueUnavailable, QueueBroken.
        """
        ...

    async def read(self, entry: Quarantined) -> Message:
        """Return a request as it was put aside; of what is none, all that is known in its body.

        Raises EntryGone, QueueUnavailable.
        """
        ...

    async def send_again(
        self, entry: Quarantined, envelope: bytes | None = None, lifetime: float = ID_WINDOW
    ) -> str:
        """Send a request again, or ``envelope`` in its place; return its new id.

        The new request names the old one as its correlation, and has ``lifetime`` seconds. The
        entry goes; the old fault stands. A crash in between leaves the entry, and the next call for
        it ends what was begun, under the same new id. Raises Refused, EntryGone, QueueUnavailable.
        """
        ...

    async def drop(self, entry: Quarantined) -> None:
        """Remove an entry for good; its fault stands. Raises EntryGone, QueueUnavailable."""
        ...


class QueueAdmin(Protocol):
    """What those ask of a queue who look after it."""

    @property
    def quarantine(self) -> Quarantine:
        """What is kept aside."""
        ...

    async def status(self) -> QueueStatus:
        """Count what is in the queue; changes nothing. Raises QueueUnavailable, QueueBroken."""
        ...


class AdministeredQueue(Queue, QueueAdmin, Protocol):
    """A queue as programs open it."""
