"""What a stranger's JSON and headers may say, and no request to a store can carry.

JSON has half of a surrogate pair (``"\\ud800"``), and a header any byte. Neither is text: UTF-8 has
no form for it, and whoever writes it fails. So it ends where it comes in.
"""

from __future__ import annotations

from typing import TypeGuard

LONGEST_KEY = 1024
"""Bytes of a key (S3 user guide, "Naming Amazon S3 objects"): no store has a longer one."""


def is_text(given: object) -> TypeGuard[str]:
    """Tell whether this is text, with a form in UTF-8."""
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
    """Return the value of a header with U+FFFD in the place of bytes that are not UTF-8."""
    return header.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
