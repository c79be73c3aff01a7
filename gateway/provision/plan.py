"""From the address of a queue to the pieces that it needs, in the order to make them."""

from __future__ import annotations

from gateway.provision.bucket_pieces import bucket_pieces, closing_pieces
from gateway.provision.connection import connect
from gateway.provision.desired import Desired
from gateway.provision.documents import Arns
from gateway.provision.pieces import Piece
from gateway.provision.place import BucketPlace
from gateway.provision.queue_pieces import QueuePlace, queue_pieces
from gateway.provision.unsupported import left_out


def pieces(desired: Desired) -> list[Piece]:
    """Return the pieces, from what protects the others on. Raises ConfigurationError."""
    queue = _queue_place(desired)
    bell = desired.bucket if desired.bucket and desired.bucket.doorbell else None
    between = queue_pieces(queue, bell) if queue else []
    if desired.bucket is None:
        return between
    place = BucketPlace(
        connect(desired.bucket.access, "s3"),
        desired,
        desired.bucket,
        queue.arns if queue else Arns,
    )
    return left_out(place, [*bucket_pieces(place), *between, *closing_pieces(place)])


def _queue_place(desired: Desired) -> QueuePlace | None:
    if desired.queue is None:
        return None
    return QueuePlace(connect(desired.queue.access, "sqs"), desired.queue)
