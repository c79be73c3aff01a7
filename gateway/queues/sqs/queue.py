"""The queue on SQS: requests are its messages; replies are in a bucket, or in other queues."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from zlib import crc32

from gateway.errors import ConfigurationError, IdTaken, QueueAway, QueueUnavailable, Refused, Unsure
from gateway.message import Clock, Message, check_identity, digest
from gateway.queue import Collected, Delivery, Quarantine, QueueStatus, State
from gateway.queues.aws.address import SqsAddress
from gateway.queues.aws.limits import CLOSING
from gateway.queues.aws.sqs import NotAllowed, Outgoing, Received, SqsClient
from gateway.queues.aws.sqs_pump import SqsPump
from gateway.queues.bucket.layout import Keys, check_format
from gateway.queues.bucket.ledger import BucketLedger
from gateway.queues.bucket.probe import check_conditions
from gateway.queues.bucket.quarantine import BucketQuarantine
from gateway.queues.bucket.store import S3Store
from gateway.queues.claims.delivery import HIDDEN
from gateway.queues.claims.intake import LeasedIntake
from gateway.queues.claims.read_ahead import MessageEntry
from gateway.queues.claims.records import Name
from gateway.queues.options import QueueOptions
from gateway.queues.sqs.answering import AllowedQueues, Answering, DeadLetters, named_queue
from gateway.queues.sqs.attributes import check, to_sqs
from gateway.queues.sqs.entry import Counter, SqsEntry, aside_in_bucket, identify
from gateway.queues.sqs.joined_quarantine import JoinedQuarantine
from gateway.queues.sqs.offload import Payloads
from gateway.queues.sqs.quarantine import SqsQuarantine
from gateway.queues.sqs.replies import REMEMBERED, BucketReplies, Replies, ReplyBox
from gateway.queues.sqs.status import sqs_status

log = logging.getLogger(__name__)

MODE = "replies"
MOST_TOLD = 1000
"""Clients, at most, about which the log has warned once."""
LANES = 64
"""Message groups of a client in a FIFO queue: SQS hands out one request of each group at a time.

