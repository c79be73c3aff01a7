"""A reader of multipart/related (RFC 2387), for MTOM and SOAP with Attachments.

Not the standard library's mail parser: it takes apart parts of type message/rfc822 or multipart/*,
accepts a boundary behind a bare line feed where others see content, and needs seconds, or the whole
stack, for a header of some kilobytes.
"""

from __future__ import annotations

import binascii
import contextlib
import email.message
import email.utils
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ParamSpec, TypeVar

from gateway.errors import Check, Refused

P = ParamSpec("P")
T = TypeVar("T")

LONGEST = 1024
"""Characters of a content type, at most: a longer one is neither accepted nor cached."""
SEEN = 1024
"""Parsed content types that are cached: callers send the same few over and over."""
PARTS = 1000
HEAD = 8 << 10
"""Parts of a message, and bytes of the headers of each, at most."""
LOOKS = 10 * PARTS
"""Occurrences of the boundary, delimiters or not: checking each takes a microsecond."""

NO_PARTS = "The multipart message has no parts, or its boundary is not the announced one."
PACKED = "The envelope's part must not be packed: send it as 8bit or binary."
PACKED_PART = "A part is packed: send every part without a Content-Encoding."
_END = re.compile(rb"(--)?[ \t]*(?=\r\n|\Z)")
_FOLD = re.compile(rb"\r\n[ \t]+")


@dataclass(frozen=True, slots=True)
class RootPart:
    """The root part of a multipart message: the one with the envelope."""

    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class _Section:
    """A part: its headers, by lower-case name, and the span of its content."""

    headers: dict[str, str]
    begin: int
    end: int

    @property
    def id(self) -> str:
        return self.headers.get("content-id", "").strip("<>")


def _remembered(function: Callable[P, T]) -> Callable[P, T]:
    """Cache a function of content types: except for strangers', there are few.

    One that is too long for a header is not cached: in a queue it may be as long as a message.
    """
    cached = functools.lru_cache(SEEN)(function)

    def made(*given: P.args, **named: P.kwargs) -> T:
        return cached(*given) if len(str(given[0])) <= LONGEST else function(*given, **named)

    return made


@_remembered
def media_type(content_type: str) -> str:
    """Return a content type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


@_remembered
def parameter(content_type: str, name: str) -> str:
    """Return a parameter of a content type, without its quotes; empty if it is missing.

    It is also empty if the parameters cannot be read: see ``is_readable``.
    """
    given = _parameters(content_type) if ";" in content_type else ()
    value = next((value for known, value in given or () if known.lower() == name), "")
    return email.utils.unquote(value) if isinstance(value, str) else ""


@_remembered
def is_plain(content_type: str) -> bool:
    """True if no parameter is repeated, or in the form of RFC 2231.

    Parsers differ in how they read those, and the mail library cannot read some.
    """
    given = _parameters(content_type)
    if given is None:
        return False
    names = [name.lower() for name, _ in given]
    return len(names) == len(set(names)) and all(isinstance(value, str) for _, value in given)


@_remembered
def is_readable(content_type: str) -> bool:
    """True if the parameters of a content type can be read."""
    return ";" not in content_type or _parameters(content_type) is not None


def _parameters(content_type: str) -> Sequence[tuple[str, str | tuple[str, str, str]]] | None:
    """Return the names and values of the parameters; None if they cannot be read.

    The library raises various errors: ValueError for a number of 5000 digits in a name
    (``a*9...``), TypeError for ``a*=x; a*0=y``.
    """
    header = email.message.Message()
    header["content-type"] = content_type
    try:
        return (header.get_params([], unquote=False) or [])[1:]
    except (ValueError, TypeError):
        return None


def is_multipart(content_type: str) -> bool:
    """True if the body is a multipart message."""
    return media_type(content_type).startswith("multipart/")


def split(body: bytes, content_type: str) -> tuple[RootPart, dict[str, bytes]]:
    """Return the root part, and the bytes of every other part by its Content-ID.

    The root part is the one that ``start`` names, or else the first. Raises Refused, also if
    another parser could find other parts.
    """
    sections = list(islice(_sections(body, content_type), PARTS + 1))
    ids = [one.id for one in sections if one.id]
    if len(sections) > PARTS or len(ids) != len(set(ids)):
        raise Refused(
            "The multipart message has too many parts, or two with one Content-ID.",
            check=Check.MULTIPART,
        )
    if any(
        one.headers.get("content-encoding", "identity").lower() != "identity" for one in sections
    ):
        # The service would decompress it without any of our limits.
        raise Refused(PACKED_PART, check=Check.CONTENT_ENCODING)
    root = _root(body, sections, parameter(content_type, "start").strip("<>"))
    others = {one.id: _content(body, one) for one in sections if one is not root and one.id}
    kind = root.headers.get("content-type", "text/xml")
    if not is_plain(kind):
        raise Refused(
            "A parameter of the root part's content type is there twice, or in parts.",
            check=Check.MULTIPART,
        )
    return RootPart(_content(body, root), kind), others


def _root(body: bytes, sections: Sequence[_Section], start: str) -> _Section:
    root = next((one for one in sections if not start or one.id == start), None)
    if root is None:
        raise Refused(
            "The start of the multipart message names none of its parts.", check=Check.MULTIPART
        )
    if any(_is_xml(_content(body, one)) for one in sections[: sections.index(root)]):
        # Some parsers ignore start, and would take that part for the envelope.
        raise Refused(
            "No XML may stand before the envelope: put the envelope first.", check=Check.MULTIPART
        )
    return root


def _is_xml(content: bytes) -> bool:
    """True if a part begins like XML, in UTF-8 or UTF-16."""
    return content.lstrip(b"\xef\xbb\xbf\xfe\xff\0 \t\r\n")[:1] == b"<"


def has_attachments(body: bytes, content_type: str) -> bool:
    """True if a message has parts beside its root, named or not. Raises Refused."""
    return is_multipart(content_type) and len(list(islice(_sections(body, content_type), 2))) > 1


def root_span(body: bytes, content_type: str) -> tuple[int, int] | None:
    """Return the span of the root part's content; None if it is not found."""
    start = parameter(content_type, "start").strip("<>")
    try:
        for one in islice(_sections(body, content_type), PARTS):
            if not start or one.id == start:
                return one.begin, one.end
    except Refused:
        return None
    return None


