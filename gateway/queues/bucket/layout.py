"""The layout of a queue bucket: its keys, and a message as an object with metadata."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote

from gateway.errors import ConfigurationError, QueueAway, QueueUnavailable, Refused, Unsure
from gateway.message import Message, Unreadable, from_properties, to_properties
from gateway.queues.aws.address import BucketAddress
from gateway.queues.bucket.store import OCTETS, Occupied, S3Store, Stored
from gateway.queues.claims.records import Name
from gateway.queues.request_age import forgotten

VERSION = 1
RINGS = "gateway-rings"
"""Metadata of a request whose client rings the doorbell itself."""
METADATA_LIMIT = 2048
"""Bytes of the names and values of user metadata (S3 user guide, "Working with metadata")."""
PROPERTIES = (
    "SOAPJMS_bindingVersion",
    "SOAPJMS_contentType",
    "SOAPJMS_soapAction",
    "SOAPJMS_targetService",
    "SOAPJMS_requestURI",
    "SOAPJMS_isFault",
    "SOAPJMS_contentEncoding",
    "JMSCorrelationID",
    "JMSReplyTo",
    "gateway-expires",
)
_NAMES = {name.lower().replace("_", "-"): name for name in PROPERTIES}
_PLAIN = "".join(map(chr, range(0x21, 0x7F))).replace("%", "") + " "
_OWN = re.compile(r"([A-Za-z0-9_-]{16,64})\.([A-Za-z0-9_-]{1,64})")
_UNSAID = ("", OCTETS, "binary/octet-stream")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a queue's objects."""

    address: BucketAddress

    @property
    def requests(self) -> str:
        return self.address.key("requests", "")

    @property
    def gateways(self) -> str:
        return self.address.key("gateways", "")

    @property
    def format(self) -> str:
        return self.address.key("format.json")

    def request(self, name: Name) -> str:
        sender, id = name
        return f"{self.requests}{id}.{sender}"

    def reply(self, name: Name) -> str:
        return self.address.key("replies", *name)

    def payload(self, name: Name) -> str:
        return self.address.key("payloads", *name)

    def quarantine(self, entry: str) -> str:
        """Return the key of an entry in quarantine; ``entry`` is its last part, not encoded."""
        return self.address.key("quarantine", quote(entry, safe=""))

    def name(self, key: str) -> Name | None:
        """Return sender and id from the key of a request; None for any other key."""
        found = _OWN.fullmatch(key.removeprefix(self.requests))
        return (found[2], found[1]) if found and key.startswith(self.requests) else None

    def client(self, key: str) -> str:
        """Return the sender from the key of a request; empty for any other key."""
        name = self.name(key)
        return name[0] if name is not None else ""


def to_metadata(message: Message) -> dict[str, str]:
    """Return the properties of a message as user metadata, percent-encoded where needed.

    Raises Refused where they are longer than S3 can hold.
    """
    properties = to_properties(message)
    metadata = {
        name.lower().replace("_", "-"): encoded(value) for name, value in properties.items()
    }
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > METADATA_LIMIT - 512:  # the other metadata of a record takes less
        raise Refused(f"The properties of the message take {size} bytes: at most 1536 can travel.")
    return metadata


def encoded(value: str) -> str:
    """Encode a value for metadata: as ASCII, without spaces that would be trimmed.

    A lone surrogate, which only a reason can have, becomes a question mark.
    """
    text = quote(value, safe=_PLAIN, errors="replace")
    return text.replace(" ", "%20") if text != " ".join(text.split()) else text


def from_object(stored: Stored, name: Name, *, interrupted: bool = False) -> Message | Unreadable:
    """Return the message that an object holds, or why it cannot be read. Never raises."""
    sender, id = name
    if stored.is_cut:
        return Unreadable(id=id, sender=sender, reason="it is larger than what is accepted")
    properties = _properties(stored.metadata)
    if any("\ufffd" in value or not value.isprintable() for value in properties.values()):
        return Unreadable(id=id, sender=sender, reason="its metadata is not percent-encoded UTF-8")
    if "\ufffd" in stored.content_type:
        return Unreadable(id=id, sender=sender, reason="its content type is not UTF-8")
    if stored.content_type not in _UNSAID:
        properties.setdefault("SOAPJMS_contentType", stored.content_type)
    return from_properties(
        properties,
        stored.body,
        id=id,
        sender=sender,
        interrupted=interrupted,
        arrived=written(stored),
        forgotten=forgotten(id, _last_modified(stored)),
    )


def written(stored: Stored) -> float | None:
    """Return when the store received the whole object; None where it does not say.

    For a multipart upload it gives the time of initiation (S3 user guide, "System-defined object
    metadata"): a client could initiate today what it sends tomorrow. The ETag of such an object
    ends with a hyphen and the number of parts.
    """
    return None if "-" in stored.etag else _last_modified(stored)


def _last_modified(stored: Stored) -> float | None:
    try:
        return parsedate_to_datetime(stored.modified).timestamp()
    except (ValueError, OverflowError):
        return None


def _properties(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the properties by their own names; other programs may write ``_`` for ``-``."""
    found = {}
    for name, value in metadata.items():
        known = _NAMES.get(name.replace("_", "-"))
        if known:
            ascii_only = value.encode("ascii", "replace").decode()
            found[known] = unquote(value) if ascii_only == value else "\ufffd"
    return found


def object_type(content_type: str) -> str:
    """Return the content type for an object: the message's, where a header can hold it."""
    return content_type if content_type.isascii() and content_type.isprintable() else OCTETS


async def check_format(store: S3Store, keys: Keys, mode: str) -> None:
    """Compare the bucket's format with this program's; write it where there is none yet.

    Raises ConfigurationError for another version or mode, and where the bucket cannot be read or
    written; QueueAway where its store cannot be reached, or fails.
    """
    try:
        found = await store.get(keys.format)
        if found is None:
            found = await _write_format(store, keys, mode)
    except QueueAway:
        raise
    except QueueUnavailable as error:
        raise ConfigurationError(f"queue: {error}") from error
    try:
        said = json.loads(found.body)
        version, other = said["version"], said["mode"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"queue: s3://{store.bucket}/{keys.format} was not written by this program: use "
            "another prefix, or correct endpoint_url if the server there is not S3."
        ) from error
    if version != VERSION:
        raise ConfigurationError(
            f"queue: the bucket has format version {version!r}, this program knows {VERSION}: "
            "use the newer program."
        )
    if other != mode:
        raise ConfigurationError(
            f"queue: this prefix of the bucket is in mode {other!r}, not {mode!r}: give the "
            "address that its other users have, or use another prefix."
        )


async def _write_format(store: S3Store, keys: Keys, mode: str) -> Stored:
    body = json.dumps({"format": "gateway-queue", "version": VERSION, "mode": mode}).encode()
    new = Stored(body, "")
    try:
        if await store.create(keys.format, body, "the format", content_type="application/json"):
            return new
    except (Occupied, Unsure):
        pass
    return await store.get(keys.format) or new
