"""The permissions of a gateway on its bucket and its queue, tried one by one.

Nothing is left behind, and no request is touched. Writes that must not happen are tried with a
condition that cannot hold: a service looks first at who asks.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from gateway.errors import ConfigurationError
from gateway.message import new_id
from gateway.provision.connection import AwsClient, Unsupported, code_of, connect, status_of, told
from gateway.provision.desired import Desired, DesiredQueue
from gateway.provision.documents import Arns
from gateway.queues.aws.address import BucketAddress

NOBODY = "gateway-check"
"""The client whose objects are tried: there are none."""
_NEVER = "0" * 32
"""The ETag of no object."""
_BAD_VALUE = ("InvalidParameterValue", "ReadCountOutOfRange")
_OTHER = "use one that has conditional writes."
_HELD = (404, 409, 412)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and its result; ``cure`` is empty where all is well."""

    subject: str
    text: str
    cure: str = ""
    is_note: bool = False
    """Whether it works as it is, and is to be known all the same."""


def examine(desired: Desired) -> Iterator[Finding]:
    """Try what a gateway must be allowed, one by one. It blocks: run it in a thread.

    Raises ConfigurationError where nothing can be asked at all.
    """
    if desired.bucket is not None:
        yield from _bucket(desired, desired.bucket)
    if desired.queue is not None:
        yield from _queue(desired, desired.queue)


def _bucket(desired: Desired, address: BucketAddress) -> Iterator[Finding]:
    bench = _Bench(connect(address.access, "s3"), address)
    missing = address.key("replies", NOBODY, new_id())
    scratch = address.key("gateways", f"{NOBODY}-{secrets.token_hex(8)}")
    listed = bench.call("s3:ListBucket", "list_objects_v2", address.key("requests", ""))
    yield listed
    if "NoSuchBucket" in listed.cure:
        return
    yield bench.call("s3:GetObject", "get_object", address.key("format.json"))
    yield bench.call("s3:GetObject", "get_object", missing)
    yield bench.never(missing)
    yield bench.call("s3:PutObject", "put_object", scratch, IfNoneMatch="*")
    yield bench.refused_twice(scratch)
    yield bench.call("s3:DeleteObject", "delete_object", scratch)
    aside = address.key("quarantine", f"{new_id()}.{NOBODY}")
    yield bench.never(aside)
    if desired.mode != "replies":
        request = address.key("requests", f"{new_id()}.{NOBODY}")
        yield bench.call("s3:GetObject", "get_object", request)
        yield bench.call("s3:DeleteObject", "delete_object", request)
    yield _quarantine(bench, desired.quarantine.days)


def _quarantine(bench: _Bench, days: int) -> Finding:
    """Look whether a rule of the bucket removes what is in quarantine, and after how many days."""
    subject = f"quarantine of {bench.address.bucket}"
    try:
        answer = bench.s3.client.get_bucket_lifecycle_configuration(Bucket=bench.address.bucket)
        rules = answer.get("Rules", [])
    except ClientError as error:
        if status_of(error) != 404:
            text = f"whether a rule empties it cannot be seen from here ({code_of(error)})"
            return Finding(subject, text, is_note=True)
        rules = []
    found = _expiry(rules, bench.address.key("quarantine", ""))
    if found == days:
        return Finding(subject, f"is kept for {days} days")
    said = "for ever: no rule removes it" if found is None else f"for {found} days"
    text = f"is kept {said}; quarantine.days is {days}: gateway provision sets the rule"
    return Finding(subject, text, is_note=True)


def _expiry(rules: Iterable[Mapping[str, Any]], prefix: str) -> int | None:
    """Return after how many days the first rule to do so removes what is below a prefix."""
    days = [
        rule["Expiration"]["Days"]
        for rule in rules
        if rule.get("Status") == "Enabled"
        and "Days" in rule.get("Expiration", {})
        and prefix.startswith(rule.get("Filter", {}).get("Prefix", rule.get("Prefix", prefix)))
    ]
    return min(days, default=None)


