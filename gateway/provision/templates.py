"""The same as templates, for those who make everything with CloudFormation or Terraform."""

from __future__ import annotations

import json
from typing import Any

from gateway.errors import ConfigurationError
from gateway.provision import documents
from gateway.provision.desired import Desired, DesiredQueue
from gateway.provision.documents import Arns, Document
from gateway.queues.aws.address import BucketAddress

_KEPT = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
"""A stack that is deleted leaves the requests."""
_IN_CLOUDFORMATION = Arns(
    partition="${AWS::Partition}",
    account="${AWS::AccountId}",
    queue="${Queue.Arn}",
    dead_letters="${DeadLetters.Arn}",
)


def cloudformation(desired: Desired) -> Document:
    """Return a template of CloudFormation."""
    resources: Document = {}
    if desired.bucket is not None:
        resources |= _bucket(desired, desired.bucket)
    if desired.queue is not None:
        resources |= _queues(desired.queue, desired.bucket)
    described = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The queue of a SOAP gateway. format.json is written by the first gateway.",
        "Resources": resources,
    }
    return dict(_substituted(described))


def _bucket(desired: Desired, address: BucketAddress) -> Document:
    properties: Document = {
        "BucketName": address.bucket,
        "PublicAccessBlockConfiguration": documents.PUBLIC_ACCESS_BLOCK,
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [_encryption(desired)]},
        "LifecycleConfiguration": {"Rules": _lifecycle(desired, address)},
    }
    rule = documents.cors(desired, address)
    if rule is not None:
        properties["CorsConfiguration"] = {"CorsRules": [_cors(rule)]}
    bucket: Document = {"Type": "AWS::S3::Bucket", "Properties": properties, **_KEPT}
    if address.doorbell:
        bucket["DependsOn"] = ["QueuePolicy"]
        properties["NotificationConfiguration"] = {"QueueConfigurations": [_event(address)]}
    statements = [
        documents.tls_only(_IN_CLOUDFORMATION, address),
        documents.written_once(_IN_CLOUDFORMATION, address),
    ]
    policy = {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": documents.policy(*statements)}
    return {
        "Bucket": bucket,
        "BucketPolicy": {"Type": "AWS::S3::BucketPolicy", "Properties": policy},
    }


def _encryption(desired: Desired) -> Document:
    """Return the encryption by the names of CloudFormation."""
    rule = documents.encryption(desired.settings.kms_key)
    rule["ServerSideEncryptionByDefault"] = rule.pop("ApplyServerSideEncryptionByDefault")
    return rule


def _lifecycle(desired: Desired, address: BucketAddress) -> list[Document]:
    rules: list[Document] = [
        {
            "Id": rule["ID"],
            "Status": "Enabled",
            "Prefix": rule["Filter"]["Prefix"],
            "ExpirationInDays": rule["Expiration"]["Days"],
        }
        for rule in documents.expirations(desired, address)
    ]
    uploads = documents.unfinished_uploads(address)
    return [
        *rules,
        {
            "Id": uploads["ID"],
            "Status": "Enabled",
            "Prefix": uploads["Filter"]["Prefix"],
            "AbortIncompleteMultipartUpload": uploads["AbortIncompleteMultipartUpload"],
        },
    ]


def _cors(rule: Document) -> Document:
    return {
        "Id": rule["ID"],
        "AllowedOrigins": rule["AllowedOrigins"],
        "AllowedMethods": rule["AllowedMethods"],
        "AllowedHeaders": rule["AllowedHeaders"],
        "ExposedHeaders": rule["ExposeHeaders"],
        "MaxAge": rule["MaxAgeSeconds"],
    }


def _event(address: BucketAddress) -> Document:
    rules = documents.notification(_IN_CLOUDFORMATION, address)["Filter"]["Key"]["FilterRules"]
    return {
        "Event": "s3:ObjectCreated:*",
        "Queue": _IN_CLOUDFORMATION.queue,
        "Filter": {"S3Key": {"Rules": rules}},
    }


def _queues(queue: DesiredQueue, bucket: BucketAddress | None) -> Document:
    arns = _IN_CLOUDFORMATION
    statements = [documents.queue_tls_only(arns.queue)]
    if queue.is_doorbell and bucket is not None:
        statements.append(documents.may_ring(arns, bucket))
    wanted = documents.queue_attributes(queue, arns.dead_letters)
    dead = documents.dead_letter_attributes(queue)
    return {
        "DeadLetters": _queue(queue.dead_letters, dead),
        "DeadLettersPolicy": _queue_policy(
            "DeadLetters", [documents.queue_tls_only(arns.dead_letters)]
        ),
        "Queue": _queue(queue.name, wanted),
        "QueuePolicy": _queue_policy("Queue", statements),
    }


def _queue(name: str, attributes: dict[str, str]) -> Document:
    """Return a queue: CloudFormation has the attributes' names, and values with types."""
    properties = {key: typed(value) for key, value in attributes.items()}
    return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name, **properties}, **_KEPT}


def _queue_policy(queue: str, statements: list[Document]) -> Document:
    properties = {"Queues": [{"Ref": queue}], "PolicyDocument": documents.policy(*statements)}
    return {"Type": "AWS::SQS::QueuePolicy", "Properties": properties}


def typed(value: str) -> Any:
    """Return the value of an attribute as templates have it: numbers, booleans, objects."""
    return json.loads(value) if value[0] in "{tf0123456789" else value


def _substituted(value: Any) -> Any:
    """Wrap each text with a placeholder, so that CloudFormation puts the value in."""
    if isinstance(value, dict):
        return {key: _substituted(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_substituted(one) for one in value]
    return {"Fn::Sub": value} if isinstance(value, str) and "${" in value else value


def refuse_other_clouds(desired: Desired) -> None:
    """Raise ConfigurationError where the address is of a store that has no templates."""
    for place in (desired.bucket, desired.queue):
        if place is not None and any(place.access.endpoint(name) for name in ("s3", "sqs")):
            raise ConfigurationError(
                "queue: templates are for AWS, and this address has an endpoint of its own: "
                "leave --output out."
            )
