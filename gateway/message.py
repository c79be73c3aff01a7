"""A message: one frozen value, and its properties by their wire names."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict, Unpack

from gateway.errors import Check, IdOfAnotherTime, JmsSubcode, Refused
from gateway.soap.jms import BINDING_VERSION, sniff_content_type, violation

Clock = Callable[[], float]
"""Seconds since the epoch."""

ID_WINDOW = 24 * 3600.0
"""Age of an id, in seconds, up to which the queue accepts its request, by the queue's clock."""
ID_AHEAD = 12 * 3600.0
"""Seconds by which the time inside an id may be ahead: enough for a clock set to another zone."""
REPLY_RETENTION = 2 * ID_WINDOW
"""Seconds for which a reply, and the claim before it, is kept after its last write."""

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_DIGITS = str.maketrans(_BASE32, "0123456789abcdefghijklmnopqrstuv")  # as Python counts by 32
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_FOREIGN_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_CLIENT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")


def new_id(clock: Clock = time.time) -> str:
    """Return a ULID: 48 bits of milliseconds, then 80 random bits; sortable, not guessable.

    For a request, use the clock of its queue: this machine's may be days off.
    """
    return _ulid(clock(), secrets.randbits(80))


def derived_id(at: float, seed: bytes) -> str:
    """Return a ULID of a time, always the same one for the same seed."""
    return _ulid(at, int.from_bytes(hashlib.sha256(seed).digest()[:10], "big"))


def _ulid(at: float, rest: int) -> str:
    number = (int(at * 1000) << 80) | rest
    return "".join(_BASE32[(number >> shift) & 31] for shift in range(125, -1, -5))


def id_time(id: str) -> float | None:
    """Return the time inside a ULID, in seconds since the epoch; None for another kind of id."""
    if not _ULID.fullmatch(id):
        return None
    return int(id[:10].translate(_DIGITS), 32) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A SOAP message on its way, request or reply."""

    body: bytes
    """The envelope as it came. Never parsed and serialized again: signatures survive."""
    content_type: str
    """Complete: with charset, SOAP 1.2's action, MTOM's boundary."""
    content_encoding: str = ""
    """``gzip`` where the body is packed; it has to be unpacked before it is read."""
    soap_action: str = ""
    target_service: str = ""
    request_uri: str = ""
    is_fault: bool = False
    id: str = field(default_factory=new_id)
    correlation_id: str = ""
    reply_to: str = ""
    expires: float | None = None
    """Seconds since the epoch, by the queue's clock. After it the request is not executed."""
    sender: str = ""
    """The sender by the word of the queue; never read from the message."""
    interrupted: bool = False
    """Set by the queue: an earlier delivery may have reached the backend, and was never settled."""
    arrived: float | None = field(default=None, compare=False)
    """Set by the queue: when it took the request, by its own clock; None before that. Not compared,
    so that a delivered message equals the one that was sent."""
    forgotten: float | None = field(default=None, compare=False)
    """Set by the queue: when the record of an earlier copy may be swept, by its own clock. None
    where the queue keeps that for as long as it has the request."""
    is_named_by_queue: bool = field(default=False, compare=False)
    """Set by the queue: it made the id itself, so no other request can have it."""
    violation: JmsSubcode | None = None
    """Set by the queue, on a request: the rule of SOAP/JMS that its properties break, for the
    fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A queue entry that is not a message: its id there, and why it cannot be read."""

    id: str
    sender: str
    reason: str


class QueueFields(TypedDict):
    """Fields of a message that the queue itself sets, never a property."""

    id: str
    sender: str
    interrupted: NotRequired[bool]
    arrived: NotRequired[float | None]
    forgotten: NotRequired[float | None]


def echoed(request: Message) -> dict[str, Any]:
    """Return the fields that a reply takes from its request (SOAP/JMS 1.0, section 2.2.3).

    Values that no header can carry are left out: with them, the reply could be stored, but not read
    again.
    """
    fields = {
        "soap_action": request.soap_action,
        "target_service": request.target_service,
        "request_uri": request.request_uri,
        "correlation_id": request.correlation_id,
    }
    kept = {name: value if value.isprintable() else "" for name, value in fields.items()}
    return {**kept, "correlation_id": kept["correlation_id"] or request.id}


def digest(message: Message) -> bytes:
    """Return the SHA-256 of the body: two requests with one id are the same if theirs agree."""
    return hashlib.sha256(message.body).digest()


