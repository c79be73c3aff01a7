"""A bucket that is looked at and changed, through boto3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from gateway.provision.connection import AwsClient, code_of, told
from gateway.provision.desired import Desired
from gateway.provision.documents import Arns, Document
from gateway.queues.aws.address import BucketAddress

_NOT_THERE = frozenset(
    {
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchCORSConfiguration",
        "NoSuchKey",
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """A bucket, and what is wanted of it; ``arns`` are asked for late: a queue may be new."""

    s3: AwsClient
    desired: Desired
    address: BucketAddress
    arns: Callable[[], Arns]

    def ask(self, permission: str, call: str, **fields: Any) -> Document | None:
        """Ask S3 about the bucket; None where it has no such thing."""
        with told(self.s3, permission, self.resource(fields)):
            try:
                answer = getattr(self.s3.client, call)(Bucket=self.address.bucket, **fields)
            except ClientError as error:
                if code_of(error) in _NOT_THERE:
                    return None
                raise
        answer.pop("ResponseMetadata", None)
        return dict(answer)

    def tell(self, permission: str, call: str, **fields: Any) -> None:
        """Have S3 change something of the bucket."""
        with told(self.s3, permission, self.resource(fields)):
            getattr(self.s3.client, call)(Bucket=self.address.bucket, **fields)

    def resource(self, fields: Document) -> str:
        bucket = Arns(partition=self.s3.partition).bucket(self.address)
        return f"{bucket}/{fields['Key']}" if "Key" in fields else bucket
