"""Words for what a person wrote wrong: what was meant, and what would be right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from gateway.errors import shortlist

SHOWN = 20
"""So many names are told where none is like the wrong one."""

_PLAIN = (
    (r"Value error, ", ""),
    (r", unable to parse string as an? \w+", ""),
    (r"[Ii]nput should be ", "must be "),
    (r"must be a valid string", "must be a text, in quotes"),
    (r"must be a valid integer", "must be a whole number"),
    (r"must be a valid number", "must be a number"),
    (r"must be a valid boolean", "must be true or false"),
    (r"must be a valid (tuple|list)", "must be a list, in [ ]"),
    (r"must be greater than or equal to (\S+)", r"must be \1 or more"),
    (r"must be less than or equal to (\S+)", r"must be \1 or less"),
)
"""What pydantic says, and what is said here."""


def meant(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about a name that is not known: what it may have been."""
    names = sorted(known)
    by_letters = {one.casefold(): one for one in names}
    close = difflib.get_close_matches(name.casefold(), by_letters, n=1)
    return f"did you mean {by_letters[close[0]]}?" if close else f"{listed(names)}."


def listed(names: Iterable[str]) -> str:
    """Return some names, and how many more there are."""
    ordered = sorted(names)
    return f"there is {shortlist(ordered, SHOWN) or 'none'}"


def plainly(text: str) -> str:
    """A message of pydantic's about a value, in plain words."""
    for theirs, ours in _PLAIN:
        text = re.sub(theirs, ours, text)
    return text