def envelope_span(body: bytes, content_type: str) -> tuple[int, int]:
    """Return the span of the envelope in any message, to change it there.

    Raises Refused if it is encoded, or not found.
    """
    if not is_multipart(content_type):
        return 0, len(body)
    begin, end = root_span(body, content_type) or (0, 0)
    if split(body, content_type)[0].body != body[begin:end]:
        raise Refused(PACKED, check=Check.MULTIPART)
    return begin, end


def _sections(body: bytes, content_type: str) -> Iterator[_Section]:
    boundary = parameter(content_type, "boundary")
    begin = None
    for at, end, is_last in _delimiters(body, boundary) if boundary else ():
        if begin is not None:
            yield _section(body, begin, at)
        begin = end
        if is_last:
            return
    raise Refused(NO_PARTS, check=Check.MULTIPART)


def _delimiters(body: bytes, boundary: str) -> Iterator[tuple[int, int, bool]]:
    """Yield the span of each delimiter, and whether it is the last (RFC 2046, section 5.1.1).

    Raises Refused for text that only some parsers take for one: behind a bare CR or LF, or with
    more text behind; and if the boundary occurs too often in the parts.
    """
    mark = b"--" + boundary.encode("latin-1", "replace")
    at, looks = body.find(mark), 0
    while at >= 0:
        looks += 1
        if looks > LOOKS:
            raise Refused(
                "The parts are full of their boundary: choose another boundary.",
                check=Check.MULTIPART,
            )
        before, end = body[max(0, at - 2) : at], _END.match(body, at + len(mark))
        if end is not None and before in (b"", b"\r\n"):
            yield max(0, at - 2), end.end(), bool(end[1])
        elif not before or before[-1:] in b"\r\n":
            raise Refused(
                "A line of a part begins as the boundary does: choose another boundary.",
                check=Check.MULTIPART,
            )
        at = body.find(mark, at + len(mark))


def _section(body: bytes, begin: int, end: int) -> _Section:
    head = body.find(b"\r\n\r\n", begin, min(end, begin + HEAD))
    if head < 0:
        raise Refused("The headers of a part have no end, or are too long.", check=Check.MULTIPART)
    headers: dict[str, str] = {}
    for line in _FOLD.sub(b" ", body[begin:head]).split(b"\r\n")[1:]:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or name.lower() in headers or "\n" in value or "\r" in value:
            raise Refused(
                "A header of a part cannot be read, or is there twice.", check=Check.MULTIPART
            )
        headers[name.lower()] = value.strip()
    return _Section(headers, head + 4, end)


def _content(body: bytes, section: _Section) -> bytes:
    """Return the bytes of a part, whatever its type (RFC 2045, section 6)."""
    content = body[section.begin : section.end]
    match section.headers.get("content-transfer-encoding", "binary").lower():
        case "7bit" | "8bit" | "binary":
            return content
        case "quoted-printable":
            return binascii.a2b_qp(content)
        case "base64":
            with contextlib.suppress(binascii.Error):
                return binascii.a2b_base64(content)
    raise Refused("The transfer encoding of a part cannot be read.", check=Check.MULTIPART)
