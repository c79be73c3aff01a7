"""SQS, in its JSON protocol: the few actions that a queue needs, batched where it can be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import QueueError, QueueUnavailable, Unsure
from gateway.queues.aws.account import Account
from gateway.queues.aws.address import AwsAccess
from gateway.queues.aws.clock import ServerClock
from gateway.queues.aws.http import IDLE, TIMEOUT, HttpRequest, HttpResponse, SignedHttp
from gateway.queues.aws.sqs_errors import (
    NotAllowed,
    QueueMissing,
    Throttled,
    answer_error,
    entry_error,
)

__all__ = [
    "Attribute",
    "NotAllowed",
    "Outgoing",
    "QueueMissing",
    "Received",
    "SqsClient",
    "Throttled",
]

SEND = "SendMessageBatch"
BATCH = 10
"""Entries of a batch, at most (SQS developer guide, "Message quotas")."""
BATCH_BYTES = 1 << 20
"""Bytes of a message, and of all messages of a batch together."""
LONGEST_POLL = 20
LONGEST_VISIBILITY = 12 * 3600
LONGEST_DELAY = 900
SYSTEM_ATTRIBUTES = (
    "SenderId",
    "ApproximateReceiveCount",
    "SentTimestamp",
    "MessageGroupId",
    "MessageDeduplicationId",
    "SequenceNumber",
    "AWSTraceHeader",
)


@dataclass(frozen=True, slots=True)
class Attribute:
    """A message attribute: String and Number hold text, Binary bytes in base64."""

    type: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to send; times in seconds."""

    body: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    delay: int = 0
    group: str = ""
    deduplication: str = ""
    trace: str = ""
    """The trace header of X-Ray: it does not count among the ten attributes."""

    @property
    def size(self) -> int:
        """The bytes that count against the limit: the body, and names, types and values."""
        parts = [self.body]
        for name, attribute in self.attributes.items():
            parts += [name, attribute.type, attribute.value]
        return sum(len(part.encode("utf-8", "surrogatepass")) for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message received; ``handle`` names this receipt of it."""

    id: str
    handle: str
    body: str
    attributes: Mapping[str, Attribute]
    system: Mapping[str, str]
    """SenderId, ApproximateReceiveCount, SentTimestamp, MessageGroupId and others."""

    @property
    def count(self) -> int:
        """How often it was received, this time included."""
        said = self.system.get("ApproximateReceiveCount", "")
        return int(said) if said.isdecimal() else 1

    @property
    def sent(self) -> float:
        """When SQS took it, in seconds since the epoch, by its own clock."""
        return float(self.system.get("SentTimestamp", "0")) / 1000


Outcome = str | QueueError
"""The outcome of one entry of a batch: its id from SQS, if it has one, or an error."""


class SqsClient:
    """The SQS of one account. Queues are named by their URLs."""

    def __init__(self, http: SignedHttp, endpoint: str) -> None:
        self.clock: ServerClock = http.clock
        self._http = http
        self.limits = http.limits
        self._endpoint = endpoint

    @classmethod
    async def open(cls, access: AwsAccess, connections: int) -> SqsClient:
        """Make a client. Raises ConfigurationError; nothing is sent to SQS yet."""
        account = await Account.open(access)
        endpoint = await account.endpoint("sqs")
        return cls(SignedHttp(account, "sqs", connections, endpoint.url), endpoint.url)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def queue_url(self, queue: str) -> str:
        """Return the URL of a queue, given its name or URL. Raises QueueMissing."""
        if "://" in queue:
            return queue
        answer = await self.call("GetQueueUrl", QueueName=queue)
        return str(answer["QueueUrl"])

    async def attributes(self, url: str) -> dict[str, str]:
        """Return all attributes of a queue, by the names of SQS. Raises QueueUnavailable."""
        answer = await self.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
        return _texts(answer.get("Attributes"))

    async def receive(self, url: str, limit: int, wait: int, visibility: float) -> list[Received]:
        """Return up to ``limit`` messages, ten at most, invisible for ``visibility`` seconds.

        Waits up to ``wait`` seconds, twenty at most, for the first.
        """
        answer = await self.call(
            "ReceiveMessage",
            wait=wait,
            QueueUrl=url,
            MaxNumberOfMessages=max(1, min(limit, BATCH)),
            WaitTimeSeconds=max(0, min(wait, LONGEST_POLL)),
            VisibilityTimeout=_visibility(visibility),
            MessageAttributeNames=["All"],
            # Older servers ignore the new name.
            MessageSystemAttributeNames=SYSTEM_ATTRIBUTES,
            AttributeNames=SYSTEM_ATTRIBUTES,
        )
        messages = answer.get("Messages")
        return [
            _received(one)
            for one in (messages if isinstance(messages, list) else [])
            if isinstance(one, dict) and one.get("ReceiptHandle")
        ]

    async def send_batch(self, url: str, messages: Sequence[Outgoing]) -> list[Outcome]:
        """Send up to ten messages, 1 MiB in all; return an id or an error for each.

        Unsure means that the message may be in the queue all the same.
        """
        return await _batch(self, SEND, url, [_entry(one) for one in messages])

    async def delete_batch(self, url: str, handles: Sequence[str]) -> list[Outcome]:
        """Delete up to ten messages; return an outcome for each."""
        entries = [{"ReceiptHandle": handle} for handle in handles]
        return await _batch(self, "DeleteMessageBatch", url, entries)

    async def change_visibility_batch(
        self, url: str, changes: Sequence[tuple[str, float]]
    ) -> list[Outcome]:
        """Hide up to ten messages for so many seconds from now; return an outcome for each.

        LeaseLost means that the receipt is no longer valid.
        """
        entries = [
            {"ReceiptHandle": handle, "VisibilityTimeout": _visibility(seconds)}
            for handle, seconds in changes
        ]
        return await _batch(self, "ChangeMessageVisibilityBatch", url, entries)

    async def call(self, action: str, *, wait: float = 0.0, **fields: Any) -> dict[str, Any]:
        """Call an action; return its answer, which SQS may delay by ``wait`` seconds.

        Raises QueueMissing, NotAllowed, Throttled, QueueUnavailable.
        """
        return _object(action, await self.post(action, wait=wait, **fields))

    async def post(self, action: str, *, wait: float = 0.0, **fields: Any) -> HttpResponse:
        """Do what ``call`` does; return the answer unparsed.

        Also raises Unsure where messages to be sent may be in the queue.
        """
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"AmazonSQS.{action}",
        }
        body = json.dumps(fields).encode()
        idle = wait + IDLE
        timeout = idle if wait else TIMEOUT
        request = HttpRequest("POST", f"{self._endpoint}/", headers, body, timeout, idle)
        # A receive is not repeated: messages that it took are invisible for a while.
        send = self._http.send if action == "ReceiveMessage" else self._http.insist
        answer = await send(request)
        if answer.status == 200:
            return answer
        queue = str(fields.get("QueueUrl") or fields.get("QueueName"))
        error = answer_error(action, queue, answer)
        raise Unsure(str(error)) if _is_in_doubt(action, answer) else error


async def _batch(
    client: SqsClient, action: str, url: str, entries: Sequence[Mapping[str, Any]]
) -> list[Outcome]:
    numbered = [{"Id": str(number), **entry} for number, entry in enumerate(entries)]
    answer = await client.post(action, QueueUrl=url, Entries=numbered)
    said, outcomes = _object(action, answer), dict[str, Outcome]()
    for one in _dicts(said.get("Successful")):
        outcomes[str(one.get("Id"))] = str(one.get("MessageId", ""))
    for one in _dicts(said.get("Failed")):
        failed = entry_error(action, url, one)
        outcomes[str(one.get("Id"))] = (
            Unsure(str(failed)) if _is_in_doubt(action, answer) else failed
        )
    silent = (Unsure if action == SEND else QueueUnavailable)(
        f"SQS did not say what became of an entry of {action}"
    )
    return [outcomes.get(entry["Id"], silent) for entry in numbered]


def _is_in_doubt(action: str, answer: HttpResponse) -> bool:
    """Tell whether messages may be in the queue although the answer says that they are not."""
    return action == SEND and answer.is_in_doubt


def _object(action: str, answer: HttpResponse) -> dict[str, Any]:
    try:
        said = json.loads(answer.body or b"{}")
    except ValueError as error:
        text = f"the server that answered {action} is not SQS: set its endpoint"
        raise (Unsure if _is_in_doubt(action, answer) else QueueUnavailable)(text) from error
    return said if isinstance(said, dict) else {}


def _entry(message: Outgoing) -> dict[str, Any]:
    entry: dict[str, Any] = {"MessageBody": message.body}
    if message.attributes:
        entry["MessageAttributes"] = {
            name: {"DataType": one.type, _field(one.type): one.value}
            for name, one in message.attributes.items()
        }
    if message.delay:
        entry["DelaySeconds"] = min(message.delay, LONGEST_DELAY)
    if message.group:
        entry["MessageGroupId"] = message.group
    if message.deduplication:
        entry["MessageDeduplicationId"] = message.deduplication
    if message.trace:
        trace = {"DataType": "String", "StringValue": message.trace}
        entry["MessageSystemAttributes"] = {"AWSTraceHeader": trace}
    return entry


def _field(type: str) -> str:
    return "BinaryValue" if type.startswith("Binary") else "StringValue"


def _received(said: Mapping[str, Any]) -> Received:
    """Return a message as SQS gave it, without malformed parts."""
    attributes = said.get("MessageAttributes")
    known = {}
    for name, one in (attributes if isinstance(attributes, dict) else {}).items():
        type = str(one.get("DataType", "")) if isinstance(one, dict) else ""
        value = one.get(_field(type)) if type else None
        if isinstance(value, str):
            known[str(name)] = Attribute(type, value)
    return Received(
        id=str(said.get("MessageId", "")),
        handle=str(said["ReceiptHandle"]),
        body=str(said.get("Body", "")),
        attributes=known,
        system=_texts(said.get("Attributes")),
    )


def _texts(said: object) -> dict[str, str]:
    return {str(k): str(v) for k, v in said.items()} if isinstance(said, dict) else {}


def _dicts(said: object) -> list[dict[str, Any]]:
    return [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []


def _visibility(seconds: float) -> int:
    return max(0, min(-int(-seconds // 1), LONGEST_VISIBILITY))
