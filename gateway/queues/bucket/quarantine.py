"""The quarantine in a bucket: an object for each request, with the reason in its metadata.

Before a request is sent again, its new id is written to a note: an object beside the entry that can
be created only once. Another attempt, after a crash or at the same time, then sends the same
request under the same id, which a queue accepts once. Dropping an entry writes the same note: of
two people who do different things at once, one learns that the other was first. A note stays until
its lifecycle rule removes it: an entry may come back, if the gateway that put it aside died before
it had removed the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote, unquote

from gateway.errors import EntryGone, IdTaken, QueueUnavailable, Refused, Unsure
from gateway.message import ID_WINDOW, Clock, Message, id_time, new_id
from gateway.queue import Collected, Quarantined, State
from gateway.queues.aws.http import ATTEMPTS
from gateway.queues.bucket.layout import Keys, from_object
from gateway.queues.bucket.status import list_all
from gateway.queues.bucket.store import Listed, Occupied, S3Store, Stored
from gateway.queues.quarantine import check_sendable, renewed

REASON = "gateway-reason"
RAW = "gateway-raw"
"""Metadata of a message that could not be read, and is kept as it was received, in JSON."""
AT_ONCE = 20
LARGEST_RAW = 8 << 20
"""Bytes of an SQS message in JSON, at most: a message of 1 MiB can take three times as much."""
TOO_LARGE = (
    "It has {size} bytes, and {limit} are read: raise limits.request for this command, or get "
    "{place} from the bucket with a program of the store's; gateway quarantine drop removes it."
)
NOT_KNOWN = (
    "It was to be sent again as {id}, a day ago or longer, and nothing tells any more whether it "
    "was: look for that id in the audit log. Then drop it; or write its envelope to a file "
    "(gateway quarantine show ID --body FILE), make a new call of that, and drop it then."
)
DROPPED = "dropped"
"""The note of an entry that was dropped, and is not sent again."""
SENT_OTHERWISE = "It was sent again before, as {id}, with another envelope: drop it."

Send = Callable[[Message], Awaitable[None]]
Collect = Callable[[str, str, float], Awaitable[Collected]]


class BucketQuarantine:
    """The quarantine in a bucket; ``send`` and ``collect`` are those of its queue."""

    def __init__(
        self, store: S3Store, keys: Keys, clock: Clock, send: Send, collect: Collect, limit: int
    ) -> None:
        """``limit`` is the largest entry that is read, in bytes."""
        self._store = store
        self._keys = keys
        self._limit = max(limit, LARGEST_RAW)
        self._clock = clock
        self._send = send
        self._notes = _Notes(store, keys)
        self._collect = collect

    async def entries(self, id: str = "") -> AsyncIterator[Quarantined]:
        """Yield the entries, in the order of their ids: a HEAD for each."""
        prefix = self._keys.quarantine(id)
        notes = {one.key for one in await list_all(self._store, self._notes.key(id))}
        listed = [one for one in await list_all(self._store, prefix) if is_entry(self._keys, one)]
        for at in range(0, len(listed), AT_ONCE):
            looks = [self._look(one, notes) for one in listed[at : at + AT_ONCE]]
            for entry in await asyncio.gather(*looks):
                if entry is not None and id in ("", entry.id):
                    yield entry

    async def _look(self, listed: Listed, notes: set[str]) -> Quarantined | None:
        stored = await self._store.head(listed.key)
        if stored is None:
            return None
        sender, id = self._name(listed.key)
        note = self._notes.key(self._last(listed.key))
        sent_again = await self._store.get(note) if note in notes else None
        message = from_object(stored, (sender, id))
        return Quarantined(
            id=id,
            sender=sender,
            reason=unquote(stored.metadata.get(REASON, "")),
            since=listed.written,
            size=stored.size,
            service=message.target_service if isinstance(message, Message) else "",
            is_request=bool(sender) and isinstance(message, Message) and not _is_raw(stored),
            sent_again=_new_id(sent_again),
            place=listed.key,
        )

    async def read(self, entry: Quarantined) -> Message:
        stored = await self._store.get(entry.place, self._limit)
        if stored is None:
            raise EntryGone(f"{entry.id} is not in quarantine any more")
        if stored.is_cut:
            told = TOO_LARGE.format(size=stored.size, limit=self._limit, place=entry.place)
            raise Refused(told)
        message = from_object(stored, (entry.sender, entry.id))
        if isinstance(message, Message):
            return message
        return Message(
            body=stored.body, content_type=stored.content_type, id=entry.id, sender=entry.sender
        )

    async def send_again(
        self, entry: Quarantined, envelope: bytes | None = None, lifetime: float = ID_WINDOW
    ) -> str:
        check_sendable(entry, envelope)
        kept = await self.read(entry)
        id = await self._notes.write(self._last(entry.place), new_id(self._clock))
        if id == DROPPED:
            raise EntryGone(f"{entry.id} was dropped by another")
        expires = self._clock() + lifetime
        if not await self._is_sent(entry.sender, id):
            try:
                await self._send(renewed(kept, entry, envelope, id=id, expires=expires))
            except IdTaken as error:
                raise Refused(SENT_OTHERWISE.format(id=id)) from error
        await self._store.delete(entry.place)
        return id

    async def _is_sent(self, sender: str, id: str) -> bool:
        """Tell whether a request was sent under an id that is now too old to be sent.

        Raises Refused where that is not known any more.
        """
        if self._clock() - (id_time(id) or 0.0) < ID_WINDOW:
            return False  # the queue takes it, once
        found = await self._collect(sender, id, 0.0)
        if found.state is State.UNKNOWN:
            raise Refused(NOT_KNOWN.format(id=id))
        return True

    async def drop(self, entry: Quarantined) -> None:
        if await self._store.head(entry.place) is None:
            raise EntryGone(f"{entry.id} is not in quarantine any more")
        # An entry that shows it was to be sent again may be dropped: the operator has seen that.
        said = DROPPED if entry.sent_again else await self._note(entry)
        if said != DROPPED:
            raise EntryGone(f"{entry.id} is sent again by another, as {said}")
        await self._store.delete(entry.place)

    async def _note(self, entry: Quarantined) -> str:
        return await self._notes.write(self._last(entry.place), DROPPED)

    def _last(self, key: str) -> str:
        """Return the last part of an entry's key, decoded."""
        return unquote(key.removeprefix(self._keys.quarantine("")))

    def _name(self, key: str) -> tuple[str, str]:
        """Return sender and id of an entry; the sender is empty where it is not a request."""
        last = self._last(key)
        return self._keys.name(self._keys.requests + last) or ("", last)


