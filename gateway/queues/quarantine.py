"""Shared by all quarantines: the new request for an entry that is sent again."""

from __future__ import annotations

from dataclasses import replace

from gateway.errors import Refused
from gateway.message import Message
from gateway.queue import Quarantined
from gateway.soap.jms import sniff_content_type
from gateway.soap.multipart import media_type

NO_SENDER = "Nobody knows who sent it, so it cannot be sent again: look at it, then drop it."
ID_TAKEN = "Client.id-taken: its id was used before, for another message"
NO_REQUEST = (
    "It could not be read as a request: send it again with a repaired envelope, or drop it."
)


def entry_name(name: str, reason: str, mark: str) -> str:
    """Return the name of an entry: that of its request.

    For a request whose id was taken, ``mark`` tells it from the entry of the first one.
    """
    return f"{name}~{mark[:8]}" if reason == ID_TAKEN else name


def check_sendable(entry: Quarantined, envelope: bytes | None) -> None:
    """Refuse to send again an entry without a sender, or one that needs a repaired envelope."""
    if not entry.sender:
        raise Refused(NO_SENDER)
    if not entry.is_request and envelope is None:
        raise Refused(NO_REQUEST)


def renewed(
    kept: Message, entry: Quarantined, envelope: bytes | None, *, id: str, expires: float
) -> Message:
    """Return the request that is sent in an entry's place, with the old id as its correlation."""
    message = replace(
        kept,
        id=id,
        sender=entry.sender,
        correlation_id=entry.id,
        expires=expires,
        interrupted=False,
        violation=None,
    )
    if envelope is None:
        return message
    return replace(
        message,
        body=envelope,
        content_type=_content_type(kept, entry, envelope),
        content_encoding="",
    )


def _content_type(kept: Message, entry: Quarantined, envelope: bytes) -> str:
    """Return the type of a repaired envelope: the old one, if its version of SOAP is the same."""
    sniffed = sniff_content_type(envelope)
    is_alike = media_type(kept.content_type) == media_type(sniffed)
    return kept.content_type if entry.is_request and (is_alike or not sniffed) else sniffed
