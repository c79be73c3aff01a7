"""One stream of events: what happens to each request, as its drivers tell it.

The gateway's loop tells of deliveries, the listener of calls by HTTP, and a queue of requests that
it puts aside by itself; nothing else does. The audit log and the log subscribe, and so may others:
a subscriber is a function of one kind of event, and is subscribed in ``assembly``.

A delivery begins with received. It ends with settled, returned or lost; or with none of them, if
its gateway ends first. Times are seconds of the stream's clock, which is monotonic: ``at`` is that
of the event, ``received`` and ``began`` are those of the beginning.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from gateway.errors import FaultError, unquoted
from gateway.message import Clock, Message, Unreadable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """The delivery that an event is about, with what is known about its request at that time."""

    message: Message | Unreadable
    attempt: int
    received: float
    """When a gateway took it from its queue."""
    service: str
    """The one that the request names; from the gate on, the one that it is for."""
    operation: str = ""
    """Empty where it is not known, or not yet."""
    one_way: bool = False


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A gateway has taken a request from its queue."""

    subject: Subject


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """A request was not admitted; how it is settled follows."""

    subject: Subject
    error: FaultError
    at: float


@dataclass(frozen=True, slots=True)
class RequestAdmitted:
    """A request was admitted: its operation is known and allowed."""

    subject: Subject
    at: float


@dataclass(frozen=True, slots=True)
class RequestBegun:
    """It is durable that an at-most-once operation begins: nothing of it was sent yet.

    Repeatable operations have no such event. An operation whose backend cannot be reached may begin
    more than once.
    """

    subject: Subject
    at: float


@dataclass(frozen=True, slots=True)
class RequestAnswered:
    """A backend has carried out a request; ``reply`` is None where the operation is one-way."""

    subject: Subject
    reply: Message | None
    at: float


class Outcome(StrEnum):
    """What became of a request."""

    REPLY = "reply"
    FAULT = "fault"
    DONE = "done"
    """One-way: it was carried out, and has no reply."""
    QUARANTINED = "quarantined"
    EXPIRED = "expired"
    REFUSED = "refused"
    """By the listener: no queue has seen it."""
    LOST = "lost"
    """An earlier outcome was not stored: another gateway has the request."""


@dataclass(frozen=True, slots=True)
class RequestSettled:
    """A request has its outcome. First subscribers hear of it before it is stored in the queue, all
    others after that.
    """

    subject: Subject
    outcome: Outcome
    reason: str
    """Why it is in quarantine, its reason code first; else empty."""
    at: float
    """When its outcome was known, not when that was stored."""


@dataclass(frozen=True, slots=True)
class RequestReturned:
    """A request goes back to its queue, for ``delay`` seconds."""

    subject: Subject
    delay: float
    at: float


@dataclass(frozen=True, slots=True)
class RequestLost:
    """Another gateway has a request that was at work here."""

    subject: Subject
    was_settled: bool
    """First subscribers heard that it is settled, but that was not stored."""
    at: float


@dataclass(frozen=True, slots=True)
class RequestPutAside:
    """A queue puts a request into quarantine by itself, without a delivery."""

    message: Message | Unreadable
    reason: str


@dataclass(frozen=True, slots=True)
class CallAccepted:
    """The queue has a call that came by HTTP."""

    message: Message
    operation: str
    one_way: bool
    began: float
    at: float


@dataclass(frozen=True, slots=True)
class CallCollected:
    """A call that came by HTTP is answered: with its reply, or with where that will be."""

    message: Message
    status: int
    """HTTP status: 202 and 504 mean that there is no reply yet."""
    began: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRefused:
    """The listener has refused a call: no queue has seen it."""

    message: Message
    """Without its body."""
    client: str
    """Empty where clients are authenticated, and this one was not."""
    service: str
    """The service that it names, even if there is none of that name."""
    operation: str
    status: int
    """HTTP status."""
    error: FaultError | None
    """None where there is only the status."""
    body: bytes | None
    """None where it was not read."""
    size: int | None
    """Bytes of the body, or its Content-Length; None without either."""
    peer: str
    """The address that it came from; empty where that is not known."""
    is_strangers: bool
    """Anybody may have sent it, any number of times."""
    is_call: bool
    """It was handled as a call, not refused before that."""
    began: float
    at: float


class Trouble(StrEnum):
    """Why a connection is ended before there is a call."""

    MALFORMED = "malformed"
    """It is not HTTP, or could be read in two ways."""
    TOO_MANY = "too-many"
    """One connection too many."""
    MADE_ROOM = "made-room"
    """An idle connection that was ended for another one, when there was no room."""
    SLOW_HEAD = "slow-head"
    """No request came in time."""
    SLOW_READER = "slow-reader"
    """An answer was not read in time."""
    TLS = "tls"
    """A handshake failed, or did not end in time."""


@dataclass(frozen=True, slots=True)
class ConnectionEnded:
    """The listener has ended a connection, or refused it."""

    trouble: Trouble
    peer: str
    """Its address; empty where that is not known."""


E = TypeVar("E")


class Events:
    """The stream of events, and its subscribers. ``clock`` is monotonic, in seconds."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self._first: defaultdict[type, list[Callable[[Any], None]]] = defaultdict(list)
        self._others: defaultdict[type, list[Callable[[Any], None]]] = defaultdict(list)
        self.wanted: set[type] = set()
        """The kinds with subscribers: an event of another kind need not be made."""

    def subscribe(self, kind: type[E], hear: Callable[[E], None], *, first: bool = False) -> None:
        """Call a function for each event of a kind, on the event loop: it must not block.

        ``first`` is for records that must precede the action: if the function raises
        QueueUnavailable, the action is not done. Errors of other subscribers are logged, and change
        nothing.
        """
        (self._first if first else self._others)[kind].append(hear)
        self.wanted.add(kind)

    def precede(self, event: object) -> None:
        """Tell the first subscribers, before the action. Raises QueueUnavailable."""
        for hear in self._first.get(type(event), ()):
            hear(event)

    def tell(self, event: object) -> None:
        """Tell the other subscribers."""
        for hear in self._others.get(type(event), ()):
            try:
                hear(event)
            except Exception as error:  # a bug of a subscriber: requests must not suffer from it
                log.error("%s was not heard", type(event).__name__, exc_info=unquoted(error))
