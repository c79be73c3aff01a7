"""A request in an SQS queue: who sent it, what it says, and how it is taken out."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from gateway.errors import QueueError, Refused
from gateway.message import Message, Unreadable, check_names, id_time
from gateway.queues.aws.sqs import Received
from gateway.queues.aws.sqs_pump import SqsPump
from gateway.queues.bucket.layout import Keys, encoded, object_type, to_metadata
from gateway.queues.bucket.ledger import REASON_LIMIT
from gateway.queues.bucket.quarantine import RAW
from gateway.queues.bucket.store import S3Store
from gateway.queues.claims.records import Ledger, Name
from gateway.queues.quarantine import entry_name
from gateway.queues.request_age import forgotten
from gateway.queues.sqs.attributes import BadTag, Tag, from_sqs, tag
from gateway.queues.sqs.offload import BadPointer, PayloadGone, Payloads, is_pointer

log = logging.getLogger(__name__)

FRESH = 2.0
"""Seconds from an id's making to its sending, beyond which the request may have been sent before:
then its record is read and claimed first, which costs more than the rest of the call."""
ANYBODY = "*"
"""The client of a principal that speaks for others: a listener, which has authenticated them."""
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]")

Aside = Callable[[Received, Name, Message | Unreadable | None, str], Awaitable[bool]]
"""Keeps a copy of a request, with a reason; tells whether its body is in the copy, not just a
pointer to it. Raises QueueUnavailable."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which request a message is; ``refusal`` is why that cannot be believed."""

    tag: Tag
    is_own: bool = False
    """Whether a client of ours wrote it."""
    refusal: str = ""


def identify(received: Received, senders: Mapping[str, str]) -> Identity:
    """Return which request was received, by its sender's principal. Never raises.

    ``senders`` maps principals to clients. Where it is empty, all who may send to the queue are
    trusted alike: the client is the one that the message names.
    """
    sender_id = received.system.get("SenderId", "")
    principal = sender_id.partition(":")[0]
    unnamed = Tag(received.id, _NO_NAME.sub("-", principal)[:64] or "unknown")
    try:
        said = tag(received.attributes)
        known = _known(sender_id, said, senders) if senders else None
        if said is not None and known not in (None, said.client):
            raise BadTag(f"it names the client {said.client[:64]!r}, but its sender is {known!r}")
        found = Tag(
            said.id if said else received.id,
            known or (said or unnamed).client,
            said.expires if said else None,
        )
        check_names(Message(body=b"", content_type="", id=found.id, sender=found.client))
    except (BadTag, Refused) as error:
        return Identity(unnamed, refusal=str(error))
    return Identity(found, is_own=said is not None, refusal=said.wrong if said else "")


def _known(sender_id: str, said: Tag | None, senders: Mapping[str, str]) -> str:
    principal = sender_id.partition(":")[0]
    name = senders.get(sender_id) or senders.get(principal)
    if name is None:
        raise BadTag(f"its sender {principal[:128]!r} is not among the senders of the settings")
    if name != ANYBODY:
        return name
    if said is None:
        raise BadTag("its sender speaks for others, but does not say for whom")
    return said.client


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """What the entries of one queue need to be read and taken out."""

    pump: SqsPump
    payloads: Payloads | None
    aside: Aside
    strict: bool = False
    doubts_receipts: bool = False
    """Whether a second receipt may mean that work had begun: no ledger knows better."""


