"""Bodies too large for SQS: kept in the bucket of replies, with a pointer in the message.

The pointer is that of Amazon's extended client library, so that both sides read each other's.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.errors import IdTaken, QueueUnavailable, Unsure
from gateway.queues.aws.sqs import Attribute, Outgoing
from gateway.queues.bucket.layout import Keys, written
from gateway.queues.bucket.store import AccessDenied, Occupied, S3Store
from gateway.queues.claims.records import Name
from gateway.queues.foreign_text import is_key
from gateway.queues.sqs.attributes import check, value

log = logging.getLogger(__name__)

CLASS = "software.amazon.payloadoffloading.PayloadS3Pointer"
CLASSES = (CLASS, "com.amazon.sqs.javamessaging.MessageS3Pointer")
MARK = "ExtendedPayloadSize"
MARKS = (MARK, "SQSLargePayloadSize")
TEXT = "text/plain; charset=utf-8"
THRESHOLD = 262_144
"""Bytes of body and attributes above which a body is kept in the bucket: Amazon's default."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where the body of a message is kept."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class OffloadedBody:
    """A body kept in the bucket."""

    text: str
    written: float | None
    """When it was written, by the store's date; None where it gives none."""


FOREIGN_BUCKET = "it points to another bucket than that of the replies"
FOREIGN_FOLDER = "it points out of the folder of its client's payloads (payloads/CLIENT/)"
OVER = "it is larger than what is accepted"


class BadPointer(ValueError):
    """A pointer cannot be read, or must not be followed."""


class PayloadGone(ValueError):
    """The object that a pointer names is not there."""


def is_pointer(attributes: Mapping[str, Attribute]) -> bool:
    """Tell whether a message has a pointer in place of its body."""
    return any(mark in attributes for mark in MARKS)


def write_pointer(pointer: Pointer) -> str:
    """Return a pointer as a message body, as Java's Jackson writes it."""
    place = {"s3BucketName": pointer.bucket, "s3Key": pointer.key}
    return json.dumps([CLASS, place], separators=(",", ":"))


def read_pointer(body: str) -> Pointer:
    """Read a pointer, of either generation of the library. Raises BadPointer."""
    try:
        kind, place = json.loads(body)
        pointer = Pointer(place["s3BucketName"], place["s3Key"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadPointer("its body should be a pointer to S3, but is not") from error
    if kind not in CLASSES or not is_key(pointer.bucket) or not is_key(pointer.key):
        raise BadPointer("its body should be a pointer to S3, but is of another kind")
    return pointer


def declared_size(attributes: Mapping[str, Attribute]) -> int:
    """Return the size of the body that the message declares; 0 without one. Never raises."""
    said = next(filter(None, (value(attributes, mark) for mark in MARKS)), "")
    return int(said) if said.isdecimal() and len(said) < 20 else 0


class Payloads:
    """The bodies in the bucket of replies. ``limit`` is the largest one to read, in bytes."""

    def __init__(self, store: S3Store, keys: Keys, limit: int, threshold: int = THRESHOLD) -> None:
        self._store = store
        self._keys = keys
        # The object of a byte message is base64 text.
        self._limit = 4 * (limit + 3) // 3
        self._threshold = threshold

    async def offload(self, name: Name, outgoing: Outgoing) -> Outgoing:
        """Return a message that SQS accepts; if it is too large, put its body into the bucket.

        Raises Refused, QueueUnavailable.
        """
        if outgoing.body and outgoing.size <= self._threshold:
            check(outgoing)
            return outgoing
        body = outgoing.body.encode()
        pointer = Pointer(self._store.bucket, self._keys.payload(name))
        mark = Attribute("Number", str(len(body)))
        small = replace(
            outgoing,
            body=write_pointer(pointer),
            attributes={**outgoing.attributes, MARK: mark},
        )
        check(small)
        await self._put(pointer.key, body)
        return small

    async def _put(self, key: str, body: bytes) -> None:
        """Write a body once: a waiting message may point to it already. Raises IdTaken."""
        try:
            if await self._store.create(key, body, "the message", content_type=TEXT):
                return
        except Occupied:
            pass
        except Unsure as error:  # the request itself is not in doubt: its message is not sent
            raise QueueUnavailable(str(error)) from error
        await self._check_same(key, body)

    async def _check_same(self, key: str, body: bytes) -> None:
        try:
            held = await self._store.get(key, len(body))
        except AccessDenied:
            return  # collecting the reply will show it
        if held is not None and (held.is_cut or held.body != body):
            raise IdTaken

    def followed(self, body: str, attributes: Mapping[str, Attribute], client: str) -> str:
        """Return the key of the object that a pointer names, if it may be followed.

        ``client`` is the sender by the word of the queue: only its own payloads are read, since a
        payload is carried out in its name, shown to it, and removed. Bucket and key come from the
        sender, and are not repeated in errors. Raises BadPointer.
        """
        pointer = read_pointer(body)
        if pointer.bucket != self._store.bucket:
            raise BadPointer(FOREIGN_BUCKET)
        own = self._keys.payload((client, ""))
        parts = pointer.key.removeprefix(own).split("/")
        if not client or not pointer.key.startswith(own) or {"", ".", ".."} & set(parts):
            raise BadPointer(FOREIGN_FOLDER)
        if declared_size(attributes) > self._limit:
            raise BadPointer(OVER)
        return pointer.key

    async def read(self, key: str) -> OffloadedBody:
        """Return a body. Raises PayloadGone, BadPointer (also if too large), QueueUnavailable."""
        try:
            stored = await self._store.get(key, self._limit)
        except QueueUnavailable as error:
            raise self._unnamed(error, key) from error
        if stored is None:
            raise PayloadGone("the object that it points to is gone")
        if stored.is_cut:
            raise BadPointer(OVER)
        try:
            return OffloadedBody(stored.body.decode("utf-8"), written(stored))
        except UnicodeDecodeError as error:
            raise BadPointer("the object that it points to is not UTF-8 text") from error

    async def remove(self, id: str, key: str) -> None:
        """Remove the body of a request, after its message; if that fails, a lifecycle rule does."""
        try:
            await self._store.delete(key)
        except QueueUnavailable as error:
            log.warning("%s: %s; a rule removes it later", id, self._unnamed(error, key))

    def _unnamed(self, error: QueueUnavailable, key: str) -> QueueUnavailable:
        """Return an error of the store without the key, which comes from the sender."""
        place = f"s3://{self._store.bucket}/{key}"
        return type(error)(str(error).replace(place, "the body that it points to"))
