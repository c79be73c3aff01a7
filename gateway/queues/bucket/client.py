"""A client's half of a queue bucket: sending a request, collecting its reply."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from enum import StrEnum

from gateway.errors import IdTaken
from gateway.message import Message, check_identity, digest, id_time
from gateway.queue import Collected, State
from gateway.queues.bucket.layout import Keys, object_type, to_metadata
from gateway.queues.bucket.ledger import BucketLedger
from gateway.queues.bucket.store import AccessDenied, Occupied, S3Store
from gateway.queues.claims.records import ClaimRecord, ClaimState, Name

FRESH = 2.0
"""Seconds after which an id is no longer new: it may have a reply already."""
REMEMBERED = 100_000
"""Requests of this process whose digests are remembered."""


class Sent(StrEnum):
    """Whether the queue knew a request when it was sent."""

    NEW = "new"
    WAITS = "waits"
    """It was in the bucket already, sent by another process, and may be at work."""
    KNOWN = "known"


class BucketClient:
    """Sends and collects, with no more permissions than a client's policy gives."""

    def __init__(self, store: S3Store, keys: Keys, ledger: BucketLedger) -> None:
        self._store = store
        self._keys = keys
        self._ledger = ledger
        self._sent: OrderedDict[Name, str] = OrderedDict()

    async def send(self, message: Message, extra: Mapping[str, str] | None = None) -> Sent:
        """Put a request into the bucket; tell whether the queue knew it.

        ``extra`` is metadata of its object beside the message's own. Raises Refused, IdTaken,
        QueueUnavailable.
        """
        check_identity(message, self._store.clock())
        name, own = (message.sender, message.id), digest(message).hex()
        metadata = {**to_metadata(message), **(extra or {})}
        known = self._sent.get(name) or await self._answered(name)
        if known and known != own:
            raise IdTaken
        sent = Sent.KNOWN if known else Sent.NEW
        if known is None and not await self._put(name, message, metadata):
            # Perhaps this very process wrote it, and the answer to that was lost.
            await self._check_held(name, message)
            sent = Sent.WAITS
        self._remember(name, own)
        return sent

    async def _answered(self, name: Name) -> str | None:
        """Return the digest of the answered request of this name, if there is one.

        An id that was made just now cannot have been used before, and a read costs.
        """
        made = id_time(name[1])
        if made is not None and self._store.clock() - made < FRESH:
            return None
        try:
            record = await self._ledger.look(name)
        except AccessDenied:
            return None
        return record.digest if record is not None and record.is_final else None

    async def _put(self, name: Name, message: Message, metadata: dict[str, str]) -> bool:
        """Write the request; tell whether it is new, as far as can be known.

        Raises Unsure, QueueUnavailable (not written).
        """
        try:
            await self._store.create(
                self._keys.request(name),
                message.body,
                "the request",
                metadata=metadata,
                content_type=object_type(message.content_type),
            )
        except Occupied:
            return False
        return True

    async def _check_held(self, name: Name, own: Message) -> None:
        """Raise IdTaken where a waiting request of this name has other bytes, and can be read."""
        try:
            held = await self._store.get(self._keys.request(name), len(own.body))
        except AccessDenied:
            return  # collecting the reply will show it
        if held is not None and (held.is_cut or held.body != own.body):
            raise IdTaken

    def _remember(self, name: Name, own: str) -> None:
        self._sent[name] = own
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        """Return the state of a request, waiting up to ``wait`` seconds for it to become final.

        Raises IdTaken where the reply is to other bytes than this process sent, QueueUnavailable.
        """
        name = (sender, id)
        if name in self._sent or wait <= 0:
            record = await self._ledger.collect(name, wait)
        else:
            record = await self._collect_of_others(name, wait)
        if record is not None and record.is_final:
            return self._final(name, record)
        if record is not None and record.state is ClaimState.CLAIMED:
            return Collected(State.WORKING)
        if record is not None or name in self._sent or await self._waits(name):
            return Collected(State.PENDING)
        return Collected(State.UNKNOWN)

    async def _collect_of_others(self, name: Name, wait: float) -> ClaimRecord | None:
        """Return the record of a request that another process sent, if any did.

        A request that is not there is not waited for. Without permission to see requests that
        cannot be known: then the record is read rarely.
        """
        record = await self._ledger.collect(name, 0)
        if record is not None and record.is_final:
            return record
        may_be_none = False
        if record is None:
            try:
                is_there = await self._store.head(self._keys.request(name)) is not None
            except AccessDenied:
                is_there = may_be_none = True
            if not is_there:  # or it was answered, and removed, between these two looks
                return await self._ledger.collect(name, 0)
        return await self._ledger.collect(name, wait, may_be_none=may_be_none)

    def _final(self, name: Name, record: ClaimRecord) -> Collected:
        sent = self._sent.get(name)
        if sent and record.digest and sent != record.digest:
            raise IdTaken
        state = State.DONE if record.reply is None else State.REPLY
        return Collected(state, record.reply)

    async def _waits(self, name: Name) -> bool:
        """Tell whether a request is in the bucket; assume so without permission to see it."""
        try:
            return await self._store.head(self._keys.request(name)) is not None
        except AccessDenied:
            return True
