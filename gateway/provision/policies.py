"""The least that each role must be allowed, as IAM policies."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.provision.desired import Desired, DesiredQueue
from gateway.provision.documents import Arns, Document, policy
from gateway.queues.aws.address import BucketAddress
from gateway.queues.sqs.answering import OWN_REPLIES

_RECEIVING = (
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:SendMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
)
_SENDING = ("sqs:SendMessage", "sqs:GetQueueUrl")
_OWNING = (
    "sqs:CreateQueue",
    "sqs:TagQueue",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteQueue",
)
_EMPTYING = (
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
)


def gateway_policy(desired: Desired, arns: Arns, reply_queues: Sequence[str] = ()) -> Document:
    """The policy of a gateway. ``reply_queues`` are names or URLs of SQS queues."""
    statements = []
    if desired.bucket is not None:
        statements += _gateway_objects(desired, desired.bucket, arns)
    if desired.queue is not None:
        statements.append(_allow("Queue", _RECEIVING, arns.queue))
    if desired.queue is not None and desired.bucket is None:
        places = [_queue_arn(arns, place) for place in (f"{OWN_REPLIES}*", *reply_queues)]
        statements.append(_allow("ReplyQueues", _SENDING, *places))
        dead = _queue_arn(arns, desired.queue.dead_letters)
        statements.append(_allow("DeadLetters", _SENDING, dead))
    return policy(*statements, *_key(desired, "Decrypt", "GenerateDataKey"))


def client_policy(desired: Desired, arns: Arns, *clients: str) -> Document:
    """The policy of a client: its own requests and replies, and nothing else.

    Of several, what a listener must be that writes and reads in the name of each.
    """
    statements = []
    if desired.bucket is not None:
        statements += _client_objects(desired, desired.bucket, arns, clients)
    if desired.queue is not None:
        statements.append(_allow("Queue", _SENDING, arns.queue))
    if desired.queue is not None and desired.bucket is None:
        # Each process makes a queue for its replies, and removes it in the end.
        statements.append(_allow("OwnReplies", _OWNING, _queue_arn(arns, f"{OWN_REPLIES}*")))
    return policy(*statements, *_key(desired, "Decrypt", "GenerateDataKey"))


def operator_policy(desired: Desired, arns: Arns) -> Document:
    """The policy of an operator, who counts the queue and empties its quarantine."""
    statements = []
    if desired.bucket is not None:
        statements += _operator_objects(desired, desired.bucket, arns)
    if desired.queue is not None:
        statements.append(_allow("Queue", (*_SENDING, "sqs:GetQueueAttributes"), arns.queue))
    if desired.queue is not None and not desired.queue.is_doorbell:
        dead = _queue_arn(arns, desired.queue.dead_letters)
        statements.append(_allow("DeadLetters", _EMPTYING, dead))
    return policy(*statements, *_key(desired, "Decrypt", "GenerateDataKey"))


def queue_arn(queue: DesiredQueue, region: str, account: str, partition: str) -> str:
    """Return the ARN of a queue; what is not known of it is an asterisk."""
    return f"arn:{partition}:sqs:{region or '*'}:{queue.account or account or '*'}:{queue.name}"


def _gateway_objects(desired: Desired, bucket: BucketAddress, arns: Arns) -> list[Document]:
    is_s3 = desired.mode != "replies"
    parts = ["requests/", "gateways/", "quarantine/"] if is_s3 else ["gateways/", "quarantine/"]
    reading = _allow(
        "Read",
        ["s3:GetObject"],
        arns.objects(bucket, "format.json"),
        arns.objects(bucket, "contracts", "*"),
    )
    requests = _allow(
        "Requests",
        ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        arns.objects(bucket, "requests", "*"),
    )
    # Without IfExists a reply that is not there yet would be refused with 403, not told by 404:
    # for that S3 asks whether the bucket may be listed, and then there is no prefix to compare.
    listing = _allow("List", ["s3:ListBucket"], arns.bucket(bucket)) | {
        "Condition": {"StringLikeIfExists": {"s3:prefix": [bucket.key(f"{p}*") for p in parts]}}
    }
    writing = _allow(
        "Replies",
        ["s3:GetObject", "s3:PutObject"],
        arns.objects(bucket, "replies", "*"),
        arns.objects(bucket, "quarantine", "*"),
    )
    scratch = _allow(
        "Scratch",
        ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        arns.objects(bucket, "gateways", "*"),
        arns.objects(bucket, "payloads", "*"),
    )
    note = _allow("Format", ["s3:PutObject"], arns.objects(bucket, "format.json"))
    return [listing, reading, note, *([requests] if is_s3 else []), writing, scratch]


def _client_objects(
    desired: Desired, bucket: BucketAddress, arns: Arns, clients: Sequence[str]
) -> list[Document]:
    reading = _allow(
        "Read",
        ["s3:GetObject"],
        *(arns.objects(bucket, "replies", client, "*") for client in clients),
        arns.objects(bucket, "format.json"),
        arns.objects(bucket, "contracts", "*"),
    )
    own = [arns.objects(bucket, "requests", f"*.{client}") for client in clients]
    sending = _allow("Requests", ["s3:PutObject"], *own)
    if desired.mode == "replies":
        # Its requests go through SQS; only what is too large for that is put here.
        own = [arns.objects(bucket, "payloads", client, "*") for client in clients]
        sending = _allow("Payloads", ["s3:PutObject"], *own)
    return [reading, sending | {"Condition": {"Null": {"s3:if-none-match": "false"}}}]


def _operator_objects(desired: Desired, bucket: BucketAddress, arns: Arns) -> list[Document]:
    is_s3 = desired.mode != "replies"
    part = "requests" if is_s3 else "payloads"
    listed = [bucket.key(f"{one}/*") for one in ("quarantine", *(["requests"] if is_s3 else []))]
    listing = _allow("List", ["s3:ListBucket"], arns.bucket(bucket)) | {
        "Condition": {"StringLikeIfExists": {"s3:prefix": listed}}
    }
    reading = _allow(
        "Read",
        ["s3:GetObject"],
        arns.objects(bucket, "format.json"),
        arns.objects(bucket, "quarantine", "*"),
        arns.objects(bucket, "replies", "*"),
        arns.objects(bucket, part, "*"),
    )
    sending = _allow(
        "SendAgain",
        ["s3:PutObject"],
        arns.objects(bucket, "quarantine", "again", "*"),
        arns.objects(bucket, part, "*"),
    )
    dropping = _allow("Drop", ["s3:DeleteObject"], arns.objects(bucket, "quarantine", "*"))
    once = {"Condition": {"Null": {"s3:if-none-match": "false"}}}
    return [listing, reading, sending | once, dropping]


def _allow(sid: str, actions: Sequence[str], *resources: str) -> Document:
    return {
        "Sid": f"Gateway{sid}",
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": list(resources),
    }


def _key(desired: Desired, *actions: str) -> list[Document]:
    """The rights to use an own KMS key, where there is one."""
    key = desired.settings.kms_key
    return [_allow("Key", [f"kms:{action}" for action in actions], key)] if key else []


def _queue_arn(arns: Arns, place: str) -> str:
    """Return the ARN of a reply queue, which is named as the settings name it."""
    parts = place.split("/")
    own = arns.queue.split(":")
    account = parts[-2] if len(parts) > 1 and parts[-2].isdigit() else own[4]
    return ":".join((*own[:4], account, parts[-1]))