def is_id(id: str) -> bool:
    """Tell whether a request can have this id: anything else gets into no key and no log."""
    return _FOREIGN_ID.fullmatch(id) is not None


def check_identity(message: Message, now: float) -> None:
    """Refuse an id or a sender that no queue could hold, and an id from another time.

    ``now`` is the queue's clock. Raises Refused.
    """
    check_names(message)
    check_id_time(message.id, now)


def check_names(message: Message) -> None:
    """Refuse an id or a sender that no queue could hold. Raises Refused."""
    if not _CLIENT.fullmatch(message.sender):
        raise Refused(
            "The client's name must be 1 to 64 letters, digits, '_' or '-'.", check=Check.CLIENT
        )
    if not is_id(message.id):
        raise Refused(
            "The message id must be 16 to 64 letters, digits, '_' or '-'.", check=Check.ID
        )


def check_id_time(id: str, at: float) -> None:
    """Refuse an id whose time is too far from ``at``, its request's arrival.

    Its reply may be swept by now, or while the id is still accepted:
    ``gateway.queues.request_age``. Raises IdOfAnotherTime.
    """
    made = id_time(id)
    if made is not None and not -ID_AHEAD <= at - made <= ID_WINDOW:
        raise IdOfAnotherTime(
            "The message id is more than 24 hours old, or 12 hours ahead: use a new one. If this"
            " was sent under it before, find out first what became of that.",
            reason=f"it is of a time {apart(made - at)} the queue's clock",
        )


def apart(seconds: float) -> str:
    """Return the distance between two times for a message: ``72.0 h behind``."""
    return f"{abs(seconds) / 3600:.1f} h {'ahead of' if seconds > 0 else 'behind'}"


def to_properties(message: Message) -> dict[str, str]:
    """Return the properties of a message, by the names of SOAP over JMS 1.0, section 2.2.3.

    Empty fields are left out, and so are those that the queue sets (id, sender, interrupted).
    """
    properties = {
        "SOAPJMS_bindingVersion": BINDING_VERSION,
        "SOAPJMS_contentType": message.content_type,
        "SOAPJMS_contentEncoding": message.content_encoding,
        "SOAPJMS_soapAction": message.soap_action,
        "SOAPJMS_targetService": message.target_service,
        "SOAPJMS_requestURI": message.request_uri,
        "SOAPJMS_isFault": "true" if message.is_fault else "",
        "JMSCorrelationID": message.correlation_id,
        "JMSReplyTo": message.reply_to,
        "gateway-expires": "" if message.expires is None else repr(message.expires),
    }
    return {name: value for name, value in properties.items() if value}


def _finite(text: str) -> float:
    """Return a number. Raises ValueError, also for infinity and NaN.

    Python accepts more than others do: blanks, underscores, digits of any script.
    """
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def from_properties(
    properties: Mapping[str, str],
    body: bytes,
    *,
    strict: bool = False,
    kind: str | None = "byte",
    **known: Unpack[QueueFields],
) -> Message | Unreadable:
    """Return the message, or why it cannot be read. Never raises on what the properties hold.

    ``strict`` requires every rule of SOAP/JMS; without it, what other programs really send passes:
    a bare envelope gets a content type by its namespace. A broken rule is in ``violation``.
    ``kind`` is the type of the JMS message, "byte" or "text", or another one; None for a reply,
    which no rules apply to.
    """
    try:
        expires = (
            _finite(properties["gateway-expires"]) if "gateway-expires" in properties else None
        )
    except ValueError:
        reason = "gateway-expires is not a finite number"
        return Unreadable(id=known["id"], sender=known["sender"], reason=reason)
    return Message(
        body=body,
        # Found by the body in strict mode too, so that the fault has the sender's SOAP version.
        content_type=properties.get("SOAPJMS_contentType", "") or sniff_content_type(body),
        content_encoding=properties.get("SOAPJMS_contentEncoding", ""),
        soap_action=properties.get("SOAPJMS_soapAction", "").strip('"'),
        target_service=properties.get("SOAPJMS_targetService", ""),
        request_uri=properties.get("SOAPJMS_requestURI", ""),
        is_fault=properties.get("SOAPJMS_isFault", "") in ("true", "1"),
        correlation_id=properties.get("JMSCorrelationID", ""),
        reply_to=properties.get("JMSReplyTo", ""),
        expires=expires,
        violation=None if kind is None else violation(properties, body, strict=strict, kind=kind),
        **known,
    )
