"""Contracts in the bucket, for clients who can read nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from botocore.exceptions import ClientError

from gateway.provision.connection import AwsClient, code_of, connect, told
from gateway.provision.documents import Arns
from gateway.queues.aws.address import BucketAddress
from gateway.queues.bucket.published import ENTRY

CONTENT_TYPE = "text/xml"
HERE = "http://contract.invalid/"
"""Stands for the place of the documents until they are written (RFC 2606)."""


@dataclass(frozen=True, slots=True)
class Published:
    """A document in the bucket, and whether it had to be written."""

    key: str
    is_new: bool


def relative(documents: Mapping[str, bytes], address: str) -> dict[str, bytes]:
    """Return a contract published at HERE as files that name each other, the entry last.

    The address of its ports becomes the given one.
    """
    names = {query: ENTRY if query == "wsdl" else _file(query) for query in documents}
    links = {f'"{HERE}?{query}"': f'"{name}"' for query, name in names.items()}
    links[f'"{HERE}"'] = f'"{address}"'
    files = {}
    # Whoever reads in between finds what the old entry names, or all of the new one.
    for query in sorted(documents, key=lambda query: query == "wsdl"):
        text = documents[query]
        for old, new in links.items():
            text = text.replace(old.encode(), new.encode())
        files[names[query]] = text
    return files


def _file(query: str) -> str:
    kind, _, number = query.partition("=")
    return f"{kind}-{number}.{kind}"


def publish(
    address: BucketAddress, service: str, files: Mapping[str, bytes]
) -> Iterator[Published]:
    """Write the files that are not there as they should be. Raises ConfigurationError."""
    s3 = connect(address.access, "s3")
    for name, content in files.items():
        key = address.key("contracts", service, name)
        is_new = _read(s3, address, key, len(content) + 1) != content
        if is_new:
            with told(s3, "s3:PutObject", _resource(s3, address, key)):
                s3.client.put_object(
                    Bucket=address.bucket, Key=key, Body=content, ContentType=CONTENT_TYPE
                )
        yield Published(key, is_new)


def _read(s3: AwsClient, address: BucketAddress, key: str, limit: int) -> bytes | None:
    """Return the beginning of a file, so many bytes at most; None where there is none."""
    with told(s3, "s3:GetObject", _resource(s3, address, key)):
        try:
            body = s3.client.get_object(Bucket=address.bucket, Key=key)["Body"]
            return bytes(body.read(limit))
        except ClientError as error:
            if code_of(error) == "NoSuchKey":
                return None
            raise


def _resource(s3: AwsClient, address: BucketAddress, key: str) -> str:
    return f"{Arns(partition=s3.partition).bucket(address)}/{key}"
