"""A client's replies: in the bucket, or in a reply queue of its process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from gateway.errors import BackendFailed, IdTaken, QueueUnavailable, Refused
from gateway.message import REPLY_RETENTION, Clock, Message, Unreadable, digest, id_time, new_id
from gateway.queue import Collected, State
from gateway.queues.aws.sqs import LONGEST_POLL, QueueMissing, Received, SqsClient
from gateway.queues.aws.sqs_pump import SqsPump
from gateway.queues.bucket.ledger import BucketLedger
from gateway.queues.bucket.store import AccessDenied
from gateway.queues.claims.records import ClaimRecord, ClaimState, Name
from gateway.queues.sqs.answering import OWN_REPLIES
from gateway.queues.sqs.attributes import CORRELATION, Tag, from_sqs, value
from gateway.queues.sqs.entry import FRESH
from gateway.queues.sqs.offload import is_pointer
from gateway.soap.envelope import fault

V = TypeVar("V")

log = logging.getLogger(__name__)

REMEMBERED = 100_000
"""Requests of this process that are remembered."""
KEPT = 1000
"""Replies that are kept in memory, to be collected again."""
AT_ONCE = 100
"""Replies that are received at once, at most."""
HIDDEN = 30.0
"""Seconds for which a received reply stays hidden; it is removed meanwhile."""
CORRELATION_TAKEN = (
    "Another request of this client waits for its reply under the same correlation id: use another."
)

ELSEWHERE = (
    "The reply is kept in S3, and came as a pointer (ExtendedPayloadSize), which is not followed "
    "without a bucket in the address of the queue: have the service send its replies whole, "
    "without the extended client; or have a gateway serve it on a queue with ?replies=, which "
    "keeps them in its bucket."
)


class Replies(Protocol):
    """A client's way to its replies."""

    async def prepare(self, message: Message) -> Message | None:
        """Return the request to send; None if it has its reply already.

        Raises Refused, IdTaken, QueueUnavailable.
        """
        ...

    def sent(self, message: Message, message_id: str | None) -> None:
        """Note the MessageId of a request; empty: it may have been sent; None: it was not sent."""
        ...

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        """Do what ``Queue.collect`` does."""
        ...

    async def aclose(self) -> None:
        """Release what is held open."""
        ...


