"""The lines of an audit log: JSON objects, numbered, each with the hash of the one before."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

Values = Mapping[str, str | int | float | None]
"""The content of a line, without the fields of the chain."""
Write = Callable[[Values], None]
"""Writes a line. Raises QueueUnavailable where it cannot: then nothing may be settled."""

TAIL = 1 << 20
"""Bytes at the end of a file in which its last line is sought: a line has some hundreds."""


@dataclass(frozen=True, slots=True)
class Link:
    """The last line of a chain: the chain's id, the line's number and its hash."""

    chain: str
    number: int = 0
    hash: str = ""


def nowhere(values: Values) -> None:
    """Write nothing: there is no audit log."""


def hashed(line: bytes) -> str:
    """Return the hash of a line, which is given without its newline."""
    return hashlib.sha256(line).hexdigest()


def appended(link: Link, time: str, values: Values) -> tuple[bytes, Link]:
    """Return the next line, with its newline, and the link for it."""
    whole = {"n": link.number + 1, "time": time, **values, "chain": link.chain, "prev": link.hash}
    # ASCII alone: any name stays on its line, and is harmless to a terminal.
    line = json.dumps(whole, separators=(",", ":")).encode()
    return line + b"\n", replace(link, number=link.number + 1, hash=hashed(line))


def parsed(line: bytes) -> dict[str, Any] | None:
    """Parse a line; None where it is not a line of an audit log."""
    try:
        said = json.loads(line)
        is_ours = isinstance(said["n"], int) and isinstance(said["prev"], str)
        is_whole = isinstance(said["chain"], str) and isinstance(said["event"], str)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return said if is_ours and is_whole else None


def end_of(file: int) -> tuple[Link | None, bytes]:
    """Return the link of a file's last whole line, None if it is not ours; and a torn end."""
    size = os.fstat(file).st_size
    tail = os.pread(file, TAIL, max(0, size - TAIL))
    whole, end, torn = tail.rpartition(b"\n")
    line = whole.rpartition(b"\n")[2]
    said = parsed(line) if end else None
    return (Link(said["chain"], said["n"], hashed(line)) if said else None), torn
