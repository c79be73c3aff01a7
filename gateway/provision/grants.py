"""A grant: one request, and its reply, for a client that has no credentials of its own."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from gateway.errors import ConfigurationError, Refused
from gateway.message import Message, check_identity
from gateway.provision.connection import connect, status_of
from gateway.queues.aws.address import BucketAddress
from gateway.queues.bucket.layout import Keys, object_type, to_metadata

LONGEST = 7 * 86400
"""Seconds for which a presigned URL can be good, at most (S3 user guide)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The headers that a client must send, byte for byte, and where its reply will be."""

    id: str
    method: str
    url: str
    headers: dict[str, str]
    expires: int
    """Seconds from now; the reply can be read longer."""
    reply_url: str
    reply_expires: int


def grant(
    address: BucketAddress, request: Message, length: int, expires: int, reply_expires: int
) -> Grant:
    """Sign for one request, of which all but the body is given.

    Raises ConfigurationError, for instance where there are no credentials to sign with, or no
    bucket; it is asked for nothing else.
    """
    try:
        check_identity(request, time.time())
        metadata = to_metadata(request)
    except Refused as error:
        raise ConfigurationError(str(error)) from error
    keys, s3 = Keys(address), connect(address.access, "s3").client
    _check_bucket(s3, address.bucket)
    name = (request.sender, request.id)
    content_type = object_type(request.content_type)
    fields = {
        "Bucket": address.bucket,
        "Key": keys.request(name),
        "ContentType": content_type,
        "ContentLength": length,
        "IfNoneMatch": "*",
        "Metadata": metadata,
    }
    reply = {"Bucket": address.bucket, "Key": keys.reply(name)}
    reply_expires = min(reply_expires, LONGEST)
    try:
        url = s3.generate_presigned_url("put_object", Params=fields, ExpiresIn=expires)
        reply_url = s3.generate_presigned_url("get_object", Params=reply, ExpiresIn=reply_expires)
    except (BotoCoreError, ClientError) as error:
        raise ConfigurationError(f"queue: {error}") from error
    return Grant(
        id=request.id,
        method="PUT",
        url=url,
        headers={
            "Content-Type": content_type,
            "Content-Length": str(length),
            "If-None-Match": "*",
            **{f"x-amz-meta-{key}": value for key, value in metadata.items()},
        },
        expires=expires,
        reply_url=reply_url,
        reply_expires=reply_expires,
    )


def _check_bucket(s3: Any, name: str) -> None:
    """Raise ConfigurationError where a bucket is known not to be there.

    Whoever may sign need not be allowed to look, nor be on a network just now.
    """
    with contextlib.suppress(BotoCoreError):
        try:
            s3.head_bucket(Bucket=name)
        except ClientError as error:
            if status_of(error) == 404:
                raise ConfigurationError(
                    f"queue: there is no bucket {name}: correct its name, or run gateway provision."
                ) from error
