"""What one gateway has of an SQS queue: looked at, ready for work, at work, or put off."""

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
"""Requests answered last that are remembered: a second copy of one may be late."""


class MessageEntry(Entry, Protocol):
    """A message received that stands for a request."""

    received: Received
    was_used: bool
    """Whether the request may have been answered before, though this is its first receipt."""

    @property
    def is_late(self) -> bool:
        """Tell whether others may come upon the request by now without this message."""
        ...


@dataclass(frozen=True, slots=True)
class Parked:
    """A message held invisible until a time of the monotonic clock; then ``resume`` is awaited."""

    due: float
    received: Received
    resume: Resume
    client: str | None = None
    """Of a request that waits for a share of its client: resumed as soon as there is one."""


class ReadAhead:
    """The requests of a gateway. ``shares`` are those of the receive that goes on."""

    def __init__(self) -> None:
        self.basket: Basket[Received] = Basket(lambda one: f"message {one.id}")
        self.deliveries: dict[ClaimDelivery, MessageEntry] = {}
        self.parked: list[Parked] = []
        self.shares: Mapping[str, int] = {}
        self.copies = Duplicates()
        self._turns = Turns()

    def begin_due(self, limit: int) -> None:
        """Resume what was put off until now, no more than is asked for."""
        now, left = time.monotonic(), dict(self.shares)
        due = sorted((one for one in self.parked if _is_due(one, now, left)), key=_due)
        room = limit - len(self.basket.ready) - len(self.basket.taking)
        for one in due[: max(0, room)]:
            self.parked.remove(one)
            self.basket.begin(one.received, one.resume())

    def offer(self, entry: MessageEntry, delivery: ClaimDelivery) -> None:
        """Have a request handed out to the next who receives."""
        self.deliveries[delivery] = entry
        self.basket.ready.append(delivery)

    def end(self, delivery: ClaimDelivery) -> None:
        """Forget a request that is settled, or another's."""
        entry, standing = self.deliveries.pop(delivery, None), delivery.standing
        if entry is not None:
            self.copies.leave(entry, is_answered=standing.is_settled, owed=standing.owed)

    def hand_out(self, limit: int) -> list[ClaimDelivery]:
        """Return what is ready, clients in turns, no more of each than its share."""
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
        """Return when something changes, or is due."""
        now = time.monotonic()
        next_due = min((one.due for one in self.parked), default=now + longest)
        await self.basket.change(min(longest, max(0.0, next_due - now)))


class Duplicates:
    """Which requests this gateway has, and had last: of two messages of one, the second waits.

    It costs nothing, and holds for this process alone. What others have, only a ledger tells.
    """

    def __init__(self) -> None:
        self._held: WeakValueDictionary[Name, MessageEntry] = WeakValueDictionary()
        self._answered: OrderedDict[Name | str, str] = OrderedDict()

    def enter(self, entry: MessageEntry) -> bool:
        """Note that a request is being looked at; tell whether no other message of it is here."""
        return self._held.setdefault(entry.name, entry) is entry

    @contextlib.contextmanager
    def leaving(self, entry: MessageEntry) -> Iterator[None]:
        """Note that nobody here has a request where something fails: its message comes again."""
        try:
            yield
        except BaseException:
            self.leave(entry)
            raise

    def leave(self, entry: MessageEntry, *, is_answered: bool = False, owed: str = "") -> None:
        """Note that nobody here has a request any more.

        ``owed`` is why its message is still to be put aside, which failed.
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
        """Return why a message that was answered here is still to be put aside; mostly empty."""
        return self._answered.get(message_id, "")


def _is_due(parked: Parked, now: float, left: dict[str, int]) -> bool:
    """Tell whether to resume a request; where its client has a share ``left``, use that up."""
    client = parked.client
    if client is None or left.get(client, 1) <= 0:
        return parked.due <= now
    left[client] = left.get(client, 1 << 31) - 1
    return True


def _due(parked: Parked) -> float:
    return parked.due
