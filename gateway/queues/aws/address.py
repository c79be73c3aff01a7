"""The addresses of queues on S3 and SQS: ``s3://BUCKET/PREFIX?...`` and ``sqs://QUEUE?...``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from gateway.errors import ConfigurationError

ACCESS = ("region", "profile", "endpoint_url", "s3_endpoint_url", "sqs_endpoint_url", "addressing")
ADDRESSING = ("auto", "path", "virtual")

# The rules for names of buckets (S3 user guide, "Bucket naming rules") and of queues.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*")
_QUEUE = re.compile(r"[A-Za-z0-9_-]{1,75}(\.fifo)?")
_QUEUE_URL = re.compile(r"[A-Za-z0-9.:-]+(/[A-Za-z0-9_.-]+)*/" + _QUEUE.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsAccess:
    """Endpoints and credentials; for empty fields, boto3's own rules apply."""

    region: str = ""
    profile: str = ""
    endpoint_url: str = ""
    """For both services; an endpoint for one of them takes precedence."""
    s3_endpoint_url: str = ""
    sqs_endpoint_url: str = ""
    addressing: str = "auto"
    """``path`` or ``virtual``; ``auto`` is path style for an S3 that is not AWS's."""

    def endpoint(self, service: str) -> str:
        """Return the endpoint set for ``s3`` or ``sqs``; empty where none is."""
        own = {"s3": self.s3_endpoint_url, "sqs": self.sqs_endpoint_url}[service]
        return own or self.endpoint_url


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAddress:
    """A queue bucket, or a part of a bucket; ``doorbell`` is the name or URL of an SQS queue."""

    bucket: str
    prefix: str = ""
    doorbell: str = ""
    access: AwsAccess = AwsAccess()

    def key(self, *parts: str) -> str:
        """Return the key of an object of the queue."""
        return "/".join((self.prefix, *parts)) if self.prefix else "/".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsAddress:
    """An SQS queue, by its name or URL, and the bucket that its replies are kept in."""

    queue: str
    replies: BucketAddress | None = None
    unsafe_duplicates: bool = False
    access: AwsAccess = AwsAccess()

    @property
    def is_fifo(self) -> bool:
        return self.queue.endswith(".fifo")


def parse_bucket(address: str) -> BucketAddress:
    """Parse ``s3://BUCKET/PREFIX?doorbell=QUEUE``. Raises ConfigurationError with the cure."""
    place, options = _split(address, "s3", ("doorbell", *ACCESS))
    bucket, _, prefix = place.partition("/")
    prefix = prefix.strip("/")
    if not _BUCKET.fullmatch(bucket):
        raise ConfigurationError(
            f"queue: {address!r} names no bucket: write s3://BUCKET/PREFIX, where BUCKET has 3 to "
            "63 lowercase letters, digits, dots and hyphens."
        )
    if prefix and not _PREFIX.fullmatch(prefix):
        raise ConfigurationError(
            f"queue: the prefix {prefix!r} is not usable: write names of letters, digits, '-', "
            "'_' and '.', with one '/' between them."
        )
    doorbell = options.pop("doorbell", "")
    if doorbell:
        doorbell = _queue(doorbell)
    return BucketAddress(bucket=bucket, prefix=prefix, doorbell=doorbell, access=_access(options))


def parse_sqs(address: str) -> SqsAddress:
    """Parse ``sqs://QUEUE?replies=s3://BUCKET/PREFIX``. Raises ConfigurationError with the cure.

    The bucket is accessed like the queue, unless its own address says otherwise.
    """
    place, options = _split(address, "sqs", ("replies", "unsafe_duplicates", *ACCESS))
    queue = _queue(place)
    replies = options.pop("replies", "")
    unsafe = options.pop("unsafe_duplicates", "false")
    if unsafe not in ("true", "false"):
        raise ConfigurationError("queue: unsafe_duplicates must be true or false.")
    access = _access(options)
    bucket = parse_bucket(replies) if replies else None
    if bucket is not None and bucket.doorbell:
        raise ConfigurationError("queue: the bucket of replies has no doorbell: leave it out.")
    if bucket is not None and bucket.access == AwsAccess():
        bucket = replace(bucket, access=access)
    return SqsAddress(
        queue=queue, replies=bucket, unsafe_duplicates=unsafe == "true", access=access
    )


def place_of(address: str) -> BucketAddress | SqsAddress | None:
    """Parse an AWS address; None for any other. Raises ConfigurationError."""
    match address.partition(":")[0]:
        case "s3":
            return parse_bucket(address)
        case "sqs":
            return parse_sqs(address)
    return None


def bucket_of(address: str) -> BucketAddress | None:
    """Return the bucket of a queue or of its replies; None where there is none.

    Raises ConfigurationError.
    """
    place = place_of(address)
    return place.replies if isinstance(place, SqsAddress) else place


def _split(address: str, scheme: str, known: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """Return what stands before the question mark, and the options behind it."""
    rest = address.removeprefix(f"{scheme}:")
    if rest == address or not rest.startswith("//"):
        raise ConfigurationError(f"queue: {address!r} must begin with {scheme}://")
    place, _, query = rest[2:].partition("?")
    options = parse_qsl(query, keep_blank_values=True)
    for name, _ in options:
        if name not in known:
            raise ConfigurationError(
                f"queue: {scheme}:// addresses have no option {name!r}: use {', '.join(known)}."
            )
    return place, dict(options)


def _queue(place: str) -> str:
    """Return a queue's name, or its URL with a scheme."""
    if _QUEUE.fullmatch(place):
        return place
    bare = place.partition("://")[2] or place
    if _QUEUE_URL.fullmatch(bare):
        return place if "://" in place else f"https://{place}"
    raise ConfigurationError(
        f"queue: {place!r} is neither the name of an SQS queue (letters, digits, '-' and '_'; "
        ".fifo at the end of a FIFO queue's) nor a queue URL."
    )


def _access(options: Mapping[str, str]) -> AwsAccess:
    access = AwsAccess(**options)
    if access.addressing not in ADDRESSING:
        raise ConfigurationError(f"queue: addressing must be one of {', '.join(ADDRESSING)}.")
    for service in ("s3", "sqs"):
        url = access.endpoint(service)
        if url and not re.match(r"https?://[^/]+/?$", url):
            raise ConfigurationError(
                f"queue: the endpoint {url!r} must be like http://127.0.0.1:9000, without a path."
            )
    return access
