"""The requests of a bucket: how a delivery reads, removes and puts aside one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from gateway.errors import QueueUnavailable
from gateway.message import Message, Unreadable
from gateway.queues.bucket.layout import METADATA_LIMIT, Keys, encoded, from_object, object_type
from gateway.queues.bucket.ledger import REASON_LIMIT
from gateway.queues.bucket.store import S3Store
from gateway.queues.claims.records import Ledger, Name, NoLedger
from gateway.queues.quarantine import entry_name

log = logging.getLogger(__name__)

NO_KEY = "its key is not requests/ID.CLIENT"


class Requests:
    """Reads the requests of a bucket, and takes them out once their replies are stored."""

    def __init__(self, store: S3Store, keys: Keys, limit: int) -> None:
        self.store = store
        self.keys = keys
        # A request over one limit, but not two, is refused with a fault that says so.
        self.limit = 2 * limit

    async def remove(self, key: str) -> None:
        """Remove a request. If that fails, the next gateway to try it finds its reply first."""
        try:
            await self.store.delete(key)
        except QueueUnavailable as error:
            log.warning("%s is answered, but not removed yet: %s", key, error)

    async def put_aside(self, key: str, reason: str) -> None:
        """Copy a request into quarantine, then remove it. Raises QueueUnavailable."""
        stored = await self.store.head(key)
        if stored is not None:
            name = entry_name(key.removeprefix(self.keys.requests), reason, stored.etag)
            aside = self.keys.quarantine(name)
            kind = object_type(stored.content_type)
            metadata = _labelled(stored.metadata, reason)
            new = replace(stored, metadata=metadata, content_type=kind)
            await self.store.copy(key, aside, new)
        await self.remove(key)


def _labelled(metadata: Mapping[str, str], reason: str) -> dict[str, str]:
    """Return metadata with the reason added. Values that no header can carry are encoded.

    The metadata may be a stranger's, of any length: entries that do not fit are left out.
    """
    labelled = {"gateway-reason": encoded(reason)[:REASON_LIMIT]}
    room = METADATA_LIMIT - sum(len(name) + len(value) for name, value in labelled.items())
    for name, value in metadata.items():
        carried = value if value.isascii() and value.isprintable() else encoded(value)
        size = len(name) + len(carried)
        if size <= room:
            labelled.setdefault(name, carried)
            room -= size
    return labelled


class ObjectEntry:
    """A request that is an object; its claim alone keeps others away."""

    def __init__(self, requests: Requests, ledger: Ledger, key: str, name: Name) -> None:
        self.name = name
        self.ledger = ledger
        self._requests = requests
        self._key = key

    async def read(self, *, interrupted: bool) -> Message | Unreadable | None:
        stored = await self._requests.store.get(self._key, self._requests.limit)
        return None if stored is None else from_object(stored, self.name, interrupted=interrupted)

    async def remove(self) -> None:
        await self._requests.remove(self._key)

    async def put_aside(self, message: Message | Unreadable | None, reason: str) -> None:
        await self._requests.put_aside(self._key, reason)

    async def hold(self, seconds: float) -> None:
        """Do nothing: others may see the object, and find the claim."""


class StrayObject:
    """An object among the requests that is not a request: it can only be put aside."""

    def __init__(self, requests: Requests, key: str) -> None:
        self.name: Name = ("", stray_id(key))
        self.ledger: Ledger = NoLedger()
        self._requests = requests
        self._key = key

    async def read(self, *, interrupted: bool) -> Unreadable:
        return Unreadable(id=self.name[1], sender="", reason=NO_KEY)

    async def remove(self) -> None:
        await self.put_aside(None, NO_KEY)

    async def put_aside(self, message: Message | Unreadable | None, reason: str) -> None:
        """Put it aside; there is no sender to answer. Raises QueueUnavailable."""
        try:
            await self._requests.put_aside(self._key, reason)
        except QueueUnavailable as error:
            log.error("%s is not a request, and cannot be put aside: %s", self._key, error)
            raise

    async def hold(self, seconds: float) -> None:
        """Do nothing: others may put it aside too, to the same effect."""


def stray_id(key: str) -> str:
    """Return an id for an object that is not a request."""
    return key.rpartition("/")[2][:64] or "?"
