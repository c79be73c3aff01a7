"""WS-Addressing headers of replies: only the service's own address in them is replaced.

All other bytes stay as they came, so a signed Body stays valid.
"""

from __future__ import annotations

import codecs
import functools
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.backends.answers import NOT_SOAP
from gateway.contract.backend_names import STAND_IN
from gateway.errors import BackendFailed
from gateway.message import Message
from gateway.soap.multipart import is_multipart, root_span
from gateway.soap.reply import CHUNK, FARTHEST
from gateway.soap.spans import UNREADABLE, HeaderSpans, Span

_ANONYMOUS = {
    "http://www.w3.org/2005/08/addressing": "http://www.w3.org/2005/08/addressing/anonymous",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing": (
        "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
    ),
}
_KEPT = ("Action", "RelatesTo")
"""They hold names of the contract, and what the client itself sent."""
_ADDRESSES = ("Address", "To")
_SEEN = FARTHEST + CHUNK
_BYTE_ORDERS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_DECLARATION = re.compile(r"(?:<\?xml[^>]*\?>)?")


@dataclass(frozen=True, slots=True)
class _Cut:
    """Bytes that reveal the backend, and their replacement."""

    begin: int
    end: int
    text: bytes


def without_addresses(reply: Message, places: re.Pattern[str]) -> Message:
    """Return a reply whose WS-Addressing headers do not name the backend's places.

    It is unchanged if they do not. Raises BackendFailed if that cannot be decided.
    """
    begin, end = _envelope(reply)
    order = _BYTE_ORDERS.get(reply.body[begin : begin + 2])
    if order is None and reply.body.find(b"addressing", begin, min(end, begin + _SEEN)) < 0:
        return reply  # nearly all replies: this check costs next to nothing
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
    """Convert to UTF-8 and back, without the XML declaration, which names the encoding.

    Raises BackendFailed.
    """
    head_only = codecs.getincrementaldecoder(order)()
    try:
        text = head_only.decode(data[2 : 2 + 2 * _SEEN])  # whole characters only
    except UnicodeDecodeError as error:  # beyond what the glimpse has read
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
    for cut in _cuts(data[:_SEEN], places):
        pieces += data[done : cut.begin], cut.text
        done = cut.end
    return b"".join((*pieces, data[done:])) if pieces else data


def _cuts(data: bytes, places: re.Pattern[str]) -> list[_Cut]:
    """Return the cuts in the headers of an envelope, in order. Raises BackendFailed."""
    header = HeaderSpans()
    try:
        header.read(data)
    except UNREADABLE as error:
        if _in_bytes(places).search(data):
            raise BackendFailed(NOT_SOAP, reason="its headers cannot be read") from error
    cuts: list[_Cut] = []
    for block, *inside in header.blocks:
        if _is_block(block.name):
            whole = [
                _Cut(one.content, one.close, _ANONYMOUS[one.name.partition(" ")[0]].encode())
                for one in (block, *inside)
                if _is_address(one) and places.search("".join(one.texts))
            ]
            cuts += whole + _rest(data, block, whole, places)
    return sorted(cuts, key=lambda cut: cut.begin)


def _rest(data: bytes, block: Span, whole: Sequence[_Cut], places: re.Pattern[str]) -> list[_Cut]:
    """Return the cuts in the rest of a block: parameters, metadata, ids."""
    begins, rest = [cut.begin for cut in whole], []
    for found in _in_bytes(places).finditer(data, block.begin, max(block.begin, block.close)):
        before = bisect_right(begins, found.start())
        if not before or found.start() >= whole[before - 1].end:
            rest.append(_Cut(*found.span(), STAND_IN.encode()))
    return rest


@functools.lru_cache(64)
def _in_bytes(places: re.Pattern[str]) -> re.Pattern[bytes]:
    return re.compile(places.pattern.encode(), re.IGNORECASE)


def _is_address(one: Span) -> bool:
    namespace, _, local = one.name.rpartition(" ")
    is_text = one.close >= 0 and not one.has_elements
    return is_text and namespace in _ANONYMOUS and local in _ADDRESSES


def _is_block(name: str) -> bool:
    namespace, _, local = name.rpartition(" ")
    return namespace in _ANONYMOUS and local not in _KEPT