class BucketReplies:
    """Replies in a bucket. They outlive the process that asked for them."""

    def __init__(self, ledger: BucketLedger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._sent: OrderedDict[Name, str] = OrderedDict()

    async def prepare(self, message: Message) -> Message | None:
        name, own = (message.sender, message.id), digest(message).hex()
        made, record = id_time(message.id), None
        if made is None or abs(self._clock() - made) > FRESH:
            with contextlib.suppress(AccessDenied):  # without permission to list: there is none
                record = await self._ledger.look(name)
        _check_digest(record, own)
        return None if record is not None and record.is_final else message

    def sent(self, message: Message, message_id: str | None) -> None:
        if message_id is not None:
            _remember(self._sent, (message.sender, message.id), digest(message).hex(), REMEMBERED)

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        """Return the state of a request; SQS cannot tell whether another process's one waits."""
        name = (sender, id)
        may_be_none = name not in self._sent
        record = await self._ledger.collect(name, wait, may_be_none=may_be_none)
        if record is not None and record.is_final:
            _check_digest(record, self._sent.get(name, ""))
            state = State.DONE if record.reply is None else State.REPLY
            return Collected(state, record.reply)
        if record is not None and record.state is ClaimState.CLAIMED:
            return Collected(State.WORKING)
        is_known = record is not None or name in self._sent
        return Collected(State.PENDING if is_known else State.UNKNOWN)

    async def aclose(self) -> None:
        """Nothing is held open."""


def _check_digest(record: ClaimRecord | None, own: str) -> None:
    """Raise IdTaken where a record answers other bytes than ours."""
    if record is not None and record.is_final and own and record.digest not in ("", own):
        raise IdTaken


def _remember(memory: OrderedDict[Name, V], name: Name, value: V, most: int) -> V | None:
    """Keep a value; return the oldest one if that had to be dropped."""
    memory[name] = value
    return memory.popitem(last=False)[1] if len(memory) > most else None


def _forget(waiting: dict[str, Name], keys: Iterable[str]) -> None:
    for key in keys:
        waiting.pop(key, None)


def _note_failure(task: asyncio.Task[Any]) -> None:
    """Log a task's failure: all its waiters may be gone."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("replies cannot be received now: %s", error)


def _reply(received: Received, name: Name) -> Message:
    """Return the reply in a message; a fault where it is not in there, or cannot be read.

    The request was carried out, and no other reply comes: the caller has to learn that.
    """
    sender, id = name
    found = from_sqs(received.body, received.attributes, Tag(received.id, sender))
    if isinstance(found, Unreadable):
        log.warning("the reply to %s cannot be read: %s", id, found.reason)
        stub = Message(body=b"", content_type="text/xml", id=id)
        return fault(BackendFailed(f"The reply cannot be read: {found.reason}."), stub)
    if is_pointer(received.attributes):
        log.warning("the reply to %s is a pointer to S3, and this queue has no bucket", id)
        return fault(BackendFailed(ELSEWHERE), replace(found, id=id))
    return replace(found, violation=None)


class ReplyBox:
    """Replies in an SQS queue of this process: created at the first call, removed at the end.

    It is read while somebody waits. Received replies are in memory alone, and end with the process.
    """

    def __init__(self, client: SqsClient, lifetime: float = REPLY_RETENTION) -> None:
        self._client = client
        self._lifetime = lifetime
        self._opening: asyncio.Task[tuple[str, SqsPump]] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._waiting: dict[str, Name] = {}  # correlation ids, and "ID:" before MessageIds
        self._sent: OrderedDict[Name, tuple[str, ...]] = OrderedDict()  # and what is waited for
        self._kept: OrderedDict[Name, Message] = OrderedDict()

    async def prepare(self, message: Message) -> Message:
        url, _ = await self._open()
        name = (message.sender, message.id)
        correlation = message.correlation_id or message.id
        if self._waiting.setdefault(correlation, name) != name:
            raise Refused(CORRELATION_TAKEN)
        return replace(message, correlation_id=correlation, reply_to=url)

    def sent(self, message: Message, message_id: str | None) -> None:
        name = (message.sender, message.id)
        if message_id is None:
            if name not in self._sent and self._waiting.get(message.correlation_id) == name:
                _forget(self._waiting, (message.correlation_id,))
            return
        # Java servers name the MessageId where they find no correlation id.
        keys = (message.correlation_id, *([f"ID:{message_id}"] if message_id else ()))
        if name not in self._kept:
            self._waiting |= dict.fromkeys(keys, name)
        # One-way requests are never answered: they are forgotten here.
        forgotten = _remember(self._sent, name, keys, REMEMBERED)
        _forget(self._waiting, forgotten or ())

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        """Return the reply if it has come; a request of another process is unknown."""
        name, until = (sender, id), time.monotonic() + wait
        if name not in self._sent:
            return Collected(State.UNKNOWN)
        asked = False
        while name not in self._kept:
            left = until - time.monotonic()
            if asked and left <= 0:
                return Collected(State.PENDING)
            asked = True
            await self._look(max(0.0, left))
        return Collected(State.REPLY, self._kept[name])

    async def _look(self, wait: float) -> None:
        """Read replies for up to ``wait`` seconds, once for all waiters."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._read(min(wait, LONGEST_POLL)))
            self._looking.add_done_callback(_note_failure)
        try:
            async with asyncio.timeout(wait or None):
                await asyncio.shield(self._looking)
        except TimeoutError:
            pass

    async def _read(self, wait: float) -> None:
        _, pump = await self._open()
        received = await pump.receive(AT_ONCE, wait)
        for one in received:
            self._keep(one)
        await asyncio.gather(*(pump.delete(one.handle) for one in received))

    def _keep(self, received: Received) -> None:
        correlation = value(received.attributes, CORRELATION)
        name = self._waiting.get(correlation)
        if name is None or name in self._kept:
            log.warning("a reply to %r is dropped: nobody waits for it", correlation[:80])
            return
        _remember(self._kept, name, _reply(received, name), KEPT)
        _forget(self._waiting, (correlation, *self._sent.get(name, ())))

    async def _open(self) -> tuple[str, SqsPump]:
        """Return the reply queue; the first call creates it, and others wait for that."""
        opening = self._opening
        if opening is None or (opening.done() and opening.exception() is not None):
            opening = self._opening = asyncio.create_task(self._make())
            opening.add_done_callback(_note_failure)
        return await asyncio.shield(opening)

    async def _make(self) -> tuple[str, SqsPump]:
        attributes = {
            "MessageRetentionPeriod": str(int(self._lifetime)),
            "ReceiveMessageWaitTimeSeconds": str(LONGEST_POLL),
        }
        answer = await self._client.call(
            "CreateQueue",
            QueueName=OWN_REPLIES + new_id(),
            Attributes=attributes,
            tags={"soap-queue-gateway": "replies"},
        )
        url = str(answer["QueueUrl"])
        return url, SqsPump(self._client, url, HIDDEN)

    async def aclose(self) -> None:
        """Remove the queue: nobody waits for later replies."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        if self._opening is None:
            return
        with contextlib.suppress(QueueUnavailable):  # it could not be created
            url, pump = await self._opening
            await pump.aclose()
            try:
                await self._client.call("DeleteQueue", QueueUrl=url)
            except QueueMissing:
                log.info("%s is gone already", url)
            except QueueUnavailable as error:
                log.warning("the reply queue %s is left behind: %s", url, error)
