"""What one gateway has of an SQS queue: looked at, ready for work, at work, or put off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from weakref import WeakValueDictionary

from gateway.errors import LeaseLost, QueueBroken, QueueError
from gateway.queues.aws.sqs import Received
from gateway.queues.bucket.layout import Name
from gateway.queues.claims.delivery import Entry, LeasedDelivery
from gateway.queues.turns import Turns, deal

log = logging.getLogger(__name__)

Resume = Callable[[], Coroutine[None, None, None]]

REMEMBERED = 10_000
"""Requests answered last that are remembered: a second copy of one may be late."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A message held invisible until a time of the monotonic clock; then ``resume`` is awaited."""

    due: float
    received: Received
    resume: Resume
    client: str | None = None
    """Of a request that waits for a share of its client: resumed as soon as there is one."""


class Shelf:
    """The requests of a gateway. ``shares`` are those of the receive that goes on."""

    def __init__(self) -> None:
        self.taking: dict[asyncio.Task[None], Received] = {}
        self.ready: list[LeasedDelivery] = []
        self.deliveries: set[LeasedDelivery] = set()
        self.parked: list[Parked] = []
        self.changed = asyncio.Event()
        self.shares: Mapping[str, int] = {}
        self.copies = Copies()
        self._turns = Turns()

    def begin(self, received: Received, taking: Coroutine[None, None, None]) -> None:
        """Take a request in a task of its own, so that a cancelled receive loses none."""
        task = asyncio.create_task(taking)
        self.taking[task] = received
        task.add_done_callback(lambda _: self.changed.set())

    def reap(self) -> QueueError | None:
        """Forget all tasks that ended; return the first QueueUnavailable of one.

        Raises QueueBroken of one of them.

        What failed in a way that nobody foresaw comes again when SQS no longer hides it, until
        ``maxReceiveCount`` ends that.
        """
        failure: QueueError | None = None
        for task in [one for one in self.taking if one.done()]:
            received = self.taking.pop(task)
            try:
                task.result()
            except LeaseLost as error:
                log.debug("a request was taken by another: %s", error)
            except QueueBroken:
                raise
            except QueueError as error:
                failure = failure or error
            except Exception:  # a bug, met by one message: the others go on
                log.exception("message %s failed in the gateway: it comes again", received.id)
        return failure

    def begin_due(self, limit: int) -> None:
        """Resume what was put off until now, no more than is asked for."""
        now, left = time.monotonic(), dict(self.shares)
        due = sorted((one for one in self.parked if _is_due(one, now, left)), key=_due)
        room = limit - len(self.ready) - len(self.taking)
        for one in due[: max(0, room)]:
            self.parked.remove(one)
            self.begin(one.received, one.resume())

    def offer(self, delivery: LeasedDelivery) -> None:
        """Have a request handed out to the next who receives."""
        self.deliveries.add(delivery)
        self.ready.append(delivery)

    def end(self, delivery: LeasedDelivery) -> None:
        """Forget a request that is settled, or another's."""
        self.deliveries.discard(delivery)
        standing = delivery.standing
        self.copies.leave(delivery.entry, is_answered=standing.is_settled, owed=standing.owed)

    def hand_out(self, limit: int) -> list[LeasedDelivery]:
        """Return what is ready, clients in turns, no more of each than its share."""
        waiting: dict[str, list[LeasedDelivery]] = defaultdict(list)
        for one in self.ready:
            waiting[one.entry.name[0]].append(one)
        in_turn = {client: waiting[client] for client in self._turns.order(waiting)}
        dealt = deal(in_turn, limit, self.shares)
        for client, one in dealt:
            self.ready.remove(one)
            self._turns.note(client)
        return [one for _, one in dealt]

    def is_left(self) -> bool:
        """Tell whether there is something to be handed out, or will be."""
        return bool(self.ready) or any(not task.done() for task in self.taking)

    def park(self, parked: Parked) -> None:
        self.parked.append(parked)
        self.changed.set()

    async def wake(self, longest: float) -> None:
        """Return when something changes, or is due."""
        now = time.monotonic()
        next_due = min((one.due for one in self.parked), default=now + longest)
        try:
            async with asyncio.timeout(min(longest, max(0.0, next_due - now))):
                await self.changed.wait()
        except TimeoutError:
            pass


class Copies:
    """Which requests this gateway has, and had last: of two messages of one, the second waits.

    It costs nothing, and holds for this process alone. What others have, only a ledger tells.
    """

    def __init__(self) -> None:
        self._held: WeakValueDictionary[Name, Entry] = WeakValueDictionary()
        self._answered: OrderedDict[Name | str, str] = OrderedDict()

    def enter(self, entry: Entry) -> bool:
        """Note that a request is being looked at; tell whether no other message of it is here."""
        return self._held.setdefault(entry.name, entry) is entry

    @contextlib.contextmanager
    def leaving(self, entry: Entry) -> Iterator[None]:
        """Note that nobody here has a request where something fails: its message comes again."""
        try:
            yield
        except BaseException:
            self.leave(entry)
            raise

    def leave(self, entry: Entry, *, is_answered: bool = False, owed: str = "") -> None:
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
