"""SQS, in its JSON protocol: the few actions that a queue needs, batched where it can be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import QueueUnavailable
from gateway.queues.aws import Account
from gateway.queues.aws_address import AwsAccess
from gateway.queues.aws_http import TIMEOUT, Answer, Request, SignedHttp

BATCH = 10
"""Entries of a batch, at most (SQS developer guide, "Message quotas")."""
LONGEST_POLL = 20
LONGEST_VISIBILITY = 12 * 3600
LONGEST_DELAY = 900


class QueueMissing(QueueUnavailable):
    """There is no such queue, or none that we may see."""


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
        return int(self.system.get("ApproximateReceiveCount", "1"))


class SqsClient:
    """The SQS of one account. Queues are named by their URLs."""

    def __init__(self, http: SignedHttp, endpoint: str) -> None:
        self._http = http
        self._endpoint = endpoint

    @classmethod
    async def open(cls, access: AwsAccess, connections: int) -> SqsClient:
        """Make a client. Raises ConfigurationError; nothing is asked of SQS yet."""
        account = await Account.open(access)
        endpoint = await account.endpoint("sqs")
        return cls(SignedHttp(account, "sqs", connections), endpoint.url)

    async def aclose(self) -> None:
        await self._http.aclose()

    @property
    def clock(self) -> object:
        return self._http.clock

    async def queue_url(self, queue: str) -> str:
        """Return the URL of a queue that is named by its name or its URL. Raises QueueMissing."""
        if "://" in queue:
            return queue
        answer = await self.call("GetQueueUrl", QueueName=queue)
        return str(answer["QueueUrl"])

    async def call(self, action: str, *, timeout: float = TIMEOUT, **fields: Any) -> dict[str, Any]:
        """Call an action; return its answer. Raises QueueMissing, QueueUnavailable."""
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"AmazonSQS.{action}",
        }
        body = json.dumps(fields).encode()
        request = Request("POST", f"{self._endpoint}/", headers, body, timeout)
        # A receive is not sent again by itself: what it took is gone for a while.
        send = self._http.send if action == "ReceiveMessage" else self._http.insist
        answer = await send(request)
        if answer.status == 200:
            return dict(json.loads(answer.body or b"{}"))
        raise _error(action, str(fields.get("QueueUrl") or fields.get("QueueName")), answer)


def _error(action: str, queue: str, answer: Answer) -> QueueUnavailable:
    name = queue.rpartition("/")[2]
    if "NonExistentQueue" in answer.code or "QueueDoesNotExist" in answer.code:
        return QueueMissing(f"there is no SQS queue {name}: correct its name, or provision it")
    if answer.status in (401, 403) or "AccessDenied" in answer.code:
        return QueueUnavailable(
            f"SQS refused {action} on {name} ({answer.code}): allow sqs:{action} on it "
            "(gateway policy shows the whole policy)"
        )
    return QueueUnavailable(f"SQS answered {answer.status} {answer.code} to {action} on {name}")
