"""Checks for foreign JSON and headers, which may hold text that no request to a store can carry.

JSON may have half of a surrogate pair (``"\\ud800"``), and a header any byte. UTF-8 cannot encode
either, so writing it would fail: it is stopped where it comes in.
"""

from __future__ import annotations

from typing import TypeGuard

LONGEST_KEY = 1024
"""Bytes of a key (S3 user guide, "Naming Amazon S3 objects"): no store has a longer one."""


def is_text(given: object) -> TypeGuard[str]:
    """Tell whether this is text that UTF-8 can encode."""
    if not isinstance(given, str):
        return False
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_key(given: object) -> TypeGuard[str]:
    """Tell whether an object can have this key."""
    return is_text(given) and 0 < len(given.encode()) <= LONGEST_KEY


def legible(header: str) -> str:
    """Return the value of a header, with U+FFFD in place of bytes that are not UTF-8."""
    return header.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
