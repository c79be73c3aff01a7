"""The pieces of a queue bucket, which is looked at and changed through boto3."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from gateway.errors import ConfigurationError
from gateway.provision import documents
from gateway.provision.connection import AwsClient, code_of, told
from gateway.provision.desired import Desired
from gateway.provision.documents import Arns, Document
from gateway.provision.merging import with_rules, with_statement
from gateway.provision.pieces import Piece
from gateway.queues.aws.address import BucketAddress
from gateway.queues.bucket.store import SMALL

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
_PLAIN_HTTP = "skipped: the address of this store is plain HTTP, which it would refuse"
_HOME = "us-east-1"
"""The one region whose buckets are made without naming it (S3 API, CreateBucket)."""


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


def bucket_pieces(place: BucketPlace) -> list[Piece]:
    """Return the pieces in the order to make them: nothing is open in between."""
    return [
        _bucket(place),
        _public_access(place),
        _tls_only(place),
        _written_once(place),
        _encryption(place),
        _lifecycle(place, "expiry", _expiry_text(place), _expirations(place)),
        _lifecycle(
            place,
            "unfinished uploads",
            f"removed after {documents.UPLOAD_DAYS} days",
            [documents.unfinished_uploads(place.address)],
        ),
        _cors(place),
    ]


def _bucket(place: BucketPlace) -> Piece:
    s3 = place.s3
    fields: Document = {"ObjectOwnership": "BucketOwnerEnforced"}
    if s3.is_aws and s3.region != _HOME:
        fields["CreateBucketConfiguration"] = {"LocationConstraint": s3.region}
    return Piece(
        subject=f"bucket {place.address.bucket}",
        text=f"in {s3.region}" if s3.is_aws else f"at {s3.client.meta.endpoint_url}",
        # Not by HEAD: what is answered to that does not tell why it was refused.
        read=lambda: place.ask("s3:ListBucket", "list_objects_v2", MaxKeys=1),
        merge=lambda found: found,
        write=lambda _: place.tell("s3:CreateBucket", "create_bucket", **fields),
        is_needed=True,
    )


def _public_access(place: BucketPlace) -> Piece:
    def read() -> Document | None:
        found = place.ask("s3:GetBucketPublicAccessBlock", "get_public_access_block")
        return found and found["PublicAccessBlockConfiguration"]

    def write(block: Document) -> None:
        place.tell(
            "s3:PutBucketPublicAccessBlock",
            "put_public_access_block",
            PublicAccessBlockConfiguration=block,
        )

    return Piece(
        subject="  public access",
        text="blocked",
        read=read,
        merge=lambda found: {**(found or {}), **documents.PUBLIC_ACCESS_BLOCK},
        write=write,
    )


def _tls_only(place: BucketPlace) -> Piece:
    text = "plain HTTP is refused"
    skipped = "" if place.s3.is_tls else _PLAIN_HTTP
    return _statement(place, "  policy: TLS", text, documents.tls_only, skipped)


def _written_once(place: BucketPlace) -> Piece:
    text = "requests cannot be overwritten"
    return _statement(place, "  policy: requests", text, documents.written_once, "")


def _statement(
    place: BucketPlace,
    subject: str,
    text: str,
    statement: Callable[[Arns, BucketAddress], Document],
    skipped: str,
) -> Piece:
    def read() -> Document | None:
        found = place.ask("s3:GetBucketPolicy", "get_bucket_policy")
        return found and json.loads(found["Policy"])

    def write(policy: Document) -> None:
        place.tell("s3:PutBucketPolicy", "put_bucket_policy", Policy=json.dumps(policy))

    arns = Arns(partition=place.s3.partition)
    return Piece(
        subject=subject,
        text=text,
        read=read,
        merge=lambda found: with_statement(found, statement(arns, place.address)),
        write=write,
        skipped=skipped,
    )


def _encryption(place: BucketPlace) -> Piece:
    key = place.desired.settings.kms_key
    wanted = documents.encryption(key)

    def read() -> Document | None:
        found = place.ask("s3:GetEncryptionConfiguration", "get_bucket_encryption")
        # Ceph answers without rules where S3 says that there is no configuration.
        rules = found["ServerSideEncryptionConfiguration"].get("Rules") if found else None
        return rules[0] if rules else None

    def merge(found: Document | None) -> Document:
        if found is not None and (not key or {**found, **wanted} == found):
            return found  # a key that somebody else chose is not taken away
        return wanted

    def write(rule: Document) -> None:
        place.tell(
            "s3:PutEncryptionConfiguration",
            "put_bucket_encryption",
            ServerSideEncryptionConfiguration={"Rules": [rule]},
        )

    text = f"by {key}" if key else "by keys of S3, or those that the bucket has"
    return Piece(subject="  encryption", text=text, read=read, merge=merge, write=write)


def _expirations(place: BucketPlace) -> list[Document]:
    return documents.expirations(place.desired, place.address)


def _expiry_text(place: BucketPlace) -> str:
    rules = _expirations(place)
    days = [f"{one['ID'].rpartition('-')[2]} {one['Expiration']['Days']}" for one in rules]
    return f"days: {', '.join(days)}; requests never"


def _lifecycle(place: BucketPlace, subject: str, text: str, rules: Sequence[Document]) -> Piece:
    ours = {rule["ID"]: rule for rule in rules}

    def read() -> Document | None:
        return place.ask("s3:GetLifecycleConfiguration", "get_bucket_lifecycle_configuration")

    def merge(found: Document | None) -> Document:
        found = found or {}
        return {**found, "Rules": with_rules(found.get("Rules", []), ours, "ID")}

    def write(wanted: Document) -> None:
        place.tell(
            "s3:PutLifecycleConfiguration",
            "put_bucket_lifecycle_configuration",
            LifecycleConfiguration={"Rules": wanted.pop("Rules")},
            **wanted,
        )

    return Piece(subject=f"  lifecycle: {subject}", text=text, read=read, merge=merge, write=write)


def _cors(place: BucketPlace) -> Piece:
    origins = place.desired.settings.cors_origins
    rule = documents.cors(place.desired, place.address)
    ours = {documents.rule_id(place.address, "browsers"): rule}

    def read() -> list[Document] | None:
        found = place.ask("s3:GetBucketCORS", "get_bucket_cors")
        if found is None:
            return None if origins else []
        return list(found["CORSRules"])

    def write(rules: list[Document]) -> None:
        if rules:
            wanted = {"CORSRules": rules}
            place.tell("s3:PutBucketCORS", "put_bucket_cors", CORSConfiguration=wanted)
        else:
            place.tell("s3:PutBucketCORS", "delete_bucket_cors")

    return Piece(
        subject="  CORS",
        text=", ".join(origins) or "no origin is named",
        read=read,
        merge=lambda found: with_rules(found or [], ours, "ID"),
        write=write,
    )


def closing_pieces(place: BucketPlace) -> list[Piece]:
    """Return the pieces that need the doorbell, and the note that says what the bucket is."""
    bell = [_notification(place)] if place.address.doorbell else []
    return [*bell, _format(place)]


def _notification(place: BucketPlace) -> Piece:
    def read() -> Document | None:
        return place.ask("s3:GetBucketNotification", "get_bucket_notification_configuration")

    def merge(found: Document | None) -> Document:
        found = found or {}
        rule = documents.notification(place.arns(), place.address)
        held = found.get("QueueConfigurations", [])
        return {**found, "QueueConfigurations": with_rules(held, {rule["Id"]: rule}, "Id")}

    def write(wanted: Document) -> None:
        place.tell(
            "s3:PutBucketNotification",
            "put_bucket_notification_configuration",
            NotificationConfiguration=wanted,
        )

    text = "each new request rings the doorbell"
    return Piece(subject="  notification", text=text, read=read, merge=merge, write=write)


def _format(place: BucketPlace) -> Piece:
    key = place.address.key("format.json")
    wanted = documents.format_note(place.desired)

    def read() -> Document | None:
        found = place.ask("s3:GetObject", "get_object", Key=key)
        return found and _read_note(found["Body"].read(SMALL), place)

    def write(_: Document) -> None:
        place.tell(
            "s3:PutObject",
            "put_object",
            Key=key,
            Body=wanted,
            ContentType="application/json",
            IfNoneMatch="*",
        )

    text = f"mode {place.desired.mode}"
    return Piece(
        subject="  format.json",
        text=text,
        read=read,
        merge=lambda found: found or json.loads(wanted),
        write=write,
        is_needed=True,
    )


def _read_note(body: bytes, place: BucketPlace) -> Document:
    """The bucket's own format.json. Raises ConfigurationError where it is another's."""
    where = f"s3://{place.address.bucket}/{place.address.key('format.json')}"
    try:
        note = dict(json.loads(body))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{where} was not written by this program: use another prefix."
        ) from error
    if note != json.loads(documents.format_note(place.desired)):
        raise ConfigurationError(
            f"{where} says version {note.get('version')!r}, mode {note.get('mode')!r}, not "
            f"{place.desired.mode!r}: use another prefix, or the address that its users have."
        )
    return note
