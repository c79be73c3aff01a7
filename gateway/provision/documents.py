"""The documents that S3 and SQS keep for a queue: rules, policies, attributes.

Every rule and statement of ours has an id that begins with ``gateway`` and is of one prefix of
the bucket, so that several queues, and other people's rules, live beside each other.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from gateway.message import ID_WINDOW, REPLY_RETENTION
from gateway.provision.desired import Desired, DesiredQueue
from gateway.queues.aws.address import BucketAddress

Document = dict[str, Any]

DAY = 86400
PAYLOAD_DAYS = int((REPLY_RETENTION + ID_WINDOW) / DAY)
REPLY_DAYS = int(REPLY_RETENTION / DAY)
SIGN_DAYS = 1
"""A gateway's sign of life is rewritten twice a minute."""
UPLOAD_DAYS = 7
RETENTION = 14 * DAY
"""Seconds that SQS keeps a message: the longest that it offers."""
LONG_POLL = 20
LARGEST = 1 << 20
CORS_AGE = 3600

PUBLIC_ACCESS_BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arns:
    """The names that AWS gives; templates have placeholders in their places."""

    partition: str = "aws"
    account: str = ""
    queue: str = ""
    dead_letters: str = ""

    def bucket(self, address: BucketAddress) -> str:
        return f"arn:{self.partition}:s3:::{address.bucket}"

    def objects(self, address: BucketAddress, *parts: str) -> str:
        """Return the ARN of objects; an asterisk stands for any text."""
        return f"{self.bucket(address)}/{address.key(*parts)}"


def rule_id(address: BucketAddress, part: str) -> str:
    """Return the id of a rule of ours."""
    return "-".join(("gateway", address.prefix, part) if address.prefix else ("gateway", part))


def statement_id(address: BucketAddress, part: str) -> str:
    """Return the Sid of a statement about a prefix; it can hold no more than letters, digits."""
    prefix = hashlib.sha256(address.prefix.encode()).hexdigest()[:12] if address.prefix else ""
    return f"Gateway{part}{prefix}"


def encryption(kms_key: str) -> Document:
    """Return the default encryption of a bucket, as S3 has it."""
    if not kms_key:
        return {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    return {
        "ApplyServerSideEncryptionByDefault": {
            "SSEAlgorithm": "aws:kms",
            "KMSMasterKeyID": kms_key,
        },
        # One call of KMS for many objects, not one for each.
        "BucketKeyEnabled": True,
    }


def policy(*statements: Document) -> Document:
    """Return a policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def tls_only(arns: Arns, address: BucketAddress) -> Document:
    """Return the statement of a bucket policy that refuses plain HTTP."""
    return {
        "Sid": "GatewayTlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arns.bucket(address), f"{arns.bucket(address)}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def written_once(arns: Arns, address: BucketAddress) -> Document:
    """Return the statement that refuses a request which could overwrite another."""
    return {
        "Sid": statement_id(address, "WrittenOnce"),
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": arns.objects(address, "requests", "*"),
        "Condition": {"Null": {"s3:if-none-match": "true"}},
    }


def expirations(desired: Desired, address: BucketAddress) -> list[Document]:
    """Return the lifecycle rules. Requests have none: they would be lost without a word."""
    days = {
        "replies": REPLY_DAYS,
        "payloads": PAYLOAD_DAYS,
        "quarantine": desired.quarantine.days,
        "gateways": SIGN_DAYS,
    }
    return [
        {
            "ID": rule_id(address, part),
            "Status": "Enabled",
            "Filter": {"Prefix": address.key(part, "")},
            "Expiration": {"Days": number},
        }
        for part, number in days.items()
    ]


def unfinished_uploads(address: BucketAddress) -> Document:
    """Return the lifecycle rule that removes uploads in parts which were never completed."""
    return {
        "ID": rule_id(address, "uploads"),
        "Status": "Enabled",
        "Filter": {"Prefix": address.key("") if address.prefix else ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOAD_DAYS},
    }


def cors(desired: Desired, address: BucketAddress) -> Document | None:
    """Return the rule for programs in browsers; None where no origin is named."""
    if not desired.settings.cors_origins:
        return None
    return {
        "ID": rule_id(address, "browsers"),
        "AllowedOrigins": list(desired.settings.cors_origins),
        "AllowedMethods": ["GET", "PUT"],
        "AllowedHeaders": ["content-type", "if-none-match", "x-amz-*"],
        "ExposeHeaders": ["ETag", *_exposed()],
        "MaxAgeSeconds": CORS_AGE,
    }


def _exposed() -> list[str]:
    """Return the headers of a reply that a browser's program reads: S3 exposes no patterns."""
    soap = ("contenttype", "isfault", "bindingversion", "contentencoding", "requesturi")
    names = [f"soapjms-{name}" for name in soap]
    names += ["jmscorrelationid", "gateway-state", "gateway-request-sha256", "gateway-quarantined"]
    return [f"x-amz-meta-{name}" for name in names]


def notification(arns: Arns, address: BucketAddress) -> Document:
    """The notification by which S3 tells the doorbell of each new request."""
    prefix = address.key("requests", "")
    return {
        "Id": rule_id(address, "doorbell"),
        "QueueArn": arns.queue,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
    }


def format_note(desired: Desired) -> bytes:
    """The content of a bucket's format.json."""
    note = {"format": "gateway-queue", "version": 1, "mode": desired.mode}
    return json.dumps(note).encode()


def queue_tls_only(queue_arn: str) -> Document:
    """Return the statement of a queue's policy that refuses plain HTTP."""
    return {
        "Sid": "GatewayTlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": queue_arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def may_ring(arns: Arns, address: BucketAddress) -> Document:
    """Return the statement that lets S3 send for this bucket, and for no other."""
    condition: Document = {"ArnEquals": {"aws:SourceArn": arns.bucket(address)}}
    if arns.account:
        # The name of a deleted bucket is free for strangers: the account is what stays ours.
        condition["StringEquals"] = {"aws:SourceAccount": arns.account}
    name = hashlib.sha256(address.bucket.encode()).hexdigest()[:12]
    return {
        "Sid": f"GatewayMayRing{name}",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arns.queue,
        "Condition": condition,
    }


def queue_attributes(queue: DesiredQueue, dead_letters: str) -> dict[str, str]:
    """Return the attributes of a queue, but for its policy; ``dead_letters`` is an ARN."""
    redrive = {"deadLetterTargetArn": dead_letters, "maxReceiveCount": queue.receives}
    return {
        **dead_letter_attributes(queue),
        "ReceiveMessageWaitTimeSeconds": str(LONG_POLL),
        "RedrivePolicy": json.dumps(redrive),
    }


def dead_letter_attributes(queue: DesiredQueue) -> dict[str, str]:
    """Return the attributes of the queue for the dead letters."""
    attributes = {
        "MessageRetentionPeriod": str(RETENTION),
        "MaximumMessageSize": str(LARGEST),
    }
    if queue.is_fifo:
        # Each client has groups of its own: order and doubles matter inside of one alone.
        attributes |= {
            "FifoQueue": "true",
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
        }
    if queue.kms_key:
        return attributes | {"KmsMasterKeyId": queue.kms_key}
    return attributes | {"SqsManagedSseEnabled": "true"}
