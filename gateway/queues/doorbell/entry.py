"""The requests that a doorbell was rung for, and other messages in its queue."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

from gateway.errors import QueueError
from gateway.message import Message, Unreadable, id_time
from gateway.queues.aws.sqs import Outgoing, Received
from gateway.queues.aws.sqs_pump import SqsPump
from gateway.queues.bucket.layout import RINGS, Keys, encoded, from_object
from gateway.queues.bucket.ledger import REASON_LIMIT, BucketLedger
from gateway.queues.bucket.requests import NO_KEY, Requests, stray_id
from gateway.queues.bucket.store import S3Store, Stored
from gateway.queues.claims.read_ahead import MessageEntry
from gateway.queues.claims.records import Ledger, Name, NoLedger
from gateway.queues.doorbell.messages import Ring, Stray, Sweeping, Trial, parse, ring
from gateway.queues.options import QueueOptions

log = logging.getLogger(__name__)

REMEMBERED = 10_000
"""Requests removed from the bucket that are remembered: a second ring for one may come late."""
TOGETHER = 0.05
"""Seconds that a request waits, once read, for those that were received with it."""
LATER = 2 / 3
"""The part of a lease for which a notification is put off where the client rings as well: by then
the gateway that took the request on that ring has answered it, or has written a claim."""
LATE = 2.0
"""Seconds after which a request is claimed before any work: it may be taken without its ring, and
the sweep may ring again. Before that a claim at the first third of a lease is early enough.
A request rung for so long after its id was made may have been answered: its record is read."""


class Porter:
    """Makes entries of received messages."""

    def __init__(
        self,
        store: S3Store,
        keys: Keys,
        pump: SqsPump,
        options: QueueOptions,
        sweep: Callable[[Received], Awaitable[None]],
    ) -> None:
        self.pump = pump
        self.requests = Requests(store, keys, options.limit)
        self.reading = Reading(self.requests)
        self.ledger = BucketLedger(store, keys)
        self.known = KnownRequests()
        self._keys = keys
        self._sweep = sweep
        self._later = LATER * options.lease

    async def open(self, received: Received) -> MessageEntry | None:
        """Return the request that a message stands for; None where it does not, and is dealt with.

        Raises QueueUnavailable.
        """
        match parse(received.body):
            case Ring(keys=(key,)) as rung:
                return await self._request(received, key, rung)
            case Ring(keys=keys):
                await self._split(received, keys)
            case Sweeping():
                await self._sweep(received)
            case Trial():
                await self.dismiss(received)
            case Stray(reason):
                return self._stray(received, reason)
        return None

    async def _request(self, received: Received, key: str, rung: Ring) -> MessageEntry | None:
        if not key.startswith(self._keys.requests):
            # A notification for the whole bucket reports replies as well.
            log.info("%s is not a request: its message is dropped", key)
            await self.dismiss(received)
            return None
        name = self._keys.name(key)
        if name is None:
            return self._misnamed(received, key)
        held = self.known.at_work.get(key)
        if held is not None and held.received.id != received.id:
            # The message that holds it comes back, should this process die.
            await self.dismiss(received)
            return None
        if rung.is_by_store and await self._is_rung_for(received, key):
            return None
        return self._entry(received, key, name, swept=rung.swept)

    def _entry(self, received: Received, key: str, name: Name, *, swept: bool) -> MessageEntry:
        was_used = swept or key in self.known.removed or _is_late(name, received.sent)
        entry = RequestEntry(self, received, key, name, was_used)
        entry.is_swept = swept
        self.known.at_work[key] = entry
        return entry

    async def _is_rung_for(self, received: Received, key: str) -> bool:
        """Tell whether a notification is not needed now, and delete it or put it off.

        The request of a client that rings itself is taken on that ring: with both messages, two
        gateways could carry it out at once. At its second receipt, the ring counts as lost.
        """
        if received.count > 1:
            return False
        stored = await self.requests.store.head(key)
        if stored is None:
            await self.dismiss(received)
            return True
        if RINGS in stored.metadata:
            await self.pump.hold(received.handle, self._later)
            return True
        return False

    async def _split(self, received: Received, keys: tuple[str, ...]) -> None:
        """Give each request a separate message, by which it can be held."""
        for key in keys:
            outgoing = Outgoing(body=ring(key, by_store=True))
            await self.pump.groups.send(outgoing, self._keys.client(key))
        await self.dismiss(received)

    def _stray(self, received: Received, reason: str) -> MessageEntry:
        async def put_aside(told: str) -> None:
            await self.requests.store.put(
                self._keys.quarantine(received.id),
                received.body.encode("utf-8", "replace"),
                metadata={"gateway-reason": encoded(told)[:REASON_LIMIT]},
                content_type="text/plain; charset=utf-8",
            )

        return StrayEntry(self, received, received.id, reason, put_aside)

    def _misnamed(self, received: Received, key: str) -> MessageEntry:
        async def put_aside(told: str) -> None:
            await self.requests.put_aside(key, told)

        return StrayEntry(self, received, stray_id(key), NO_KEY, put_aside)

    async def dismiss(self, received: Received) -> None:
        """Delete a message. If that fails, it comes again, and turns out not to be needed."""
        try:
            await self.pump.delete(received.handle)
        except QueueError as error:
            log.warning("message %s is not removed yet: %s", received.id, error)


class KnownRequests:
    """The requests that this process knows, by their keys."""

    def __init__(self) -> None:
        # An entry lives for as long as its request may still be settled.
        self.at_work: WeakValueDictionary[str, RequestEntry] = WeakValueDictionary()
        self.removed: OrderedDict[str, None] = OrderedDict()

    def note_removed(self, key: str) -> None:
        self.at_work.pop(key, None)
        self.removed[key] = None
        if len(self.removed) > REMEMBERED:
            self.removed.popitem(last=False)


class Reading:
    """Reads requests. Those asked for in the same moment come together, in their order.

    Otherwise a receive would return with the first one, and the others would cost another receive.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._begun: list[asyncio.Task[Stored | None]] = []

    async def get(self, key: str) -> Stored | None:
        """Read a request; None where it is gone. Raises QueueUnavailable."""
        if not self._begun:
            asyncio.get_running_loop().call_soon(self._close)
        getting = self._requests.store.get(key, self._requests.limit)
        begun, reading = self._begun, asyncio.create_task(getting)
        begun.append(reading)
        await asyncio.sleep(0)
        await asyncio.wait(begun, timeout=TOGETHER)
        return await reading

    def _close(self) -> None:
        self._begun = []


