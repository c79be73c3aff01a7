"""Taking a header block out of an envelope: every other byte stays as it came."""

from __future__ import annotations

from gateway.message import Message
from gateway.soap.multipart import envelope_span
from gateway.soap.spans import HeaderSpans


def without_block(message: Message, number: int) -> bytes:
    """Return the body of a message without its header block of that number, counted from 0.

    Raises Refused where the envelope is encoded inside a multipart message.
    """
    body = message.body
    begin, end = envelope_span(body, message.content_type)
    header = HeaderSpans()
    header.read(body[begin:end])
    block, *_ = header.blocks[number]
    return body[: begin + block.begin] + body[begin + block.end :]
