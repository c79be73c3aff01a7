"""Checks that a document is XML that SOAP allows, within limits, by streaming, without a tree.

The home of expat. libxml2 builds the tree afterwards, so an accepted document has passed two
independent parsers; and no message can take more memory here than its own bytes.
"""

from __future__ import annotations

import codecs
from xml.parsers import expat

from gateway.errors import Check, Refused
from gateway.limits import Limits

EMPTY = "The message is empty: send a SOAP envelope."
NOT_WELL_FORMED = "The message is not well-formed XML."
DISAGREE = "Byte order mark, XML declaration and charset of the content type disagree on UTF-8/16."
OTHER_CHARSET = (
    "The charset of the content type must be UTF-8 or UTF-16, and so must the message: encode it in"
    " UTF-8, and write charset=utf-8."
)
ENCODINGS = {"UTF-8", "UTF-16", "UTF-16LE", "UTF-16BE", "US-ASCII", "ASCII"}

_MARKS = {
    codecs.BOM_UTF16_LE: "UTF-16LE",
    codecs.BOM_UTF16_BE: "UTF-16BE",
    codecs.BOM_UTF8[:2]: "UTF-8",
}
"""By the first two bytes; a document that begins with only a part of UTF-8's mark is not XML."""


def check_wellformed(data: bytes, charset: str, limits: Limits) -> None:
    """Refuse a document that is not well-formed, not allowed by SOAP, or over a limit.

    SOAP allows neither document types nor processing instructions (SOAP 1.1 section 3, SOAP 1.2
    part 1 section 5); parsing ends at the first one. ``charset`` is that of the content type, empty
    without one. Raises Refused.
    """
    if not data:
        raise Refused(EMPTY, check=Check.XML)
    # An unknown charset is refused: a service may take it for anything.
    if charset and charset.upper() not in ENCODINGS:
        raise Refused(OTHER_CHARSET, check=Check.ENCODING)
    watch = _Watch(limits, _MARKS.get(data[:2], ""))
    try:
        # As a whole: in pieces, older versions of expat read an incomplete token again with each.
        _parser(watch).Parse(data, True)
    except expat.ExpatError as error:
        place = f"line {error.lineno}, column {error.offset}"
        raise Refused(NOT_WELL_FORMED, check=Check.XML, reason=place) from error
    _check_charset(charset.upper(), watch)


def _parser(watch: _Watch) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.ordered_attributes = True
    parser.XmlDeclHandler = watch.declaration
    parser.StartDoctypeDeclHandler = watch.document_type
    parser.ProcessingInstructionHandler = watch.instruction
    parser.CommentHandler = watch.comment
    parser.StartElementHandler = watch.start
    parser.EndElementHandler = watch.end
    return parser


class _Watch:
    """The state of the parse; raises Refused as soon as something is not allowed."""

    def __init__(self, limits: Limits, mark: str) -> None:
        self.mark = mark
        """The encoding of the byte order mark; empty without one."""
        self.encoding = mark[:6] or "UTF-8"
        self._limits = limits
        self._depth = self._elements = self._comments = 0

    def declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        # Not 1.1: it allows other characters, and the service behind may support it.
        if version != "1.0":
            raise Refused("The message must be XML of version 1.0.", check=Check.XML)
        declared = (encoding or self.encoding).upper()
        if declared not in ENCODINGS:
            raise Refused("The message must be encoded in UTF-8 or UTF-16.", check=Check.ENCODING)
        if not declared.startswith(self.mark[:6]):
            raise Refused(DISAGREE, check=Check.ENCODING)
        self.encoding = declared

    def document_type(self, *rest: object) -> None:
        raise Refused(
            "A SOAP message must not contain a document type declaration.", check=Check.DOCTYPE
        )

    def instruction(self, *rest: object) -> None:
        raise Refused(
            "A SOAP message must not contain a processing instruction.", check=Check.INSTRUCTION
        )

    def comment(self, text: str) -> None:
        self._comments += 1
        if self._comments > self._limits.comments:
            raise _beyond(f"{self._limits.comments} comments in a message")

    def start(self, name: str, attributes: list[str]) -> None:
        """``attributes`` has names and values alternately."""
        limits = self._limits
        self._depth += 1
        self._elements += 1
        if self._depth > limits.depth:
            raise _beyond(f"{limits.depth} elements inside each other")
        if self._elements > limits.elements:
            raise _beyond(f"{limits.elements} elements in a message")
        if len(name) > limits.name:
            raise _beyond(f"{limits.name} characters in a name")
        if attributes:
            _check_attributes(attributes, limits)

    def end(self, name: str) -> None:
        self._depth -= 1


def _check_attributes(attributes: list[str], limits: Limits) -> None:
    names, values = attributes[::2], attributes[1::2]
    if len(names) > min(limits.namespaces, limits.attributes):  # else neither can be too many
        declarations = sum(name[:5] == "xmlns" for name in names)
        if declarations > limits.namespaces:
            raise _beyond(f"{limits.namespaces} namespace declarations on an element")
        if len(names) - declarations > limits.attributes:
            raise _beyond(f"{limits.attributes} attributes on an element")
    if max(map(len, names)) > limits.name:
        raise _beyond(f"{limits.name} characters in a name")
    if max(map(len, values)) > limits.attribute_value:
        raise _beyond(f"{limits.attribute_value} characters in the value of an attribute")


def _beyond(limit: str) -> Refused:
    return Refused(f"No more than {limit} are accepted.", check=Check.XML_LIMIT)


def _check_charset(charset: str, watch: _Watch) -> None:
    """Refuse a charset that differs from the document's encoding (RFC 7303, section 3)."""
    if charset and not _agree(charset, watch):
        raise Refused(DISAGREE, check=Check.ENCODING)


def _agree(charset: str, watch: _Watch) -> bool:
    # Six letters: UTF-16, UTF-16LE and UTF-16BE go together, unless bytes say another order.
    is_same = charset[:6] == watch.encoding[:6]
    return is_same and (not watch.mark or not charset[6:] or charset == watch.mark)
