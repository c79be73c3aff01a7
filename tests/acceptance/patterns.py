"""Texts that match a pattern of XML Schema (part 2, appendix F), as far as Python reads it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from random import Random
from re import _constants as constants
from re import _parser as parser
from typing import Any

ESCAPES = {r"\i": "[A-Za-z_]", r"\c": "[A-Za-z0-9_.-]"}
"""What Python has no word for: the beginning of a name, and the rest of it."""
CATEGORIES = {
    constants.CATEGORY_DIGIT: "0123456789",
    constants.CATEGORY_WORD: "aZ0",
    constants.CATEGORY_SPACE: " ",
    constants.CATEGORY_NOT_SPACE: "x7",
    constants.CATEGORY_NOT_DIGIT: "x",
    constants.CATEGORY_NOT_WORD: "-",
}
ANY = "ab 07-xZ."
MORE = 2
"""How many more than the least there are of what may be repeated."""


def matching(pattern: str, random: Random) -> str:
    """Return a text that matches. Raises LookupError where none is found."""
    for spelled, meant in ESCAPES.items():
        pattern = pattern.replace(spelled, meant)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree, compiled = parser.parse(pattern), re.compile(pattern)
    except re.error as error:
        raise LookupError(f"Python cannot read the pattern {pattern}") from error
    for _ in range(20):
        made = "".join(_texts(tree, random))
        if compiled.fullmatch(made):
            return made
    raise LookupError(f"nothing was found that matches {pattern}")


def _texts(tree: Any, random: Random) -> Iterator[str]:
    for kind, value in tree:
        if kind is constants.LITERAL:
            yield chr(value)
        elif kind is constants.IN:
            yield random.choice(_choices(value))
        elif kind is constants.ANY:
            yield random.choice(ANY)
        elif kind is constants.NOT_LITERAL:
            yield next(one for one in ANY if one != chr(value))
        elif kind in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            least, most, inner = value
            for _ in range(random.randint(least, min(most, least + MORE))):
                yield from _texts(inner, random)
        elif kind is constants.SUBPATTERN:
            yield from _texts(value[3], random)
        elif kind is constants.BRANCH:
            yield from _texts(random.choice(value[1]), random)


def _choices(members: Any) -> str:
    negated = any(kind is constants.NEGATE for kind, _ in members)
    found = "".join(_member(kind, value) for kind, value in members)
    return "".join(one for one in ANY if one not in found) or "~" if negated else found


def _member(kind: Any, value: Any) -> str:
    if kind is constants.LITERAL:
        return chr(value)
    if kind is constants.RANGE:
        first, last = value
        return chr(first) + chr((first + last) // 2) + chr(last)
    return CATEGORIES.get(value, "") if kind is constants.CATEGORY else ""
