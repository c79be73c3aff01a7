"""A queue in the memory of one process: the reference for what a queue does, and for tests."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.errors import EntryGone, IdForgotten, IdTaken, LeaseLost
from gateway.message import (
    ID_WINDOW,
    REPLY_RETENTION,
    Clock,
    Message,
    Unreadable,
    check_identity,
    digest,
    id_time,
    new_id,
)
from gateway.queue import (
    LEASE,
    Collected,
    Delivery,
    Quarantined,
    QueueStatus,
    State,
)
from gateway.queues import forgotten_ids
from gateway.queues.fair_queuing import Turns, deal
from gateway.queues.options import Bounds
from gateway.queues.quarantine import check_sendable, renewed

Name = tuple[str, str]
"""Sender and id: together they name a request."""


@dataclass
class _Request:
    message: Message
    arrived: float
    due: float
    epoch: int = 0
    attempt: int = 0
    leased_until: float | None = None
    started: bool = False

    def is_leased(self, now: float) -> bool:
        return self.leased_until is not None and self.leased_until > now

    def lease(self, until: float) -> None:
        if self.leased_until is not None and self.started:
            self.message = replace(self.message, interrupted=True)
        self.epoch += 1
        self.attempt += 1
        self.leased_until = until


@dataclass(frozen=True)
class _Reply:
    message: Message | None
    digest: bytes
    since: float


class MemoryQueue:
    """Requests and replies in two dictionaries. Nothing outlives the process.

    ``clock`` dates messages, ``monotonic`` measures leases and ages; both in seconds.
    """

    def __init__(
        self,
        *,
        lease: float = LEASE,
        clock: Clock = time.time,
        monotonic: Clock = time.monotonic,
        bounds: Bounds = Bounds(),  # noqa: B008  # frozen
    ) -> None:
        self.clock = clock
        self.quarantine = MemoryQuarantine(self.send, clock, monotonic, bounds)
        self._store = _Store(lease, clock, monotonic)
        self._monotonic = monotonic
        self._changed = asyncio.Condition()

    async def send(self, message: Message) -> None:
        check_identity(message, self.clock())
        if self._store.add(message):
            await self.notify()

    async def receive(
        self, limit: int, wait: float, shares: Mapping[str, int] | None = None
    ) -> Sequence[Delivery]:
        until, shares = self._monotonic() + wait, shares or {}
        async with self._changed:
            while True:
                taken = self._store.take(limit, shares)
                left = until - self._monotonic()
                if taken or left <= 0:
                    return [MemoryDelivery(self, self._store, request) for request in taken]
                await self._wait(min(left, self._store.next_change(shares)))

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        until = self._monotonic() + wait
        async with self._changed:
            while True:
                found = self._store.look((sender, id))
                left = until - self._monotonic()
                if found.state not in (State.PENDING, State.WORKING) or left <= 0:
                    return found
                await self._wait(left)

    async def status(self) -> QueueStatus:
        now = self._monotonic()
        requests = self._store.requests.values()
        in_flight = sum(request.is_leased(now) for request in requests)
        return QueueStatus(
            waiting=len(requests) - in_flight,
            in_flight=in_flight,
            oldest=max((now - request.arrived for request in requests), default=None),
            quarantined=len(self.quarantine),
        )

    async def aclose(self) -> None:
        for request in self._store.requests.values():
            if request.started:
                request.message = replace(request.message, interrupted=True)
            request.leased_until, request.started = None, False

    async def notify(self) -> None:
        """Wake all who wait."""
        async with self._changed:
            self._changed.notify_all()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()


class _Store:
    """The two dictionaries, and the rules for what is in them."""

    def __init__(self, lease: float, clock: Clock, monotonic: Clock) -> None:
        self.requests: dict[Name, _Request] = {}
        self.clock = clock
        self.monotonic = monotonic
        self._replies: dict[Name, _Reply] = {}
        self._swept: dict[str, str] = {}
        self._lease = lease
        self._turns = Turns()

    def add(self, message: Message) -> bool:
        """Add a request; tell whether it was new. Raises IdTaken, IdForgotten."""
        name = (message.sender, message.id)
        self._sweep()
        held = self._held_digest(name)
        if held is not None and held != digest(message):
            raise IdTaken
        if held is None and self._is_forgotten(message.id):
            raise IdForgotten
        if held is None:
            now = self.monotonic()
            message = replace(message, arrived=self.clock())
            self.requests[name] = _Request(message, arrived=now, due=now)
        return held is None

    def take(self, limit: int, shares: Mapping[str, int]) -> list[_Request]:
        """Lease the requests that have waited longest, of each client in its turn."""
        now = self.monotonic()
        free = defaultdict(list)
        for request in self.requests.values():
            if not request.is_leased(now) and request.due <= now:
                free[request.message.sender].append(request)
        dealt = deal({client: free[client] for client in self._turns.order(free)}, limit, shares)
        for client, request in dealt:
            self._turns.note(client)
            request.lease(now + self._lease)
        return [request for _, request in dealt]

    def next_change(self, shares: Mapping[str, int]) -> float:
        """Return the seconds until a lease runs out or a delay ends, whichever is first.

        Those who have their share already wait for something else.
        """
        now = self.monotonic()
        waiting = [r for r in self.requests.values() if shares.get(r.message.sender, 1) > 0]
        times = [max(r.due, r.leased_until or 0.0) - now for r in waiting]
        return max(0.0, min(times, default=self._lease))

    def look(self, name: Name) -> Collected:
        """Return the state of a request."""
        if name in self._replies:
            reply = self._replies[name].message
            return Collected(State.DONE if reply is None else State.REPLY, reply)
        if name not in self.requests:
            return Collected(State.UNKNOWN)
        is_leased = self.requests[name].is_leased(self.monotonic())
        return Collected(State.WORKING if is_leased else State.PENDING)

    def settle(self, request: _Request, reply: Message | None) -> None:
        """Store the reply, and remove the request."""
        message = request.message
        name = (message.sender, message.id)
        self._replies[name] = _Reply(reply, digest(message), self.monotonic())
        del self.requests[name]

    def _held_digest(self, name: Name) -> bytes | None:
        if name in self._replies:
            return self._replies[name].digest
        return digest(self.requests[name].message) if name in self.requests else None

    def _is_forgotten(self, id: str) -> bool:
        span, time = forgotten_ids.moment(id)
        return time is not None and self._swept.get(span or "", "") >= time

    def _sweep(self) -> None:
        """Remove old replies, but those whose id is still accepted by the clock that says so."""
        before, made = self.monotonic() - REPLY_RETENTION, self.clock() - ID_WINDOW
        old = [name for name, reply in self._replies.items() if reply.since < before]
        going = [name for name in old if (id_time(name[1]) or 0.0) < made]
        for name in going:
            del self._replies[name]
        for span, until in forgotten_ids.latest(id for _, id in going).items():
            self._swept[span] = max(until, self._swept.get(span, ""))


class MemoryDelivery:
    """A request of a memory queue under a lease."""

    is_contested = False

    def __init__(self, queue: MemoryQueue, store: _Store, request: _Request) -> None:
        self.message: Message | Unreadable = request.message
        self.attempt = request.attempt
        self._queue = queue
        self._store = store
        self._request = request
        self._epoch = request.epoch

    async def answer(self, reply: Message | None) -> None:
        self._check()
        self._store.settle(self._request, reply)
        await self._queue.notify()

    async def retry(self, delay: float, *, counts: bool = True) -> None:
        self._check()
        request = self._request
        request.leased_until = None
        request.started = False
        request.due = self._store.monotonic() + delay
        request.attempt -= not counts
        await self._queue.notify()

    async def quarantine(self, reason: str, reply: Message | None) -> None:
        self._check()
        self._queue.quarantine.keep(self._request.message, reason)
        self._store.settle(self._request, reply)
        await self._queue.notify()

    async def extend(self, lease: float) -> None:
        self._check()
        self._request.started = True
        self._request.leased_until = self._store.monotonic() + lease

    def let_go(self) -> None:
        with contextlib.suppress(LeaseLost):
            self._check()
            self._request.leased_until = self._store.monotonic()  # it has run out

    def _check(self) -> None:
        """Raise LeaseLost unless this delivery is the one that holds the request."""
        request = self._request
        is_latest = request.epoch == self._epoch and request.leased_until is not None
        if not is_latest or (request.leased_until or 0.0) <= self._store.monotonic():
            raise LeaseLost("the lease ran out")
        if (request.message.sender, request.message.id) not in self._store.requests:
            raise LeaseLost("the request was settled")


@dataclass(frozen=True, slots=True)
class Aside:
    """A message that was put aside."""

    message: Message
    reason: str
    since: float
    aged_from: float
    """The same by a clock that nobody sets."""


class MemoryQuarantine:
    """Entries in a dictionary, within bounds; ``send`` accepts a request."""

    def __init__(
        self,
        send: Callable[[Message], Awaitable[None]],
        clock: Clock,
        monotonic: Clock,
        bounds: Bounds,
    ) -> None:
        self._send = send
        self._clock = clock
        self._monotonic = monotonic
        self._bounds = bounds
        self._kept: dict[tuple[str, str], Aside] = {}

    def __len__(self) -> int:
        self._sweep()
        return len(self._kept)

    def keep(self, message: Message, reason: str) -> None:
        """Put a request aside."""
        aside = Aside(message, reason, self._clock(), self._monotonic())
        self._kept[message.sender, message.id] = aside
        self._sweep()

    async def entries(self, id: str = "") -> AsyncIterator[Quarantined]:
        self._sweep()
        for aside in list(self._kept.values()):
            if id in ("", aside.message.id):
                yield _entry(aside)

    async def read(self, entry: Quarantined) -> Message:
        return self._found(entry).message

    async def send_again(
        self, entry: Quarantined, envelope: bytes | None = None, lifetime: float = ID_WINDOW
    ) -> str:
        check_sendable(entry, envelope)
        kept = self._found(entry).message
        now = self._clock()
        new = renewed(kept, entry, envelope, id=new_id(self._clock), expires=now + lifetime)
        # Gone before the first pause: of two who send it again, one finds it.
        await self.drop(entry)
        await self._send(new)
        return new.id

    async def drop(self, entry: Quarantined) -> None:
        self._found(entry)
        del self._kept[entry.sender, entry.id]

    def _found(self, entry: Quarantined) -> Aside:
        aside = self._kept.get((entry.sender, entry.id))
        if aside is None:
            raise EntryGone(f"{entry.id} is not in quarantine any more")
        return aside

    def _sweep(self) -> None:
        """Let the oldest entries go, until the bounds are kept."""
        size = sum(len(aside.message.body) for aside in self._kept.values())
        before = self._monotonic() - self._bounds.age
        for name, aside in list(self._kept.items()):
            if aside.aged_from >= before and size <= self._bounds.bytes:
                return
            size -= len(aside.message.body)
            del self._kept[name]


def _entry(aside: Aside) -> Quarantined:
    message = aside.message
    return Quarantined(
        id=message.id,
        sender=message.sender,
        reason=aside.reason,
        since=aside.since,
        size=len(message.body),
        service=message.target_service,
    )
