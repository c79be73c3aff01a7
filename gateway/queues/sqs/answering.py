"""Replies in a queue without a bucket: they go to the queues that requests name, if allowed."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.errors import BackendFailed, QueueError, QueueUnavailable, Refused
from gateway.message import Message, Unreadable
from gateway.queues.aws.sqs import Attribute, Outgoing, Received, SqsClient
from gateway.queues.aws.sqs_errors import NoSqs, NotAllowed, QueueMissing, RequestRejected, TooLarge
from gateway.queues.bucket.ledger import storable
from gateway.queues.claims.records import ClaimRecord, Name, Settled, Untold, Version, Writing
from gateway.queues.sqs.attributes import (
    CORRELATION,
    REPLY_NAME,
    REPLY_URL,
    TYPE,
    Tag,
    check,
    to_sqs,
    value,
)
from gateway.queues.sqs.copies import REASON, copies
from gateway.soap.envelope import fault

log = logging.getLogger(__name__)

RESPONSE_QUEUE = "ResponseQueueUrl"
VIRTUAL = "__AmazonSQSVirtualQueuesClient.QueueName"
OWN_REPLIES = "gateway-replies-"
"""Prefix of the names of our own clients' reply queues."""
NO_QUEUE = "names no queue for its reply"
TOO_LARGE = "The reply is larger than the queue can carry."
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}(\.fifo)?")


@dataclass(frozen=True, slots=True)
class ReplyQueue:
    """A queue that a request names; ``virtual`` is the virtual queue in it, if there is one."""

    url: str
    virtual: str = ""


def named_queue(attributes: Mapping[str, Attribute]) -> ReplyQueue | None:
    """Return the queue that a request names for its reply; None where it names none.

    Either as Amazon's JMS library does, with name and URL, or as its temporary-queue client does.
    """
    if value(attributes, REPLY_NAME) and value(attributes, REPLY_URL):
        return ReplyQueue(value(attributes, REPLY_URL))
    host, _, virtual = value(attributes, RESPONSE_QUEUE).partition("#")
    return ReplyQueue(host, virtual) if host else None


class AllowedQueues:
    """The queues that replies may be sent to.

    ``patterns`` are URLs, or names of queues in the same account and region as this one; a final
    ``*`` matches any ending. The reply queues of our own clients are always allowed.
    """

    def __init__(self, queue_url: str, patterns: Sequence[str]) -> None:
        self._place = queue_url.rpartition("/")[0] + "/"
        self._patterns = (f"{OWN_REPLIES}*", *patterns)

    def __contains__(self, url: str) -> bool:
        place, _, name = url.rpartition("/")
        if not _NAME.fullmatch(name):
            return False
        return any(self._matches(one, f"{place}/", name) for one in self._patterns)

    def _matches(self, pattern: str, place: str, name: str) -> bool:
        head, slash, wanted = pattern.rpartition("/")
        if place != (head + slash if slash else self._place):
            return False
        stem = wanted.removesuffix("*")
        return name.startswith(stem) if wanted.endswith("*") else name == wanted


