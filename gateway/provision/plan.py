"""From the address of a queue to the pieces that it needs, in the order to make them.

What a store was found to lack, which it says only when asked to make it, is noted in the bucket: so
a second run offers none of that again, whoever runs it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from gateway.provision.bucket_pieces import BucketPlace, bucket_pieces, closing_pieces
from gateway.provision.connection import connect
from gateway.provision.desired import Desired
from gateway.provision.documents import Arns
from gateway.provision.pieces import Action, Piece, Step
from gateway.provision.queue_pieces import QueuePlace, queue_pieces
from gateway.queues.bucket.store import SMALL

NOTE = "provision.json"


def pieces(desired: Desired) -> list[Piece]:
    """Return the pieces, from what protects the others on; those that the store lacks are skipped.

    Raises ConfigurationError.
    """
    bucket, queue = desired.bucket, None
    if desired.queue is not None:
        queue = QueuePlace(connect(desired.queue.access, "sqs"), desired.queue)
    ringing = bucket if bucket and bucket.doorbell else None
    between = queue_pieces(queue, ringing) if queue else []
    if bucket is None:
        return between
    s3 = connect(bucket.access, "s3")
    place = BucketPlace(s3, desired, bucket, queue.arns if queue else Arns)
    found = [*bucket_pieces(place), *between, *closing_pieces(place)]
    reasons = {} if s3.is_aws else _noted(place)
    return [_skipped(place, one, reasons.get(_name(one), "")) for one in found]


def remember(desired: Desired, done: Sequence[Step]) -> None:
    """Note what could not be made, of steps that were tried. Raises ConfigurationError."""
    found = {_name(one.piece): one.text for one in done if one.action is Action.SKIP}
    if not found or desired.bucket is None:
        return
    place = BucketPlace(connect(desired.bucket.access, "s3"), desired, desired.bucket, Arns)
    body = json.dumps({"lacks": {**_noted(place), **found}}, indent=2).encode()
    key = place.address.key(NOTE)
    place.tell("s3:PutObject", "put_object", Key=key, Body=body, ContentType="application/json")


def _noted(place: BucketPlace) -> dict[str, str]:
    """Return why each piece is left out, as an earlier run has noted it."""
    found = place.ask("s3:GetObject", "get_object", Key=place.address.key(NOTE))
    try:
        said = json.loads(found["Body"].read(SMALL))["lacks"] if found else {}
        return {str(name): str(reason) for name, reason in said.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}  # not ours, or broken: what it says is found out again


def _skipped(place: BucketPlace, piece: Piece, reason: str) -> Piece:
    if not reason or piece.skipped or piece.is_needed:
        return piece
    note = f"s3://{place.address.bucket}/{place.address.key(NOTE)}"
    return replace(piece, skipped=f"{reason}; remove {note} to have it tried again")


def _name(piece: Piece) -> str:
    """A key that names a piece, with all that is wanted of it."""
    return f"{piece.subject.strip()}: {piece.text}"