class _Notes:
    """The notes of a quarantine: the new id of each entry sent again, or that it was dropped."""

    def __init__(self, store: S3Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    def key(self, last: str) -> str:
        """Return the key of an entry's note, given the last part of the entry's own key."""
        return self._keys.address.key("quarantine", "again", quote(last, safe=""))

    async def write(self, last: str, said: str) -> str:
        """Write a note about an entry; return the one that stands, which is the first."""
        note, body = self.key(last), said.encode()
        for _ in range(ATTEMPTS):
            try:
                if await self._store.create(note, body, "a note", content_type="text/plain"):
                    return said
            except Occupied:
                pass
            except Unsure:
                break
            found = await self._store.get(note)
            if found is not None:
                return found.body.decode("ascii", "replace")
        raise QueueUnavailable("the store did not say whether it took a note; nothing was done")


def is_entry(keys: Keys, listed: Listed) -> bool:
    """Tell whether an object in the quarantine is an entry: notes lie one level deeper."""
    return "/" not in listed.key.removeprefix(keys.quarantine(""))


def _new_id(note: Stored | None) -> str:
    said = note.body.decode("ascii", "replace") if note else ""
    return "" if said == DROPPED else said


def _is_raw(stored: Stored) -> bool:
    return RAW in stored.metadata
