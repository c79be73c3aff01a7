"""One stream of events: what happens to each request, as its drivers tell it.

The gateway's loop tells of deliveries, the listener of calls by HTTP, and a queue of what it puts
aside by itself; nobody else does. The audit log and the log subscribe, and so may others: a
subscriber is a function of one kind of event, and ``assembly`` is where it is said.

A delivery is received first. It ends with settled, returned or lost; or with none of them, where
its gateway ends before. Times are seconds of the stream's clock, which measures and never goes
back: ``at`` is that of the event, ``received`` and ``began`` are those of the beginning.
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
    """The delivery that an event is about, with what is known of its request by then."""

    message: Message | Unreadable
    attempt: int
    received: float
    """When a gateway took it from its queue."""
    service: str
    """What it names; from the gate on, the service that it is for."""
    operation: str = ""
    """Empty where it is not known yet, or never was."""
    one_way: bool = False


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A gateway has taken a request from its queue."""

    subject: Subject


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """A request was not let through; how it is settled follows."""

    subject: Subject
    error: FaultError
    at: float


@dataclass(frozen=True, slots=True)
class RequestAdmitted:
    """It is known what a request asks for, and that it may."""

    subject: Subject
    at: float


@dataclass(frozen=True, slots=True)
class RequestBegun:
    """It is durable that an at-most-once operation begins: nothing of it was sent yet.

    Of an operation that may be carried out twice this is not told. One whose backend is not reached
    may begin more than once.
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
    """What was said of it before was not stored: another gateway has the request."""


@dataclass(frozen=True, slots=True)
class RequestSettled:
    """A request has its end. It is told twice: to those who come first before the queue is told, to
    all others when the queue has taken it.
    """

    subject: Subject
    outcome: Outcome
    reason: str
    """Why it is in quarantine, its reason code first; else empty."""
    at: float
    """When its end was known, not when that was stored."""


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
    """Those who come first were told that it is settled, and nothing of that was stored."""
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
    """Of HTTP: 202 and 504 say that there is no reply yet."""
    began: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRefused:
    """The listener has refused a call: no queue has seen it."""

    message: Message
    """Without its body."""
    client: str
    """Empty where it is not known, and clients are told apart."""
    service: str
    """What it names, also where no service goes by that name."""
    operation: str
    status: int
    """Of HTTP."""
    error: FaultError | None
    """None where there is nothing but the status."""
    body: bytes | None
    """None where it was not read."""
    size: int | None
    """Bytes of the body, or what its head says; None where it says nothing."""
    peer: str
    """The address that it came from; empty where that is not known."""
    is_strangers: bool
    """Anybody can have sent it, as often as he likes."""
    is_call: bool
    """It was looked at as a call, and not refused before that."""
    began: float
    at: float


class Trouble(StrEnum):
    """What a connection can be ended for before there is a call."""

    MALFORMED = "malformed"
    """It is no HTTP, or HTTP that could be read in two ways."""
    TOO_MANY = "too-many"
    """A connection more than there may be."""
    MADE_ROOM = "made-room"
    """An idle connection that was ended for another one, when there were as many as may be."""
    SLOW_HEAD = "slow-head"
    """No request came in time."""
    SLOW_READER = "slow-reader"
    """An answer was not read in time."""
    TLS = "tls"
    """A handshake failed, or did not end in time."""


@dataclass(frozen=True, slots=True)
class ConnectionEnded:
    """The listener has ended a connection, or not let it in."""

    trouble: Trouble
    peer: str
    """The address that it is from; empty where that is not known."""


E = TypeVar("E")


class Events:
    """Where events are told, and who hears of which.

    ``clock`` measures: seconds from any moment on.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self._first: defaultdict[type, list[Callable[[Any], None]]] = defaultdict(list)
        self._others: defaultdict[type, list[Callable[[Any], None]]] = defaultdict(list)
        self.wanted: set[type] = set()
        """The kinds that anybody hears of: an event of another kind need not be made."""

    def subscribe(self, kind: type[E], hear: Callable[[E], None], *, first: bool = False) -> None:
        """Have a function called for each event of a kind, on the event loop: it must not block.

        ``first`` is for what must be written down before anything is done: where that raises
        QueueUnavailable, it is not done. What others raise is logged, and changes nothing.
        """
        (self._first if first else self._others)[kind].append(hear)
        self.wanted.add(kind)

    def precede(self, event: object) -> None:
        """Tell those who come first, before it is done. Raises QueueUnavailable."""
        for hear in self._first.get(type(event), ()):
            hear(event)

    def tell(self, event: object) -> None:
        """Tell the others."""
        for hear in self._others.get(type(event), ()):
            try:
                hear(event)
            except (
                Exception
            ) as error:  # a bug of a subscriber: no request suffers from who looks on
                log.error("%s was not heard", type(event).__name__, exc_info=unquoted(error))
