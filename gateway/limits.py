"""How much a message may be, and the ranges that several settings share.

A value has its range beside its type; it is checked where values are read from a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

Seconds = Annotated[float, Interval(gt=0, le=24 * 3600)]
Bytes = Annotated[int, Interval(ge=1024, le=1 << 30)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``[limits]``: the largest messages, in bytes, and how much XML a request may hold.

    Lengths are in characters. Where more is no use, libxml2 refuses it: it has limits of its own,
    which nothing lifts here.
    """

    request: Bytes = 1 << 20
    reply: Bytes = 64 << 20
    gzip_ratio: Annotated[int, Interval(ge=1, le=1032)] = 20  # deflate's own end
    depth: Annotated[int, Interval(ge=3, le=255)] = 64
    elements: Annotated[int, Interval(ge=3, le=10_000_000)] = 50_000
    attributes: Annotated[int, Interval(ge=1, le=100_000)] = 64
    """Of one element, namespace declarations not counted."""
    namespaces: Annotated[int, Interval(ge=1, le=100_000)] = 64
    """Declarations on one element."""
    name: Annotated[int, Interval(ge=32, le=50_000)] = 256
    """Of an element or an attribute, with its prefix."""
    attribute_value: Annotated[int, Interval(ge=256, le=10_000_000)] = 64 << 10
    comments: Annotated[int, Interval(ge=0, le=10_000_000)] = 1000
    header_blocks: Annotated[int, Interval(ge=0, le=100_000)] = 32
    references: Annotated[int, Interval(ge=0, le=1000)] = 64
    """Of an rpc/encoded message, one behind another."""
    schema_time: Annotated[int, Interval(ge=1, le=600)] = 2
    """Seconds of work, where a message may take long to check."""


USUAL = Limits()
