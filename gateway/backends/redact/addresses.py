"""WS-Addressing headers of replies: a service's own address in them is replaced, and nothing else.

Byte by byte: all around what is replaced stays as it came, the signed Body too. With expat, which
tells where in the bytes it is; it stops at the Body, however large that is.
"""

from __future__ import annotations

import codecs
import functools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from xml.parsers import expat

from gateway.backends.answers import NOT_SOAP
from gateway.contract.places import STAND_IN
from gateway.errors import BackendFailed
from gateway.message import Message
from gateway.soap.envelope import SoapVersion
from gateway.soap.multipart import is_multipart, root_span
from gateway.soap.reply import CHUNK, FARTHEST

_ANONYMOUS = {
    "http://www.w3.org/2005/08/addressing": "http://www.w3.org/2005/08/addressing/anonymous",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing": (
        "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
    ),
}
_KEPT = ("Action", "RelatesTo")
"""Names of the contract, and what the client itself sent."""
_ADDRESSES = ("Address", "To")
_BODIES = tuple(f"{version.namespace} Body" for version in SoapVersion)
_HEADERS = tuple(f"{version.namespace} Header" for version in SoapVersion)
_BLOCK = 3
"""How deep a header block is: inside of Header, inside of Envelope."""
_MIXED = -1
"""Where text begins in an element that has others in it: nowhere that could be replaced."""
_SEEN = FARTHEST + CHUNK
_BYTE_ORDERS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_DECLARATION = re.compile(r"(?:<\?xml[^>]*\?>)?")


@dataclass(frozen=True, slots=True)
class _Cut:
    """Bytes that tell of the backend, and what comes in their place."""

    begin: int
    end: int
    text: bytes


def without_addresses(reply: Message, places: re.Pattern[str]) -> Message:
    """Return a reply whose WS-Addressing headers name no place of the backend.

    It is the same one where none did. Raises BackendFailed where nobody can tell.
    """
    begin, end = _envelope(reply)
    order = _BYTE_ORDERS.get(reply.body[begin : begin + 2])
    if order is None and reply.body.find(b"addressing", begin, min(end, begin + _SEEN)) < 0:
        return reply  # as nearly all are: this costs next to nothing
    data = reply.body[begin:end]
    changed = _changed_utf_16(data, order, places) if order else _changed(data, places)
    if changed == data:
        return reply
    return replace(reply, body=reply.body[:begin] + changed + reply.body[end:])


def _envelope(reply: Message) -> tuple[int, int]:
    if is_multipart(reply.content_type):
        return root_span(reply.body, reply.content_type) or (0, 0)
    return 0, len(reply.body)


def _changed_utf_16(data: bytes, order: str, places: re.Pattern[str]) -> bytes:
    """Do it in UTF-8, for which the declaration would be wrong: it is left aside.

    Raises BackendFailed.
    """
    head_only = codecs.getincrementaldecoder(order)()
    try:
        text = head_only.decode(data[2 : 2 + 2 * _SEEN])  # whole characters of it
    except UnicodeDecodeError as error:  # behind what the glimpse has seen
        raise BackendFailed(NOT_SOAP, reason="half of a character of UTF-16 is in it") from error
    rest = data[2 + len(text.encode(order)) :]
    declaration = _DECLARATION.match(text)
    head = declaration[0] if declaration else ""
    plain = text[len(head) :].encode()
    changed = _changed(plain, places)
    return data if changed == plain else data[:2] + (head + changed.decode()).encode(order) + rest


def _changed(data: bytes, places: re.Pattern[str]) -> bytes:
    pieces: list[bytes] = []
    done = 0
    for cut in sorted(_Scan(data[:_SEEN], places).cuts(), key=lambda one: one.begin):
        pieces += data[done : cut.begin], cut.text
        done = cut.end
    return b"".join((*pieces, data[done:])) if pieces else data


@functools.lru_cache(64)
def _in_bytes(places: re.Pattern[str]) -> re.Pattern[bytes]:
    return re.compile(places.pattern.encode(), re.IGNORECASE)


class _AtBody(Exception):
    """The headers are over."""


class _Scan:
    """Goes through the headers of one envelope."""

    def __init__(self, data: bytes, places: re.Pattern[str]) -> None:
        self._data = data
        self._places = places
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._path: list[str] = []
        self._block = -1
        """Where the WS-Addressing block begins that is open; -1 where none is."""
        self._text: list[str] = []
        self._text_begin: int | None = None
        self._cuts: list[_Cut] = []

    def cuts(self) -> list[_Cut]:
        """Return what has to go. Raises BackendFailed."""
        parser = self._parser
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        parser.CommentHandler = parser.StartCdataSectionHandler = self._content
        try:
            parser.Parse(self._data, True)
        except _AtBody:
            return self._cuts
        except (expat.ExpatError, ValueError, LookupError) as error:
            if _in_bytes(self._places).search(self._data):
                raise BackendFailed(NOT_SOAP, reason="its headers cannot be read") from error
        return self._cuts

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._content()
        self._path.append(name)
        if len(self._path) == 2 and name in _BODIES:
            raise _AtBody
        if len(self._path) == _BLOCK and self._path[1] in _HEADERS and _is_block(name):
            self._block = self._parser.CurrentByteIndex
        self._text, self._text_begin = [], None

    def _content(self, *_: object) -> None:
        """Note where the content of the element begins that was opened last."""
        if self._text_begin is None:
            self._text_begin = self._parser.CurrentByteIndex

    def _characters(self, text: str) -> None:
        self._content()
        self._text.append(text)

    def _end(self, name: str) -> None:
        here = self._parser.CurrentByteIndex
        if self._block >= 0:
            self._cut_address(name, here)
        if self._block >= 0 and len(self._path) == _BLOCK:
            self._cut_rest(here)
            self._block = -1
        self._text, self._text_begin = [], _MIXED
        self._path.pop()

    def _cut_address(self, name: str, end: int) -> None:
        """Cut out what an element holds that is an address, where it tells of the backend."""
        namespace, _, local = name.rpartition(" ")
        begin = self._text_begin
        if namespace not in _ANONYMOUS or local not in _ADDRESSES or begin in (None, _MIXED):
            return
        if self._places.search("".join(self._text)):
            self._cuts.append(_Cut(begin or 0, end, _ANONYMOUS[namespace].encode()))

    def _cut_rest(self, end: int) -> None:
        """Cut the places out of whatever else the block holds: parameters, metadata, ids."""
        done = self._cuts[bisect_left(self._cuts, self._block, key=lambda one: one.begin) :]
        begins = [cut.begin for cut in done]
        for found in _in_bytes(self._places).finditer(self._data, self._block, end):
            before = bisect_right(begins, found.start())
            if not before or found.start() >= done[before - 1].end:
                self._cuts.append(_Cut(*found.span(), STAND_IN.encode()))


def _is_block(name: str) -> bool:
    namespace, _, local = name.rpartition(" ")
    return namespace in _ANONYMOUS and local not in _KEPT