@dataclass(frozen=True, slots=True)
class _Bench:
    s3: AwsClient
    address: BucketAddress

    def call(self, permission: str, name: str, key: str, **conditions: str) -> Finding:
        """Try an action on a key; that there is no such object, or not that one, is well."""
        resource = self._resource(permission, key)
        subject = f"{permission} {resource}"

        def ask() -> None:
            place = {"Prefix": key, "MaxKeys": 1} if name == "list_objects_v2" else {"Key": key}
            getattr(self.s3.client, name)(Bucket=self.address.bucket, **place, **conditions)

        return _tried(self.s3, permission, resource, subject, ask)

    def never(self, key: str) -> Finding:
        """Try a write that cannot happen, since there is no object that it could replace."""
        resource = self._resource("s3:PutObject", key)
        subject = f"s3:PutObject {resource}"
        written = []

        def ask() -> None:
            self.s3.client.put_object(Bucket=self.address.bucket, Key=key, IfMatch=_NEVER)
            written.append(key)

        tried = _tried(self.s3, "s3:PutObject", resource, subject, ask)
        if written:
            # MinIO keeps If-Match where there is an object, and writes where there is none; whether
            # a store keeps it at all is tried by every gateway as it starts.
            with contextlib.suppress(ClientError):
                self.s3.client.delete_object(Bucket=self.address.bucket, Key=key)
        return tried

    def refused_twice(self, key: str) -> Finding:
        """Try whether the store keeps If-None-Match: the object is there by now."""
        subject = f"If-None-Match on {self.address.bucket}"
        try:
            self.s3.client.put_object(Bucket=self.address.bucket, Key=key, IfNoneMatch="*")
        except ClientError as error:
            if status_of(error) == 412:
                return Finding(subject, "is kept")
            return Finding(subject, "", f"could not be tried ({code_of(error)})")
        return Finding(subject, "", f"this store overwrites in spite of it: {_OTHER}")

    def _resource(self, permission: str, key: str) -> str:
        bucket = Arns(partition=self.s3.partition).bucket(self.address)
        if permission == "s3:ListBucket":
            return bucket
        folder, _, last = key.rpartition("/")
        return f"{bucket}/{key}" if last == "format.json" else f"{bucket}/{folder}/*"


def _tried(
    service: AwsClient, permission: str, resource: str, subject: str, ask: Callable[[], Any]
) -> Finding:
    try:
        with told(service, permission, resource):
            _asked(ask)
    except Unsupported as error:
        return Finding(subject, "", f"not supported by this store: {error}")
    except ConfigurationError as error:
        return Finding(subject, "", str(error))
    return Finding(subject, "is allowed")


def _asked(ask: Callable[[], Any]) -> None:
    """Ask; that an object is not there, or a condition does not hold, is an answer as well."""
    try:
        ask()
    except ClientError as error:
        if status_of(error) not in _HELD or code_of(error) == "NoSuchBucket":
            raise


def _queue(desired: Desired, queue: DesiredQueue) -> Iterator[Finding]:
    sqs = connect(queue.access, "sqs")
    resource = f"arn:{sqs.partition}:sqs:{sqs.region}:{queue.account or '*'}:{queue.name}"
    url = queue.place

    def one(permission: str, ask: Callable[[], Any]) -> Finding:
        return _tried(sqs, permission, resource, f"{permission} {resource}", ask)

    if "://" not in url:
        found = one("sqs:GetQueueUrl", lambda: sqs.client.get_queue_url(QueueName=queue.name))
        yield found
        if found.cure:
            return
        url = sqs.client.get_queue_url(QueueName=queue.name)["QueueUrl"]
    yield one("sqs:GetQueueAttributes", lambda: _waiting(sqs, url))
    yield one("sqs:ReceiveMessage", lambda: _receive(sqs, url))
    yield one("sqs:DeleteMessage", lambda: _without_receipt(sqs, "delete_message", url))
    yield one(
        "sqs:ChangeMessageVisibility",
        lambda: _without_receipt(sqs, "change_message_visibility", url, VisibilityTimeout=0),
    )
    if queue.is_doorbell and desired.bucket is not None:
        address = desired.bucket
        yield one("sqs:SendMessage", lambda: _ring(sqs, url, address))


def _waiting(sqs: AwsClient, url: str) -> int:
    name = "ApproximateNumberOfMessages"
    answer = sqs.client.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(answer.get("Attributes", {}).get(name, 0))


def _receive(sqs: AwsClient, url: str) -> None:
    """Receive from an empty queue; a message that waits would be counted as delivered.

    Then more messages are asked for than SQS ever gives, which it refuses to those who may ask.
    """
    limit = 11 if _waiting(sqs, url) else 1
    try:
        sqs.client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=limit, VisibilityTimeout=0, WaitTimeSeconds=0
        )
    except ClientError as error:
        if limit == 1 or code_of(error) not in _BAD_VALUE:
            raise


def _without_receipt(sqs: AwsClient, call: str, url: str, **fields: int) -> None:
    """Do something to no message: who may not is refused for that, before the receipt is."""
    try:
        getattr(sqs.client, call)(QueueUrl=url, ReceiptHandle="none", **fields)
    except ClientError as error:
        if "ReceiptHandle" not in code_of(error) and code_of(error) not in _BAD_VALUE:
            raise


def _ring(sqs: AwsClient, url: str, address: BucketAddress) -> None:
    """Ring for a request that is gone, as doubled notifications do."""
    key = address.key("requests", f"{new_id()}.{NOBODY}")
    body = json.dumps({"gateway": "ring", "key": key})
    sqs.client.send_message(QueueUrl=url, MessageBody=body)