With one group, a client's requests would be worked on one after another; with one for each request,
a client with many would hold up all others. The id decides, so that SQS recognizes a duplicate.
"""
DUPLICATES = (
    "queue: a standard SQS queue may deliver a request twice, which cannot be noticed without a "
    "bucket: add ?replies=s3://BUCKET/PREFIX, use a FIFO queue (NAME.fifo), or, if every operation "
    "may be carried out twice, add unsafe_duplicates=true."
)


@dataclass(slots=True)
class _Bucket:
    """The bucket of replies."""

    store: S3Store
    keys: Keys
    ledger: BucketLedger
    is_tried: bool = False
    """Whether it was probed for the conditions of writes."""


class SqsQueue:
    """A queue on SQS, drained by any number of gateways. Open it with ``open``."""

    def __init__(
        self, client: SqsClient, url: str, bucket: _Bucket | None, options: QueueOptions
    ) -> None:
        self.clock: Clock = client.clock
        pump = SqsPump(client, url, HIDDEN * options.lease)
        payloads = Payloads(bucket.store, bucket.keys, options.limit) if bucket else None
        requests = _Requests(client, url, bucket, options)
        counter = Counter(
            pump=pump,
            payloads=payloads,
            aside=requests.aside,
            strict=options.soapjms_strict,
            doubts_receipts=bucket is None,
        )
        self._replies: Replies = (
            BucketReplies(bucket.ledger, self.clock) if bucket else ReplyBox(client)
        )
        self._sender = _Sender(pump, url, payloads)
        self._intake = LeasedIntake(pump, self.clock, options, partial(requests.entry, counter))
        self._bucket = bucket
        letters = SqsQuarantine(
            client, requests.letters, options.senders, self._sender.send, payloads
        )
        self.quarantine: Quarantine = letters
        if bucket is not None:
            aside = BucketQuarantine(
                bucket.store, bucket.keys, self.clock, self.send, self.collect, 2 * options.limit
            )
            self.quarantine = JoinedQuarantine(aside, letters, requests.letters.url)
        store, keys = (bucket.store, bucket.keys) if bucket else (None, None)
        self._count = partial(sqs_status, client, url, store, keys)
        stores = (bucket.store,) if bucket else ()
        self._resources = (letters, self._replies, pump, client, *stores)

    @classmethod
    async def open(cls, address: SqsAddress, options: QueueOptions) -> SqsQueue:
        """Open the queue. Raises ConfigurationError with the cure."""
        if not (address.replies or address.is_fifo or address.unsafe_duplicates):
            raise ConfigurationError(DUPLICATES)
        async with contextlib.AsyncExitStack() as failing:
            client = await SqsClient.open(address.access, 2 * options.concurrency)
            failing.push_async_callback(client.aclose)
            try:
                url = await client.queue_url(address.queue)
            except QueueAway:
                raise
            except QueueUnavailable as error:
                raise ConfigurationError(f"queue: {error}") from error
            bucket = None
            if address.replies is not None:
                store = await S3Store.open(address.replies, 2 * options.concurrency)
                failing.push_async_callback(store.aclose)
                keys = Keys(address.replies)
                await check_format(store, keys, MODE)
                bucket = _Bucket(store, keys, BucketLedger(store, keys, options.reply_limit))
            failing.pop_all()
        return cls(client, url, bucket, options)

    async def send(self, message: Message) -> None:
        check_identity(message, self.clock())
        if self._sender.is_new(message):
            prepared = await self._replies.prepare(message)
            if prepared is None:
                return
            try:
                message_id = await self._sender.send(prepared)
            except (Unsure, asyncio.CancelledError):
                # It may be in the queue, or get there yet: collecting must not deny it.
                self._replies.sent(prepared, "")
                raise
            except (Refused, QueueUnavailable):
                self._replies.sent(prepared, None)
                raise
            self._replies.sent(prepared, message_id)

    async def receive(
        self, limit: int, wait: float, shares: Mapping[str, int] | None = None
    ) -> Sequence[Delivery]:
        if self._bucket is not None and not self._bucket.is_tried:
            await check_conditions(self._bucket.store, self._bucket.keys)
            self._bucket.is_tried = True
        return await self._intake.receive(limit, wait, shares or {})

    async def status(self) -> QueueStatus:
        return await self._count()

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        collected = await self._replies.collect(sender, id, wait)
        if collected.state is State.UNKNOWN:
            # A queue that cannot be reached must not deny a request.
            await self._sender.reach()
        return collected

    async def aclose(self) -> None:
        for resource in self._resources:
            if isinstance(resource, SqsClient | S3Store):
                resource.limits.end_within(CLOSING)
        await self._intake.give_back()
        for resource in self._resources:
            await resource.aclose()


class _Requests:
    """Makes entries of received messages, each with its ledger."""

    def __init__(
        self, client: SqsClient, url: str, bucket: _Bucket | None, options: QueueOptions
    ) -> None:
        self._client = client
        self._ledger = bucket.ledger if bucket else None
        self._senders = options.senders
        self._allowed = AllowedQueues(url, options.reply_queues)
        self._told: set[str] = set()
        self.letters = DeadLetters(client, url)
        self.aside = aside_in_bucket(bucket.store, bucket.keys) if bucket else self.letters.keep

    async def entry(self, counter: Counter, received: Received) -> MessageEntry:
        identity = identify(received, self._senders)
        queue = named_queue(received.attributes)
        if self._ledger is not None:
            if queue is not None:
                self._tell_of_replies(identity.tag.client)
            return SqsEntry(counter, received, identity, self._ledger)
        is_refused = queue is not None and queue.url not in self._allowed
        if queue is not None and is_refused:
            refusal = (
                f"it names the reply queue {queue.url[:200]}, which reply_queues does not have"
            )
            identity, queue = replace(identity, refusal=identity.refusal or refusal), None
        answering = Answering(self._client, queue, received, identity.tag, is_refused=is_refused)
        return SqsEntry(counter, received, identity, answering)

    def _tell_of_replies(self, client: str) -> None:
        """Warn once about a client that waits for replies where none come: it only times out."""
        if client not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(client)
            log.warning(
                "requests of %s name a queue for their replies, but with replies= all replies go "
                "to the bucket: it waits in vain, unless it reads them there. Programs that read "
                "replies from queues need an address without replies= (logged once per client)",
                client,
            )


class _Sender:
    """Puts requests into the queue, each once as far as this process knows."""

    def __init__(self, pump: SqsPump, url: str, payloads: Payloads | None) -> None:
        self._pump = pump
        self._payloads = payloads
        self._queue = url.rpartition("/")[2]
        self._is_fifo = url.endswith(".fifo")
        self._sent: OrderedDict[Name, str] = OrderedDict()

    def is_new(self, message: Message) -> bool:
        """Tell whether a request was not sent before. Raises IdTaken."""
        known, own = self._sent.get((message.sender, message.id)), digest(message).hex()
        if known not in (None, own):
            raise IdTaken
        return known is None

    async def send(self, message: Message) -> str:
        """Send a request; return its MessageId. Raises Refused, IdTaken, QueueUnavailable."""
        name = (message.sender, message.id)
        uri = message.request_uri or f"jms:queue:{self._queue}"
        outgoing = to_sqs(replace(message, request_uri=uri))
        if self._payloads is not None:
            outgoing = await self._payloads.offload(name, outgoing)
        check(outgoing)
        message_id = await self._send(name, outgoing)
        self._sent[name] = digest(message).hex()
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)
        return message_id

    async def reach(self) -> None:
        """Check that SQS answers for the queue. Raises QueueMissing, QueueUnavailable."""
        with contextlib.suppress(NotAllowed):  # a refusal is an answer, too
            await self._pump.client.call("GetQueueUrl", QueueName=self._queue)

    async def _send(self, name: Name, outgoing: Outgoing) -> str:
        """Send in a message group of the client's, for fair queuing."""
        client, id = name
        if self._is_fifo:
            group = f"{client}.{crc32(id.encode()) % LANES}"
            return await self._pump.send(replace(outgoing, group=group, deduplication=id))
        return await self._pump.groups.send(outgoing, client)
