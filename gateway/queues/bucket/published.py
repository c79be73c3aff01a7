"""The contracts in a queue's bucket, for clients that can read nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from gateway.errors import ConfigurationError, ContractError
from gateway.queues.aws.account import boto_client
from gateway.queues.aws.address import bucket_of

ENTRY = "service.wsdl"
"""The document of a contract that names all others."""
LARGEST = 128 << 20
"""Bytes of a document, at most: a whole contract may have as many."""


def published(address: str, service: str) -> Callable[[str], bytes]:
    """Return a function that reads a document of a service's contract by name; it blocks.

    ``address`` is the queue's. Raises ConfigurationError where that has no bucket; the function
    raises ContractError where a document is missing or may not be read.
    """
    bucket = bucket_of(address)
    if bucket is None:
        raise ConfigurationError(
            f"queue: {address!r} has no bucket that contracts could be read from: name a WSDL."
        )
    s3 = boto_client(bucket.access, "s3")

    def read(name: str) -> bytes:
        key = bucket.key("contracts", service, name)
        try:
            with contextlib.closing(s3.get_object(Bucket=bucket.bucket, Key=key)["Body"]) as body:
                document = bytes(body.read(LARGEST + 1))
        except (ClientError, BotoCoreError) as error:
            raise ContractError(
                f"s3://{bucket.bucket}/{key} cannot be read ({error}): write it with gateway "
                "publish, where the service is; and allow s3:GetObject on it."
            ) from error
        if len(document) > LARGEST:
            raise ContractError(f"s3://{bucket.bucket}/{key} has more than {LARGEST} bytes")
        return document

    return read
