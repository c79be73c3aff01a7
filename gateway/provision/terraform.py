"""The same for Terraform and OpenTofu, in their JSON syntax (``gateway.tf.json``)."""

from __future__ import annotations

import json

from gateway.provision import documents
from gateway.provision.desired import Desired, DesiredQueue
from gateway.provision.documents import Arns, Document
from gateway.provision.templates import typed
from gateway.queues.aws.address import BucketAddress

_ARNS = Arns(
    partition="${data.aws_partition.current.partition}",
    account="${data.aws_caller_identity.current.account_id}",
    queue="${aws_sqs_queue.queue.arn}",
    dead_letters="${aws_sqs_queue.dead_letters.arn}",
)
_BUCKET = "${aws_s3_bucket.bucket.id}"
_NAMES = {
    "DeduplicationScope": "deduplication_scope",
    "FifoQueue": "fifo_queue",
    "FifoThroughputLimit": "fifo_throughput_limit",
    "KmsMasterKeyId": "kms_master_key_id",
    "MaximumMessageSize": "max_message_size",
    "MessageRetentionPeriod": "message_retention_seconds",
    "ReceiveMessageWaitTimeSeconds": "receive_wait_time_seconds",
    "RedrivePolicy": "redrive_policy",
    "SqsManagedSseEnabled": "sqs_managed_sse_enabled",
}
"""The attributes of a queue, by the names of Terraform's AWS provider."""


def terraform(desired: Desired) -> Document:
    """Return a configuration of Terraform."""
    resources: Document = {}
    if desired.bucket is not None:
        resources |= _bucket(desired, desired.bucket)
    if desired.queue is not None:
        resources |= _queues(desired.queue, desired.bucket)
    return {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}},
        "data": {"aws_partition": {"current": {}}, "aws_caller_identity": {"current": {}}},
        "resource": resources,
    }


def _bucket(desired: Desired, address: BucketAddress) -> Document:
    block = documents.PUBLIC_ACCESS_BLOCK
    resources = {
        "aws_s3_bucket": {"bucket": address.bucket, "lifecycle": {"prevent_destroy": True}},
        "aws_s3_bucket_public_access_block": {
            "bucket": _BUCKET,
            "block_public_acls": block["BlockPublicAcls"],
            "ignore_public_acls": block["IgnorePublicAcls"],
            "block_public_policy": block["BlockPublicPolicy"],
            "restrict_public_buckets": block["RestrictPublicBuckets"],
        },
        "aws_s3_bucket_ownership_controls": {
            "bucket": _BUCKET,
            "rule": {"object_ownership": "BucketOwnerEnforced"},
        },
        "aws_s3_bucket_policy": {"bucket": _BUCKET, "policy": _policies(address)},
        "aws_s3_bucket_server_side_encryption_configuration": {
            "bucket": _BUCKET,
            "rule": _encryption(desired.settings.kms_key),
        },
        "aws_s3_bucket_lifecycle_configuration": {
            "bucket": _BUCKET,
            "rule": _lifecycle(desired, address),
        },
        "aws_s3_object": {
            "bucket": _BUCKET,
            "key": address.key("format.json"),
            "content": documents.format_note(desired).decode(),
            "content_type": "application/json",
        },
        **_cors(desired, address),
        **_notification(address),
    }
    return {kind: {"bucket": resource} for kind, resource in resources.items()}


def _policies(address: BucketAddress) -> str:
    return _policy(documents.tls_only(_ARNS, address), documents.written_once(_ARNS, address))


def _encryption(kms_key: str) -> Document:
    if not kms_key:
        return {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    default = {"sse_algorithm": "aws:kms", "kms_master_key_id": kms_key}
    return {"apply_server_side_encryption_by_default": default, "bucket_key_enabled": True}


def _lifecycle(desired: Desired, address: BucketAddress) -> list[Document]:
    rules = [
        {
            "id": rule["ID"],
            "status": "Enabled",
            "filter": {"prefix": rule["Filter"]["Prefix"]},
            "expiration": {"days": rule["Expiration"]["Days"]},
        }
        for rule in documents.expirations(desired, address)
    ]
    uploads = documents.unfinished_uploads(address)
    days = uploads["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
    aborting = {
        "id": uploads["ID"],
        "status": "Enabled",
        "filter": {"prefix": uploads["Filter"]["Prefix"]},
        "abort_incomplete_multipart_upload": {"days_after_initiation": days},
    }
    return [*rules, aborting]


def _cors(desired: Desired, address: BucketAddress) -> Document:
    rule = documents.cors(desired, address)
    if rule is None:
        return {}
    written = {
        "id": rule["ID"],
        "allowed_origins": rule["AllowedOrigins"],
        "allowed_methods": rule["AllowedMethods"],
        "allowed_headers": rule["AllowedHeaders"],
        "expose_headers": rule["ExposeHeaders"],
        "max_age_seconds": rule["MaxAgeSeconds"],
    }
    return {"aws_s3_bucket_cors_configuration": {"bucket": _BUCKET, "cors_rule": written}}


def _notification(address: BucketAddress) -> Document:
    if not address.doorbell:
        return {}
    rule = documents.notification(_ARNS, address)
    queue = {
        "id": rule["Id"],
        "queue_arn": rule["QueueArn"],
        "events": rule["Events"],
        "filter_prefix": rule["Filter"]["Key"]["FilterRules"][0]["Value"],
    }
    waits = {"depends_on": ["aws_sqs_queue_policy.queue"]}
    return {"aws_s3_bucket_notification": {"bucket": _BUCKET, "queue": queue, **waits}}


def _queues(queue: DesiredQueue, bucket: BucketAddress | None) -> Document:
    statements = [documents.queue_tls_only(_ARNS.queue)]
    if queue.is_doorbell and bucket is not None:
        statements.append(documents.may_ring(_ARNS, bucket))
    dead = documents.queue_tls_only(_ARNS.dead_letters)
    return {
        "aws_sqs_queue": {
            "dead_letters": _queue(queue.dead_letters, documents.dead_letter_attributes(queue)),
            "queue": _queue(queue.name, documents.queue_attributes(queue, _ARNS.dead_letters)),
        },
        "aws_sqs_queue_policy": {
            "dead_letters": _queue_policy("dead_letters", dead),
            "queue": _queue_policy("queue", *statements),
        },
    }


def _queue(name: str, attributes: dict[str, str]) -> Document:
    values = {
        _NAMES[key]: value if key == "RedrivePolicy" else typed(value)
        for key, value in attributes.items()
    }
    return {"name": name, **values, "lifecycle": {"prevent_destroy": True}}


def _queue_policy(queue: str, *statements: Document) -> Document:
    return {"queue_url": f"${{aws_sqs_queue.{queue}.id}}", "policy": _policy(*statements)}


def _policy(*statements: Document) -> str:
    return json.dumps(documents.policy(*statements))
