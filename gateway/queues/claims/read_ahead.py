"""The requests of an SQS queue that one gateway has: examined, ready, at work, or parked."""

from __future__ import annotations

import contextlib
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakValueDictionary

from gateway.queues.aws.sqs import Received
from gateway.queues.claims.basket import Basket
from gateway.queues.claims.delivery import ClaimDelivery, Entry
from gateway.queues.claims.records import Name
from gateway.queues.fair_queuing import Turns, deal

Resume = Callable[[], Coroutine[None, None, None]]

REMEMBERED = 10_000
"""The last answered requests that are remembered: a second copy of one may come late."""


class MessageEntry(Entry, Protocol):
    """A received message that stands for a request."""

    received: Received
    was_used: bool
    """Whether the request may have been answered before, though this is its first receipt."""

    @property
    def is_late(self) -> bool:
        """Whether others may find the request by now without this message."""
        ...


@dataclass(frozen=True, slots=True)
class Parked:
    """A message held invisible until a time of the monotonic clock; then ``resume`` is awaited."""

    due: float
    received: Received
    resume: Resume
    client: str | None = None
    """Of a request that waits for its client's concurrency limit: resumed when that has room."""


class ReadAhead:
    """The requests of a gateway. ``shares`` are those of the receive under way."""

    def __init__(self) -> None:
        self.basket: Basket[Received] = Basket(lambda one: f"message {one.id}")
        self.deliveries: dict[ClaimDelivery, MessageEntry] = {}
        self.parked: list[Parked] = []
        self.shares: Mapping[str, int] = {}
        self.copies = Duplicates()
        self._turns = Turns()

    def begin_due(self, limit: int) -> None:
        """Resume parked requests that are due, no more than ``limit`` leaves room for."""
        now, left = time.monotonic(), dict(self.shares)
        due = sorted((one for one in self.parked if _is_due(one, now, left)), key=_due)
        room = limit - len(self.basket.ready) - len(self.basket.taking)
        for one in due[: max(0, room)]:
            self.parked.remove(one)
            self.basket.begin(one.received, one.resume())

    def offer(self, entry: MessageEntry, delivery: ClaimDelivery) -> None:
        """Offer a request to the next receive."""
        self.deliveries[delivery] = entry
        self.basket.ready.append(delivery)

    def end(self, delivery: ClaimDelivery) -> None:
        """Forget a request that is settled or lost."""
        entry, standing = self.deliveries.pop(delivery, None), delivery.standing
        if entry is not None:
            self.copies.leave(entry, is_answered=standing.is_settled, owed=standing.owed)

    def hand_out(self, limit: int) -> list[ClaimDelivery]:
        """Return ready requests, with fair queuing, and within each client's share."""
        waiting: dict[str, list[ClaimDelivery]] = defaultdict(list)
        for one in self.basket.ready:
            waiting[one.entry.name[0]].append(one)
        in_turn = {client: waiting[client] for client in self._turns.order(waiting)}
        dealt = deal(in_turn, limit, self.shares)
        for client, one in dealt:
            self.basket.ready.remove(one)
            self._turns.note(client)
        return [one for _, one in dealt]

    def park(self, parked: Parked) -> None:
        self.parked.append(parked)
        self.basket.changed.set()

    async def wake(self, longest: float) -> None:
        """Wait for a change or for a parked request, for ``longest`` seconds at most."""
        now = time.monotonic()
        next_due = min((one.due for one in self.parked), default=now + longest)
        await self.basket.change(min(longest, max(0.0, next_due - now)))


class Duplicates:
    """The requests that this gateway has, or had last: of two messages of one, the second waits.

    This costs nothing, and covers this process alone: for others, only a ledger tells.
    """

    def __init__(self) -> None:
        self._held: WeakValueDictionary[Name, MessageEntry] = WeakValueDictionary()
        self._answered: OrderedDict[Name | str, str] = OrderedDict()

    def enter(self, entry: MessageEntry) -> bool:
        """Note a request; tell whether no other message of it is here."""
        return self._held.setdefault(entry.name, entry) is entry

    @contextlib.contextmanager
    def leaving(self, entry: MessageEntry) -> Iterator[None]:
        """Leave the request if the block fails: its message comes again."""
        try:
            yield
        except BaseException:
            self.leave(entry)
            raise

    def leave(self, entry: MessageEntry, *, is_answered: bool = False, owed: str = "") -> None:
        """Note that this process no longer has a request.

        ``owed`` is why its message still has to be put aside, after that failed.
        """
        if self._held.get(entry.name) is entry:
            del self._held[entry.name]
        if not is_answered:
            return
        self._answered |= {entry.name: "", entry.received.id: owed}
        while len(self._answered) > 2 * REMEMBERED:
            self._answered.popitem(last=False)

    def was_answered(self, which: Name | str) -> bool:
        """Tell whether a request was answered here, by its name or by the id of its message."""
        return which in self._answered

    def owed(self, message_id: str) -> str:
        """Return why an answered message still has to be put aside; usually empty."""
        return self._answered.get(message_id, "")


def _is_due(parked: Parked, now: float, left: dict[str, int]) -> bool:
    """Tell whether to resume a request; if so, use up one of its client's shares in ``left``."""
    client = parked.client
    if client is None or left.get(client, 1) <= 0:
        return parked.due <= now
    left[client] = left.get(client, 1 << 31) - 1
    return True


def _due(parked: Parked) -> float:
    return parked.due
