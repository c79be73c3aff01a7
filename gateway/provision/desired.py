"""The resources that a queue's address needs: a bucket, an SQS queue, or both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Interval

from gateway.errors import ConfigurationError
from gateway.queues.aws.address import AwsAccess, BucketAddress, SqsAddress, place_of
from gateway.queues.options import Bounds

DOORBELL_RECEIVES = 1000
"""The gateway counts the attempts of a bucket's requests itself: this is a net below it."""
SQS_RECEIVES = 100
USUAL = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionSettings:
    """An operator's choices. ``kms_key`` is an ARN; empty for the keys that S3 and SQS have."""

    cors_origins: tuple[str, ...] = ()
    kms_key: str = ""
    dead_letter_receives: Annotated[int | None, Interval(ge=1, le=1000)] = None
    """How often a message is received until SQS puts it aside; None for what suits the queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredQueue:
    """An SQS queue. Its dead letters go to a queue beside it."""

    place: str
    """Its name, or its URL."""
    access: AwsAccess
    is_doorbell: bool
    receives: int
    kms_key: str = ""

    @property
    def name(self) -> str:
        return self.place.rpartition("/")[2]

    @property
    def account(self) -> str:
        """The account that its URL names; empty where it is a name alone."""
        parts = self.place.split("/")
        return parts[-2] if len(parts) > 1 and parts[-2].isdigit() else ""

    @property
    def is_fifo(self) -> bool:
        return self.name.endswith(".fifo")

    @property
    def dead_letters(self) -> str:
        """The name of the queue for its dead letters: of a FIFO queue it must be one as well."""
        return f"{self.name.removesuffix('.fifo')}-dead{'.fifo' if self.is_fifo else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """The resources of a queue. ``mode`` is that of the bucket: plain, doorbell or replies."""

    bucket: BucketAddress | None
    mode: str
    queue: DesiredQueue | None
    settings: ProvisionSettings
    quarantine: Bounds = USUAL


def desire(address: str, settings: ProvisionSettings, quarantine: Bounds = USUAL) -> Desired:
    """The resources that an address needs. Raises ConfigurationError where it is not on AWS."""
    place = place_of(address)
    if place is None:
        raise ConfigurationError(
            f"queue: {address!r} is not on S3 or SQS: there is nothing to do here for it."
        )
    if isinstance(place, SqsAddress):
        return replace(_of_sqs(place, settings), quarantine=quarantine)
    return replace(_of_bucket(place, settings), quarantine=quarantine)


def _of_bucket(bucket: BucketAddress, settings: ProvisionSettings) -> Desired:
    if not bucket.doorbell:
        return Desired(bucket=bucket, mode="plain", queue=None, settings=settings)
    queue = DesiredQueue(
        place=bucket.doorbell,
        access=bucket.access,
        is_doorbell=True,
        receives=settings.dead_letter_receives or DOORBELL_RECEIVES,
    )
    if queue.is_fifo:
        raise ConfigurationError(
            f"queue: the doorbell {queue.name} is a FIFO queue, which S3 cannot notify: name a "
            "standard one."
        )
    return Desired(bucket=bucket, mode="doorbell", queue=queue, settings=settings)


def _of_sqs(sqs: SqsAddress, settings: ProvisionSettings) -> Desired:
    queue = DesiredQueue(
        place=sqs.queue,
        access=sqs.access,
        is_doorbell=False,
        receives=settings.dead_letter_receives or SQS_RECEIVES,
        kms_key=settings.kms_key,
    )
    return Desired(bucket=sqs.replies, mode="replies", queue=queue, settings=settings)