class SqsEntry:
    """A message of an SQS queue that stands for a request."""

    is_late = False

    def __init__(
        self, counter: Counter, received: Received, identity: Identity, ledger: Ledger
    ) -> None:
        self.received = received
        self.ledger = ledger
        self.name: Name = (identity.tag.client, identity.tag.id)
        made = id_time(identity.tag.id)
        # A sender's own id may have been used before; one given by SQS is unique to this message.
        self.was_used = identity.is_own and (made is None or abs(received.sent - made) > FRESH)
        self._counter = counter
        self._identity = identity
        self._payload = ""  # the key of its body, once that was read, among this client's payloads

    async def read(self, *, interrupted: bool) -> Message | Unreadable | None:
        if self._identity.refusal:
            return self._unreadable(self._identity.refusal)
        try:
            body, arrived = await self._read()
        except BadPointer as error:
            return self._unreadable(str(error))
        except PayloadGone as error:
            if await self._is_answered():
                return None
            if not self._is_forgotten():
                return self._unreadable(str(error))
            body, arrived = "", None  # it may have been carried out: the fault says only that
        doubted = self._counter.doubts_receipts and self.received.count > 1
        message = from_sqs(
            body,
            self.received.attributes,
            self._identity.tag,
            interrupted=interrupted or doubted,
            strict=self._counter.strict,
        )
        if isinstance(message, Unreadable):
            return message
        return replace(
            message,
            arrived=arrived,
            forgotten=self._forgotten(),
            is_named_by_queue=not self._identity.is_own,
        )

    async def _read(self) -> tuple[str, float | None]:
        """Return the body, and the time since which all of it was there: pointer and payload.

        Raises BadPointer, PayloadGone, QueueUnavailable.
        """
        received, payloads = self.received, self._counter.payloads
        sent = received.sent or None
        if not is_pointer(received.attributes):
            return received.body, sent
        if payloads is None:
            raise BadPointer("it points to S3, and this queue has no bucket (?replies=)")
        client = self._identity.tag.client
        key = payloads.followed(received.body, received.attributes, client)
        payload = await payloads.read(key)
        self._payload = key
        if sent is None or payload.written is None:
            return payload.text, None
        return payload.text, max(sent, payload.written)

    def _forgotten(self) -> float | None:
        return forgotten(self.name[1], self.received.sent or None)

    def _is_forgotten(self) -> bool:
        at = self._forgotten()
        return at is not None and at <= self._counter.pump.client.clock()

    async def _is_answered(self) -> bool:
        record = await self.ledger.look(self.name)
        return record is not None and record.is_final

    def _unreadable(self, reason: str) -> Unreadable:
        sender, id = self.name
        return Unreadable(id=id, sender=sender, reason=reason)

    async def remove(self) -> None:
        """Remove the message first: a crash in between leaves an object, never a dead pointer."""
        counter = self._counter
        try:
            await counter.pump.delete(self.received.handle)
        except QueueError as error:
            log.warning("%s is answered, but not removed yet: %s", self.name[1], error)
            return
        if self._payload and counter.payloads is not None:
            await counter.payloads.remove(self.name[1], self._payload)

    async def put_aside(self, message: Message | Unreadable | None, reason: str) -> None:
        if not await self._counter.aside(self.received, self.name, message, reason):
            self._payload = ""  # the copy points to it
        await self.remove()

    async def hold(self, seconds: float) -> None:
        await self._counter.pump.hold(self.received.handle, seconds)


def aside_in_bucket(store: S3Store, keys: Keys) -> Aside:
    """Return a function that keeps requests in the quarantine of a bucket.

    An unreadable message is kept as it was received: its body and attributes, in JSON.
    """

    async def keep(
        received: Received, name: Name, message: Message | Unreadable | None, reason: str
    ) -> bool:
        sender, id = name
        body, metadata, content_type = _as_object(received, message)
        await store.put(
            keys.quarantine(entry_name(f"{id}.{sender}", reason, received.id)),
            body,
            metadata={**metadata, "gateway-reason": encoded(reason)[:REASON_LIMIT]},
            content_type=content_type,
        )
        return RAW not in metadata

    return keep


def _as_object(
    received: Received, message: Message | Unreadable | None
) -> tuple[bytes, dict[str, str], str]:
    if isinstance(message, Message):
        try:
            return message.body, to_metadata(message), object_type(message.content_type)
        except Refused:
            pass  # more properties than metadata can hold
    attributes = {name: [one.type, one.value] for name, one in received.attributes.items()}
    kept = {"body": received.body, "attributes": attributes, "system": dict(received.system)}
    return json.dumps(kept).encode(), {RAW: "true"}, "application/json"
