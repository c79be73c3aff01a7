"""Texts that match a pattern of XML Schema, as far as Python's own patterns mean the same."""

from __future__ import annotations

import re
import re._constants as codes
import re._parser as parsing
from random import Random
from typing import Any

CATEGORIES = {
    codes.CATEGORY_DIGIT: "0379",
    codes.CATEGORY_WORD: "azAZ09",
    codes.CATEGORY_SPACE: " ",
}
MORE = 3
"""How many more than the least there are of what may be repeated."""


def matching(pattern: str, random: Random) -> str:
    """Return a text that matches. Raises LookupError for what it cannot make."""
    try:
        made = "".join(_made(part, random) for part in parsing.parse(pattern))
    except (re.error, OverflowError) as error:
        raise LookupError(f"no text for the pattern {pattern}") from error
    if not re.fullmatch(pattern, made):
        raise LookupError(f"no text for the pattern {pattern}")
    return made


def _made(part: tuple[Any, Any], random: Random) -> str:
    code, value = part
    match code:
        case codes.LITERAL:
            return chr(value)
        case codes.IN:
            return _one_of(value, random)
        case codes.MAX_REPEAT:
            least, most, inner = value
            times = random.randint(least, min(int(most), least + MORE))
            return "".join(_made(one, random) for _ in range(times) for one in inner)
        case codes.SUBPATTERN:
            return "".join(_made(one, random) for one in value[3])
        case codes.BRANCH:
            return "".join(_made(one, random) for one in random.choice(value[1]))
        case codes.ANY:
            return random.choice("ab1 ")
    raise LookupError(f"no text for {code}")


def _one_of(choices: list[tuple[Any, Any]], random: Random) -> str:
    code, value = random.choice(choices)
    if code is codes.LITERAL:
        return chr(value)
    if code is codes.RANGE:
        return chr(random.randint(*value))
    if code is codes.CATEGORY and value in CATEGORIES:
        return random.choice(CATEGORIES[value])
    raise LookupError(f"no character for {code}")
