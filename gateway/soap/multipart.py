"""multipart/related (RFC 2387), as MTOM and SOAP with Attachments use it: to look inside.

Not with the library's parser of mail: it takes parts of type message/rfc822 or multipart/* apart,
reads a boundary behind a bare line feed where others see content, and needs seconds, or all of the
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
"""Characters of a content type that can be a header: no longer one is accepted, or remembered."""
SEEN = 1024
"""Content types that are remembered, taken apart: callers send the same few over and over."""
PARTS = 1000
HEAD = 8 << 10
"""How many parts a message may have, and how many bytes the headers of each."""
LOOKS = 10 * PARTS
"""Places that hold the boundary, and may be no delimiter: each takes a microsecond to look at."""

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
    """A part: its headers, by their names in lower case, and where its content is."""

    headers: dict[str, str]
    begin: int
    end: int

    @property
    def id(self) -> str:
        return self.headers.get("content-id", "").strip("<>")


def _remembered(function: Callable[P, T]) -> Callable[P, T]:
    """Remember what a function made of content types: there are few, but of those of strangers.

    One that is too long to be a header is not kept: a queue may carry one as long as a message.
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
    """Return a parameter of a content type, without its quotes; empty where it is not there.

    So it is where the parameters cannot be read: ``is_readable`` tells.
    """
    given = _parameters(content_type) if ";" in content_type else ()
    value = next((value for known, value in given or () if known.lower() == name), "")
    return email.utils.unquote(value) if isinstance(value, str) else ""


@_remembered
def is_plain(content_type: str) -> bool:
    """True where no parameter is there twice, or in the form of RFC 2231.

    Readers differ in what they make of those, and of some the library of mail makes nothing.
    """
    given = _parameters(content_type)
    if given is None:
        return False
    names = [name.lower() for name, _ in given]
    return len(names) == len(set(names)) and all(isinstance(value, str) for _, value in given)


@_remembered
def is_readable(content_type: str) -> bool:
    """True where the parameters of a content type can be read."""
    return ";" not in content_type or _parameters(content_type) is not None


def _parameters(content_type: str) -> Sequence[tuple[str, str | tuple[str, str, str]]] | None:
    """Return the names and values of the parameters; None where they cannot be read.

    The library raises what it likes: ValueError for a number of 5000 digits in a name (``a*9...``),
    TypeError for ``a*=x; a*0=y``.
    """
    header = email.message.Message()
    header["content-type"] = content_type
    try:
        return (header.get_params([], unquote=False) or [])[1:]
    except (ValueError, TypeError):
        return None


def is_multipart(content_type: str) -> bool:
    """True where the body is a whole multipart message."""
    return media_type(content_type).startswith("multipart/")


def split(body: bytes, content_type: str) -> tuple[RootPart, dict[str, bytes]]:
    """Return the root part, and the bytes of every other part by its Content-ID.

    The root part is the one that ``start`` names, or else the first. Raises Refused, also where
    another reader could find other parts.
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
        # No limit would hold for what a service makes of it.
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
        # There are readers that do not look at start: they would take that for the envelope.
        raise Refused(
            "No XML may stand before the envelope: put the envelope first.", check=Check.MULTIPART
        )
    return root


def _is_xml(content: bytes) -> bool:
    """True where a part begins as XML does, in UTF-8 or UTF-16."""
    return content.lstrip(b"\xef\xbb\xbf\xfe\xff\0 \t\r\n")[:1] == b"<"


def has_attachments(body: bytes, content_type: str) -> bool:
    """True where a message has parts beside its root, named or not. Raises Refused."""
    return is_multipart(content_type) and len(list(islice(_sections(body, content_type), 2))) > 1


def root_span(body: bytes, content_type: str) -> tuple[int, int] | None:
    """Return where the content of the root part begins and ends; None where it is not found."""
    start = parameter(content_type, "start").strip("<>")
    try:
        for one in islice(_sections(body, content_type), PARTS):
            if not start or one.id == start:
                return one.begin, one.end
    except Refused:
        return None
    return None


def envelope_span(body: bytes, content_type: str) -> tuple[int, int]:
    """Return where the envelope of any message begins and ends, to change it there.

    Raises Refused where it is packed, or is not found.
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
    """Yield where each delimiter begins and ends, and whether it is the last (RFC 2046, 5.1.1).

    Raises Refused for what only some readers take for one: behind a bare CR or LF, or going on;
    and where the boundary is all over the parts.
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
