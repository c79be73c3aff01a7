"""The last pieces of a queue bucket: its doorbell, and the note that says what it is."""

from __future__ import annotations

import json

from gateway.errors import ConfigurationError
from gateway.provision import documents
from gateway.provision.documents import Document
from gateway.provision.merging import with_rules
from gateway.provision.pieces import Piece
from gateway.provision.place import Place
from gateway.queues.bucket.store import SMALL


def closing_pieces(place: Place) -> list[Piece]:
    """Return the pieces that need the doorbell, and the note that says what the bucket is."""
    bell = [_notification(place)] if place.address.doorbell else []
    return [*bell, _format(place)]


def _notification(place: Place) -> Piece:
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


def _format(place: Place) -> Piece:
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


def _read_note(body: bytes, place: Place) -> Document:
    """The bucket's own format.json. Raises ConfigurationError where it is another's."""
    where = f"s3://{place.address.bucket}/{place.address.key('format.json')}"
    try:
        note = dict(json.loads(body))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{where} is not one of this program: use another prefix."
        ) from error
    if note != json.loads(documents.format_note(place.desired)):
        raise ConfigurationError(
            f"{where} says version {note.get('version')!r}, mode {note.get('mode')!r}, not "
            f"{place.desired.mode!r}: use another prefix, or the address that its users have."
        )
    return note