class RequestEntry:
    """A request in the bucket, held by a message of the doorbell."""

    def __init__(
        self, porter: Porter, received: Received, key: str, name: Name, was_used: bool
    ) -> None:
        self.name = name
        self.received = received
        self.ledger: Ledger = porter.ledger
        self.was_used = was_used
        self.is_swept = False
        """Whether the sweep rang for it, not its client."""
        self.key = key
        self._porter = porter
        self._is_gone = False

    @property
    def is_late(self) -> bool:
        # By the same clock and id as others use to decide: if they are wrong, they are for both.
        made = id_time(self.name[1])
        began = self.received.sent if made is None else made
        return self._porter.requests.store.clock() - began >= LATE

    async def read(self, *, interrupted: bool) -> Message | Unreadable | None:
        stored = await self._porter.reading.get(self.key)
        self._is_gone = stored is None
        if stored is None:
            return None
        return from_object(stored, self.name, interrupted=interrupted)

    async def remove(self) -> None:
        """Remove the request first: a message without one is noticed, but not the reverse.

        A request that was missing when it was read may be there by now: it is a new call.
        """
        if not self._is_gone:
            await self._porter.requests.remove(self.key)
        await self._dismiss()

    async def put_aside(self, message: Message | Unreadable | None, reason: str) -> None:
        await self._porter.requests.put_aside(self.key, reason)
        await self._dismiss()

    async def hold(self, seconds: float) -> None:
        await self._porter.pump.hold(self.received.handle, seconds)

    async def _dismiss(self) -> None:
        self._porter.known.note_removed(self.key)
        await self._porter.dismiss(self.received)


def _is_late(name: Name, rung: float) -> bool:
    """Tell whether a ring is too late or too early to be the first for its request."""
    made = id_time(name[1])
    return made is None or abs(rung - made) > LATE


class StrayEntry:
    """A message or an object that is not a request: it can only be put aside."""

    is_late = False

    def __init__(
        self,
        porter: Porter,
        received: Received,
        id: str,
        reason: str,
        put_aside: Callable[[str], Awaitable[None]],
    ) -> None:
        self.name: Name = ("", id)
        self.received = received
        self.ledger: Ledger = NoLedger()
        self.was_used = False
        self._porter = porter
        self._reason = reason
        self._put_aside = put_aside

    async def read(self, *, interrupted: bool) -> Message | Unreadable | None:
        return Unreadable(id=self.name[1], sender="", reason=self._reason)

    async def remove(self) -> None:
        await self.put_aside(None, self._reason)

    async def put_aside(self, message: Message | Unreadable | None, reason: str) -> None:
        await self._put_aside(reason)
        await self._porter.dismiss(self.received)

    async def hold(self, seconds: float) -> None:
        await self._porter.pump.hold(self.received.handle, seconds)
