"""multipart/related (RFC 2387), as MTOM and SOAP with Attachments use it: to look inside."""

from __future__ import annotations

import email.message
import email.parser
import email.policy
import functools
from dataclasses import dataclass

from gateway.errors import Refused


@dataclass(frozen=True, slots=True)
class Part:
    """The root part of a multipart message: the one with the envelope."""

    body: bytes
    content_type: str


def _header(content_type: str) -> email.message.Message:
    header = email.message.Message()
    header["content-type"] = content_type
    return header


def media_type(content_type: str) -> str:
    """Return a content type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


@functools.lru_cache(maxsize=1024)  # callers send the same few content types over and over
def parameter(content_type: str, name: str) -> str:
    """Return a parameter of a content type, without its quotes; empty where it is not there."""
    value = _header(content_type).get_param(name, "") if ";" in content_type else ""
    return value if isinstance(value, str) else ""


def is_multipart(content_type: str) -> bool:
    """Tell whether the body is a whole multipart message."""
    return media_type(content_type).startswith("multipart/")


def split(body: bytes, content_type: str) -> tuple[Part, dict[str, bytes]]:
    """Return the root part, and the bytes of every other part by its Content-ID.

    The root part is the one that ``start`` names, or else the first. Raises Refused.
    """
    head = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
    parsed = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    parts = list(parsed.iter_parts()) if parsed.is_multipart() else []
    if not parts:
        raise Refused(
            "The multipart message has no parts, or its boundary is not the announced one."
        )
    start = parameter(content_type, "start")
    root = next(
        (part for part in parts if start and _content_id(part) == start.strip("<>")), parts[0]
    )
    others = {_content_id(part): _bytes(part) for part in parts if part is not root}
    return Part(_bytes(root), str(root.get("Content-Type", "text/xml"))), others


def _content_id(part: email.message.Message) -> str:
    return str(part.get("Content-ID", "")).strip().strip("<>")


def _bytes(part: email.message.Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
