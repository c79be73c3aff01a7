"""The pieces of an SQS queue: itself, its dead letters, and who may send."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from gateway.errors import ConfigurationError
from gateway.provision import documents
from gateway.provision.connection import AwsClient, code_of, told
from gateway.provision.desired import DesiredQueue
from gateway.provision.documents import Arns, Document
from gateway.provision.merging import with_statement
from gateway.provision.pieces import Piece
from gateway.queues.aws.address import BucketAddress

_NOT_THERE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_ENCRYPTION = ("KmsMasterKeyId", "SqsManagedSseEnabled")
_UNSAID = (*_ENCRYPTION, "RedrivePolicy")
"""What a queue does not tell while it is not set."""
_FOR_GOOD = frozenset({"FifoQueue"})
"""What cannot be changed once a queue is there."""
_PLAIN_HTTP = "skipped: the address of this service is plain HTTP, which it would refuse"


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """An SQS service, and the queue that is wanted there."""

    sqs: AwsClient
    queue: DesiredQueue

    def url(self, name: str) -> str | None:
        """Return where a queue is; None where there is none. Raises ConfigurationError."""
        with told(self.sqs, "sqs:GetQueueUrl", self.resource(name)):
            try:
                url = str(self.sqs.client.get_queue_url(QueueName=name)["QueueUrl"])
            except ClientError as error:
                if code_of(error) in _NOT_THERE:
                    return None
                raise
        if self.sqs.is_aws and self.queue.account not in ("", url.split("/")[-2]):
            raise ConfigurationError(
                f"queue: {self.queue.place} is in another account: its owner must provision it."
            )
        return url

    def attributes(self, name: str) -> dict[str, str] | None:
        """Return all attributes of a queue; None where there is none."""
        url = self.url(name)
        if url is None:
            return None
        with told(self.sqs, "sqs:GetQueueAttributes", self.resource(name)):
            answer = self.sqs.client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return dict(answer.get("Attributes", {}))

    def arn(self, name: str) -> str:
        """Return the ARN of a queue; empty where there is none yet."""
        return (self.attributes(name) or {}).get("QueueArn", "")

    def change(self, name: str, attributes: dict[str, str]) -> None:
        """Set attributes; make the queue where it is missing."""
        url = self.url(name)
        if url is None:
            with told(self.sqs, "sqs:CreateQueue", self.resource(name)):
                self.sqs.client.create_queue(QueueName=name, Attributes=attributes)
            return
        changed = {key: one for key, one in attributes.items() if key not in _FOR_GOOD}
        with told(self.sqs, "sqs:SetQueueAttributes", self.resource(name)):
            self.sqs.client.set_queue_attributes(QueueUrl=url, Attributes=changed)

    def resource(self, name: str) -> str:
        account = self.queue.account or "*"
        return f"arn:{self.sqs.partition}:sqs:{self.sqs.region}:{account}:{name}"

    def arns(self) -> Arns:
        """Return the names that AWS gave; those of queues that are not there yet are empty."""
        queue = self.arn(self.queue.name)
        account = queue.split(":")[4] if self.sqs.is_aws and queue else ""
        return Arns(partition=self.sqs.partition, account=account, queue=queue)


def queue_pieces(place: QueuePlace, notified_by: BucketAddress | None) -> list[Piece]:
    """Return the pieces in the order to make them; a bucket that rings may send."""
    queue = place.queue
    ringing = [_may_ring(place, notified_by)] if notified_by else []
    return [
        _dead_letters(place),
        _encryption(place, queue.dead_letters),
        _tls_only(place, queue.dead_letters),
        _queue(place),
        _encryption(place, queue.name),
        _tls_only(place, queue.name),
        *ringing,
    ]


def _dead_letters(place: QueuePlace) -> Piece:
    wanted = _without_encryption(documents.dead_letter_attributes(place.queue))
    text = f"what was received {place.queue.receives} times, for 14 days"
    name = place.queue.dead_letters
    return _attributes(place, name, f"queue {name}", text, lambda: wanted)


def _queue(place: QueuePlace) -> Piece:
    queue = place.queue

    def wanted() -> dict[str, str]:
        dead_letters = place.arn(queue.dead_letters)
        return _without_encryption(documents.queue_attributes(queue, dead_letters))

    text = f"{'FIFO, ' if queue.is_fifo else ''}long polls, messages kept for 14 days"
    return _attributes(place, queue.name, f"queue {queue.name}", text, wanted)


def _encryption(place: QueuePlace, name: str) -> Piece:
    attributes = documents.dead_letter_attributes(place.queue)
    wanted = {key: attributes[key] for key in _ENCRYPTION if key in attributes}
    text = f"by {place.queue.kms_key}" if place.queue.kms_key else "by keys of SQS, or its own"
    return _attributes(place, name, "  encryption", text, lambda: wanted)


def _attributes(
    place: QueuePlace, name: str, subject: str, text: str, wanted: Callable[[], dict[str, str]]
) -> Piece:
    def merge(found: dict[str, str] | None) -> dict[str, str]:
        changed = _changed(found or {}, wanted())
        if found and not place.sqs.is_aws:
            # What a store never tells it does not have: it would be set again each time.
            changed = {key: one for key, one in changed.items() if key in {*found, *_UNSAID}}
        return changed or found or {}

    return Piece(
        subject=subject,
        text=text,
        read=lambda: place.attributes(name),
        merge=merge,
        write=lambda attributes: place.change(name, attributes),
        is_needed=not subject.startswith(" "),
    )


def _changed(found: dict[str, str], wanted: dict[str, str]) -> dict[str, str]:
    """The attributes that must be set. Those that somebody chose for good reasons stay."""
    changed = {key: one for key, one in wanted.items() if not _is_same(found.get(key), one)}
    if "KmsMasterKeyId" in found:
        changed.pop("SqsManagedSseEnabled", None)
    if not _is_ours(found.get("RedrivePolicy"), wanted.get("RedrivePolicy")):
        changed.pop("RedrivePolicy", None)
    return changed


def _is_same(found: str | None, wanted: str) -> bool:
    if found is None or not wanted.startswith("{"):
        return found == wanted
    values = [{key: str(one) for key, one in json.loads(text).items()} for text in (found, wanted)]
    return values[0] == values[1]


def _is_ours(found: str | None, wanted: str | None) -> bool:
    """True where dead letters go where we want them, or nowhere yet."""
    if not found or not wanted:
        return True
    target = "deadLetterTargetArn"
    return bool(json.loads(found).get(target) == json.loads(wanted)[target])


def _without_encryption(attributes: dict[str, str]) -> dict[str, str]:
    """The attributes that every store has: encryption is a piece of its own."""
    return {key: one for key, one in attributes.items() if key not in _ENCRYPTION}


def _tls_only(place: QueuePlace, name: str) -> Piece:
    return _statement(
        place,
        name,
        ("  policy: TLS", "plain HTTP is refused"),
        lambda: documents.queue_tls_only(place.arn(name)),
        "" if place.sqs.is_tls else _PLAIN_HTTP,
    )


def _may_ring(place: QueuePlace, bucket: BucketAddress) -> Piece:
    return _statement(
        place,
        place.queue.name,
        ("  policy: S3", f"the bucket {bucket.bucket} may send, no other"),
        lambda: documents.may_ring(place.arns(), bucket),
        "",
    )


def _statement(
    place: QueuePlace,
    name: str,
    words: tuple[str, str],
    statement: Callable[[], Document],
    skipped: str,
) -> Piece:
    def read() -> Any:
        policy = (place.attributes(name) or {}).get("Policy", "")
        return json.loads(policy) if policy else None

    subject, text = words
    return Piece(
        subject=subject,
        text=text,
        read=read,
        merge=lambda found: with_statement(found, statement()),
        write=lambda policy: place.change(name, {"Policy": json.dumps(policy)}),
        skipped=skipped,
    )
