"""The quarantine of a queue on SQS alone: its dead-letter queue.

SQS shows messages only by handing them out: those that are shown are hidden from others meanwhile,
for HOLD seconds at most, and given back at the end.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from gateway.errors import ConfigurationError, EntryGone, QueueError, QueueUnavailable, Refused
from gateway.message import ID_WINDOW, Clock, Message, derived_id
from gateway.queue import Quarantined
from gateway.queues.aws.sqs import BATCH, Received, SqsClient
from gateway.queues.foreign_text import is_text
from gateway.queues.quarantine import check_sendable, renewed
from gateway.queues.sqs.answering import DeadLetters
from gateway.queues.sqs.attributes import Tag, from_sqs, value
from gateway.queues.sqs.copies import REASON
from gateway.queues.sqs.entry import identify
from gateway.queues.sqs.offload import BadPointer, PayloadGone, Payloads, is_pointer

HOLD = 300.0
ACTING = 30.0
"""Seconds, at least, that must be left to act on an entry: others see it after HOLD."""
SAME = 12 * 3600.0
"""Seconds in which an entry that is sent again twice gets the same new id."""
PLACE = "dead letters"
NO_PLACE = (
    "queue: it has no dead-letter queue, so nothing is kept aside: make one (gateway provision)."
)
GIVEN_UP = "dead-letter: SQS delivered it too often, and it was never settled"


@dataclass
class _Held:
    """An entry that was received, perhaps more than once: each copy has a handle."""

    entry: Quarantined
    received: Received
    tag: Tag
    until: float
    """When others see it again, by the monotonic clock."""
    handles: list[str] = field(default_factory=list)


class SqsQuarantine:
    """The messages of a dead-letter queue; ``send`` puts a request into the queue itself."""

    def __init__(
        self,
        client: SqsClient,
        letters: DeadLetters,
        senders: Mapping[str, str],
        send: Callable[[Message], Awaitable[object]],
        payloads: Payloads | None = None,
    ) -> None:
        self._client = client
        self._clock: Clock = client.clock
        self._letters = letters
        self._senders = senders
        self._send = send
        self._payloads = payloads
        self._held: dict[tuple[str, str], _Held] = {}

    async def entries(self, id: str = "") -> AsyncIterator[Quarantined]:
        """Yield the messages in the order in which SQS gives them: it always receives all."""
        url = await self._url()
        await self.release()
        while received := await self._client.receive(url, BATCH, 1, HOLD):
            for one in received:
                new = self._hold(one)
                if new is not None and id in ("", new.id):
                    yield new

    def _hold(self, received: Received) -> Quarantined | None:
        """Keep a received message; return its entry, unless another copy of it is here."""
        # With a bucket, no gateway puts anything here: then the sender wrote the reason.
        has_reason = self._payloads is None and REASON in received.attributes
        tag, reason, is_known = _told(received, self._senders, has_reason=has_reason)
        until = time.monotonic() + HOLD
        name = (tag.client, tag.id)
        is_new = name not in self._held
        if is_new:
            entry = _entry(received, tag, reason, is_known)
            self._held[name] = _Held(entry, received, tag, until)
        self._held[name].handles.append(received.handle)
        return self._held[name].entry if is_new else None

    async def read(self, entry: Quarantined) -> Message:
        held = self._found(entry)
        body, attributes = held.received.body, held.received.attributes
        try:
            if is_pointer(attributes) and self._payloads is not None:
                key = self._payloads.followed(body, attributes, held.tag.client)
                body = (await self._payloads.read(key)).text
        except (BadPointer, PayloadGone) as error:
            raise Refused(f"Its body cannot be read: {error}.") from error
        message = from_sqs(body, attributes, held.tag)
        if isinstance(message, Message):
            return message
        return Message(
            body=body.encode("utf-8", "replace"), content_type="", id=entry.id, sender=entry.sender
        )

    async def send_again(
        self, entry: Quarantined, envelope: bytes | None = None, lifetime: float = ID_WINDOW
    ) -> str:
        """Send, then delete. After a crash in between, the next call sends a second time.

        That has the same id, by which a FIFO queue drops it within five minutes; but another one if
        a multiple of SAME lies in between.
        """
        check_sendable(entry, envelope)
        kept, now = await self.read(entry), self._clock()
        id, expires = _derived(entry, now), now + lifetime
        await self._send(renewed(kept, entry, envelope, id=id, expires=expires))
        await self.drop(entry)
        return id

    async def drop(self, entry: Quarantined) -> None:
        handles = self._found(entry).handles
        url = await self._url()
        for at in range(0, len(handles), BATCH):
            for outcome in await self._client.delete_batch(url, handles[at : at + BATCH]):
                if isinstance(outcome, QueueError):
                    raise outcome
        del self._held[entry.sender, entry.id]

    async def release(self) -> None:
        """Give back all held messages: others see them at once. Raises QueueUnavailable."""
        handles = [handle for held in self._held.values() for handle in held.handles]
        self._held.clear()
        for at in range(0, len(handles), BATCH):
            changes = [(handle, 0.0) for handle in handles[at : at + BATCH]]
            await self._client.change_visibility_batch(await self._url(), changes)

    async def aclose(self) -> None:
        """Give back all held messages; if that fails, they come back after HOLD."""
        with contextlib.suppress(QueueUnavailable):
            await self.release()

    async def _url(self) -> str:
        url = await self._letters.url()
        if not url:
            raise ConfigurationError(NO_PLACE)
        return url

    def _found(self, entry: Quarantined) -> _Held:
        held = self._held.get((entry.sender, entry.id))
        if held is None:
            raise EntryGone(f"{entry.id} is not in quarantine any more")
        if held.until - time.monotonic() < ACTING:
            raise EntryGone(f"{entry.id} was held for too long, and others may see it: list again")
        return held


def _told(
    received: Received, senders: Mapping[str, str], *, has_reason: bool
) -> tuple[Tag, str, bool]:
    """Return a message's id and client, why it is here, and if it is a request. Never raises."""
    try:
        said = json.loads(value(received.attributes, REASON) if has_reason else "")
        id, client, reason = (str(said[name]) for name in ("id", "client", "reason"))
        if not is_text(id + client + reason):
            raise ValueError("half of a surrogate pair is not text")
        return Tag(id, client), reason, True
    except (ValueError, KeyError, TypeError, RecursionError):
        identity = identify(received, senders)
        return identity.tag, identity.refusal or GIVEN_UP, not identity.refusal


def _entry(received: Received, tag: Tag, reason: str, is_known: bool) -> Quarantined:
    message = from_sqs(received.body, received.attributes, tag)
    is_request = is_known and isinstance(message, Message)
    sent = received.system.get("SentTimestamp", "")
    return Quarantined(
        id=tag.id,
        sender=tag.client,
        reason=reason,
        since=float(sent) / 1000 if sent.isdecimal() else None,
        size=len(received.body.encode("utf-8", "replace")),
        service=message.target_service if isinstance(message, Message) else "",
        is_request=is_request,
        place=PLACE,
    )


def _derived(entry: Quarantined, now: float) -> str:
    """Return an entry's new id, the same one for hours: SQS has no place to note it."""
    return derived_id(now - now % SAME, f"{entry.sender}.{entry.id}".encode())
