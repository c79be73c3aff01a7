"""boto3's clients for an address, and their errors as one line with the cure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from gateway.errors import ConfigurationError
from gateway.queues.aws.account import ANY_REGION, PATIENCE, session_of
from gateway.queues.aws.address import AwsAccess
from gateway.queues.aws.limits import CURE

_DENIED = frozenset({"403", "AccessDenied", "AccessDeniedException", "AllAccessDisabled"})
_UNKNOWN = frozenset({"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"})
_WRONG_SECRET = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})
_MISSING = frozenset(
    {"NoSuchBucket", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}
)
_UNSUPPORTED = frozenset(
    {
        "InvalidAction",
        "InvalidArgument",
        "InvalidAttributeName",
        "MalformedPolicy",
        "MalformedXML",
        "MethodNotAllowed",
        "NotImplemented",
        "UnsupportedOperation",
        "XNotImplemented",
    }
)
_CONFIG: dict[str, Any] = {
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}


class Unsupported(Exception):
    """The store has no such feature; the text is its own."""


@dataclass(frozen=True, slots=True)
class AwsClient:
    """A client of boto3's, and what is known of the service behind it."""

    client: Any
    region: str
    is_aws: bool
    is_tls: bool

    @property
    def partition(self) -> str:
        return partition_of(self.region)


def connect(access: AwsAccess, name: str) -> AwsClient:
    """Make a client for ``s3`` or ``sqs``; nothing is sent. Raises ConfigurationError."""
    try:
        session = session_of(access)
        client = _client(session, access, name, access.addressing)
        is_aws = str(client.meta.endpoint_url).endswith((".amazonaws.com", ".amazonaws.com.cn"))
        if not is_aws and access.addressing == "auto":
            client = _client(session, access, name, "path")
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"queue: {error}") from error
    if is_aws and not session.region_name:
        raise ConfigurationError(
            "queue: no AWS region is set: add ?region=eu-west-1 to the address, or set AWS_REGION."
        )
    is_tls = str(client.meta.endpoint_url).startswith("https:")
    return AwsClient(client, str(client.meta.region_name), is_aws, is_tls)


def _client(session: boto3.session.Session, access: AwsAccess, name: str, style: str) -> Any:
    # The older signature of S3 would sign no headers: a grant could be used for anything.
    version = {"signature_version": "s3v4"} if name == "s3" else {}
    return session.client(
        name,
        region_name=session.region_name or ANY_REGION,
        endpoint_url=access.endpoint(name) or None,
        config=PATIENCE.merge(Config(**_CONFIG, **version, s3={"addressing_style": style})),
    )


def region_of(access: AwsAccess) -> str:
    """Return the region that boto3 would use; empty where none is set."""
    try:
        session = session_of(access)
        return session.region_name or ""
    except BotoCoreError as error:
        raise ConfigurationError(f"queue: {error}") from error


def partition_of(region: str) -> str:
    """Return the part of AWS that a region is in, as ARNs name it."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def code_of(error: ClientError) -> str:
    """Return the service's own code of an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """Return the HTTP status of an error; 0 where there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextlib.contextmanager
def told(service: AwsClient, permission: str, resource: str) -> Iterator[None]:
    """Turn what boto3 raises into ConfigurationError: one line, with the missing permission.

    Raises Unsupported where a store that is not AWS has no such feature.
    """
    try:
        yield
    except ClientError as error:
        if code_of(error).isdecimal():  # as boto3 does where it finds no error that it knows
            raise ConfigurationError(_no_service(service, status_of(error))) from error
        if not service.is_aws and _is_unsupported(error):
            raise Unsupported(_message(error)) from error
        raise ConfigurationError(_line(error, permission, resource)) from error
    except ResponseParserError as error:
        raise ConfigurationError(_no_service(service, 200)) from error
    except BotoCoreError as error:
        raise ConfigurationError(f"queue: {_cured(service, error)}") from error


def _no_service(service: AwsClient, status: int) -> str:
    name, url = service.client.meta.service_model.service_id, service.client.meta.endpoint_url
    return f"queue: the server at {url} is not {name} (status {status}): correct endpoint_url."


def _cured(service: AwsClient, error: BotoCoreError) -> str:
    """The failure before anything was answered, and its cure."""
    text = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return (
            "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "?profile= in the address."
        )
    where = service.client.meta.endpoint_url
    if isinstance(error, ReadTimeoutError | ConnectTimeoutError):
        return f"{where} does not answer: {CURE}."
    if isinstance(error, HTTPClientError | EndpointConnectionError):
        return f"{where} cannot be reached: start what listens there, or correct endpoint_url."
    return f"{text}."


def _is_unsupported(error: ClientError) -> bool:
    return code_of(error) in _UNSUPPORTED or status_of(error) in (405, 501)


def _line(error: ClientError, permission: str, resource: str) -> str:
    code = code_of(error)
    if code in _DENIED or (
        status_of(error) == 403 and code not in _UNKNOWN | _EXPIRED | _WRONG_SECRET
    ):
        return (
            f"{permission} on {resource} was refused ({code}): allow whoever runs this "
            f'{{"Effect": "Allow", "Action": "{permission}", "Resource": "{resource}"}}.'
        )
    if code in _UNKNOWN:
        return (
            f"the access key is not known there ({code}): check AWS_ACCESS_KEY_ID or the profile."
        )
    if code in _EXPIRED:
        return f"the credentials have expired ({code}): sign in again."
    if code == "NoSuchBucket":
        bucket = resource.rpartition(":")[2].partition("/")[0]
        return f"there is no bucket {bucket} ({code}): correct its name, or run gateway provision."
    if code in _MISSING:
        return f"there is no {resource} ({code}): gateway provision makes it."
    if code in _WRONG_SECRET:
        return f"the secret of the access key is wrong ({code}): check AWS_SECRET_ACCESS_KEY."
    if code in ("301", "PermanentRedirect", "AuthorizationHeaderMalformed"):
        return f"{resource} is in another region ({code}): set ?region= in the address to it."
    return f"{permission} on {resource} failed: {code}: {_message(error)}."


def _message(error: ClientError) -> str:
    text = str(error.response.get("Error", {}).get("Message", ""))
    return " ".join(text.split()).rstrip(".")
