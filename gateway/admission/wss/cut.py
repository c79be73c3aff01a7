"""Taking a header block out of an envelope: every other byte stays as it came."""

from __future__ import annotations

from xml.parsers import expat

from gateway.message import Message
from gateway.soap.multipart import envelope_span

_BLOCK = 3
"""How deep a header block is: inside of Header, inside of Envelope."""


def without_block(message: Message, number: int) -> bytes:
    """Return the body of a message without its header block of that number, from 0 on.

    Raises Refused where the envelope is packed inside of a multipart message.
    """
    body = message.body
    begin, end = envelope_span(body, message.content_type)
    first, last = _Block(number).span(body[begin:end])
    return body[: begin + first] + body[begin + last :]


class _Found(Exception):
    """The end of the block was passed."""


class _Block:
    """Where a header block begins and ends, in bytes."""

    def __init__(self, number: int) -> None:
        self._left = number
        self._depth = 0
        self._begin = self._end = -1
        self._is_over = False
        self._parser = expat.ParserCreate()

    def span(self, data: bytes) -> tuple[int, int]:
        parser = self._parser
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._close
        parser.DefaultHandlerExpand = self._note_end
        try:
            parser.Parse(data, True)
        except _Found:
            return self._begin, self._end
        raise AssertionError("a header block that was parsed is not there")

    def _note_end(self, *_: object) -> None:
        """Note where the block ends: where anything comes after it."""
        if self._is_over:
            self._end = self._parser.CurrentByteIndex
            raise _Found

    def _start(self, name: str, attributes: object) -> None:
        self._note_end()
        self._depth += 1
        if self._depth == _BLOCK:
            if self._left == 0:
                self._begin = self._parser.CurrentByteIndex
            self._left -= 1

    def _close(self, name: str) -> None:
        self._note_end()
        self._is_over = self._depth == _BLOCK and self._begin >= 0
        self._depth -= 1