class Answering:
    """The ledger of requests that are answered by a message: it remembers nothing."""

    remembers = False

    def __init__(
        self,
        client: SqsClient,
        queue: ReplyQueue | None,
        received: Received,
        own: Tag,
        *,
        is_refused: bool = False,
    ) -> None:
        """``is_refused``: the request names a queue that is not allowed."""
        self._client = client
        self._queue = queue
        self._is_refused = is_refused
        self._as_bytes = value(received.attributes, TYPE) == "byte"
        is_foreign = own.id == received.id
        id = f"ID:{own.id}" if is_foreign else own.id
        # SOAP/JMS 1.0, section 2.6: the request's correlation id, or else its message id.
        self._correlation = value(received.attributes, CORRELATION) or id

    async def look(self, name: Name) -> ClaimRecord | None:
        return None

    async def write(self, name: Name, new: Writing, over: Version | None) -> Version:
        """Send the reply, if there is one. A crash before the request is removed sends it twice."""
        reply = storable(new.reply, new.request) if isinstance(new, Settled) else None
        if reply is not None:
            await self._answer(name, reply)
        return ""

    async def _answer(self, name: Name, reply: Message) -> None:
        if self._queue is None:
            why = "its reply queue is not allowed" if self._is_refused else NO_QUEUE
            log.info("%s is answered, and %s", name[1], why)
            return
        reply = replace(reply, correlation_id=self._correlation)
        try:
            await self._send(name, reply)
        except NoSqs:
            raise
        except QueueMissing:
            log.warning("%s has a reply, and its queue is gone: nobody waits any more", name[1])
        except (Refused, TooLarge) as error:
            log.error(
                "%s has a reply that SQS does not take (the reply has %d bytes), and a fault is "
                "sent in its place: %s",
                name[1],
                len(reply.body),
                error,
            )
            await self._send_fault(name, reply, error)
        except (NotAllowed, RequestRejected) as error:
            raise _untold(name, error) from error

    async def _send_fault(self, name: Name, reply: Message, refusal: Exception) -> None:
        """Send a fault in place of a reply that SQS does not take, once: its failure is final.

        Anybody can name a queue that accepts nothing. It must not hold up others' requests.
        """
        error = BackendFailed(TOO_LARGE, reason=str(refusal))
        try:
            await self._send(name, fault(error, replace(reply, id=name[1])))
        except NoSqs:
            raise
        except (QueueMissing, NotAllowed, Refused, RequestRejected) as error:
            raise _untold(name, error) from error

    async def _send(self, name: Name, reply: Message) -> None:
        """Send a reply.

        Raises Refused, RequestRejected, NotAllowed, QueueMissing, QueueUnavailable.
        """
        assert self._queue is not None
        await send_to(self._client, self._queue.url, self._checked(name, reply))

    def _checked(self, name: Name, reply: Message) -> Outgoing:
        outgoing = to_sqs(reply, as_bytes=self._as_bytes, is_reply=True)
        assert self._queue is not None
        if self._queue.virtual:
            to_it = {VIRTUAL: Attribute("String", self._queue.virtual)}
            outgoing = replace(outgoing, attributes={**outgoing.attributes, **to_it})
        check(outgoing)
        if self._queue.url.endswith(".fifo"):
            outgoing = replace(outgoing, group=name[0], deduplication=name[1])
        return outgoing


def _untold(name: Name, error: Exception) -> Untold:
    log.error("%s is answered, and its reply is dropped: %s", name[1], error)
    return Untold(f"Server: it was answered, and its reply queue took no reply: {error}")


async def send_to(client: SqsClient, url: str, outgoing: Outgoing) -> str:
    """Send a message to any queue; return its MessageId. Raises QueueMissing, QueueUnavailable."""
    (outcome,) = await client.send_batch(url, [outgoing])
    if isinstance(outcome, QueueError):
        raise outcome
    return outcome


class DeadLetters:
    """Keeps requests in the dead-letter queue of a queue, with the reason as an attribute."""

    def __init__(self, client: SqsClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url
        self._url: str | None = None

    async def keep(
        self, received: Received, name: Name, message: Message | Unreadable | None, reason: str
    ) -> bool:
        """Send a copy there; without such a queue, only the log keeps the reason.

        False: a body in the bucket is still needed, since the copy has the pointer to it.
        """
        url = await self.url()
        if not url:
            log.error("%s is dropped, for the queue has no dead-letter queue: %s", name[1], reason)
            return False
        for outgoing in copies(received, name, reason):
            if url.endswith(".fifo"):
                # A separate group: while one is examined, SQS hands out no other of its group.
                outgoing = replace(outgoing, group=received.id, deduplication=received.id)
            try:
                await send_to(self._client, url, outgoing)
            except TooLarge as error:
                refusal = error
            else:
                if REASON not in outgoing.attributes:
                    log.error("%s is kept, with no room for why: %s", name[1], reason)
                return False
        raise refusal

    async def url(self) -> str:
        """Return the URL of the dead-letter queue; empty where there is none.

        Raises QueueUnavailable.
        """
        if self._url is None:
            self._url = await self._find()
        return self._url

    async def _find(self) -> str:
        policy = (await self._client.attributes(self._queue_url)).get("RedrivePolicy")
        if not policy:
            return ""
        try:
            target = json.loads(policy)["deadLetterTargetArn"]
            return await self._client.queue_url(target.rpartition(":")[2])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise QueueUnavailable("the queue's RedrivePolicy cannot be read") from error
