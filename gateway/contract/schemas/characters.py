"""The characters that a part of a pattern matches (XML Schema part 2, appendix F), as bit sets.

A set may have too many characters, but never too few.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator

_ASCII = 128
_BEYOND = {"L": 1 << _ASCII, "N": 1 << (_ASCII + 1), "": 1 << (_ASCII + 2)}
"""Letters, numbers and all else beyond ASCII: a set with some of them counts as having all."""
_OTHER = sum(_BEYOND.values())
ALL = (1 << (_ASCII + len(_BEYOND))) - 1


class Unjudged(Exception):
    """A pattern that is not supported by this analysis."""


class Characters:
    """Reads the characters of a pattern, and the classes and escapes for sets of them."""

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0

    def next(self) -> str:
        """Return the next character; empty at the end."""
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        """Return the next character, and advance. Raises Unjudged at the end."""
        character = self.next()
        if not character:
            raise Unjudged
        self.at += 1
        return character

    def character(self, character: str) -> int:
        """The characters that a character of a pattern, read already, matches."""
        if character == ".":
            return ALL & ~(1 << 10 | 1 << 13)
        return self._escape() if character == "\\" else _one(character)

    def in_brackets(self) -> int:
        """Read a character class behind its bracket; a subtracted class is in brackets, too."""
        is_negated = self.next() == "^"
        self.at += is_negated
        found, less = 0, 0
        while self.next() != "]" or not found:
            if found and self.text.startswith("-[", self.at):
                self.at += 2
                less = self.in_brackets() & ~_OTHER
                break
            found |= self._range()
        if self.take() != "]":
            raise Unjudged
        found = (ALL & ~found) | _OTHER if is_negated else found
        return found & ~less

    def _range(self) -> int:
        begins = self._end_of_range()
        follows = self.text[self.at : self.at + 2]
        if begins.bit_count() != 1 or not follows.startswith("-") or follows in ("-]", "-["):
            return begins
        self.at += 1
        ends = self._end_of_range()
        if begins & _OTHER or ends & _OTHER:
            return (ALL & ~(begins - 1)) | _OTHER
        if ends.bit_count() != 1 or ends < begins:
            raise Unjudged
        return (ends << 1) - begins

    def _end_of_range(self) -> int:
        character = self.take()
        if character == "[":
            raise Unjudged
        return self._escape() if character == "\\" else _one(character)

    def _escape(self) -> int:
        character = self.take()
        if character in _SINGLE:
            return _one(_SINGLE[character])
        if character in "pP":
            return self._property(character == "P")
        if character.lower() not in _CLASSES:
            raise Unjudged
        found = _CLASSES[character.lower()]
        return (ALL & ~found) | _OTHER if character.isupper() else found

    def _property(self, is_negated: bool) -> int:
        inside, closed, _ = self.text[self.at :].partition("}")
        name = inside.removeprefix("{")
        if not closed or name == inside or len(name) > 2 or not name:
            raise Unjudged  # blocks, as IsBasicLatin, are rare
        self.at += len(inside) + 1
        found = _having(lambda one: unicodedata.category(one).startswith(name))
        found |= _BEYOND.get(name[0], _BEYOND[""])
        return (ALL & ~found) | _OTHER if is_negated else found


def _one(character: str) -> int:
    if ord(character) < _ASCII:
        return 1 << ord(character)
    return _BEYOND.get(unicodedata.category(character)[0], _BEYOND[""])


def _having(holds: Callable[[str], bool]) -> int:
    return sum(1 << number for number in range(_ASCII) if holds(chr(number)))


def _classes() -> Iterator[tuple[str, int]]:
    yield "s", _having(lambda one: one in " \t\n\r")
    yield "d", _having(str.isdigit) | _BEYOND["N"]
    yield "w", _having(lambda one: unicodedata.category(one)[0] not in "PZC") | _OTHER
    yield "i", _having(lambda one: one.isalpha() or one in "_:") | _OTHER
    yield "c", _having(lambda one: one.isalnum() or one in "_:.-") | _OTHER


_CLASSES = dict(_classes())
_SINGLE = {"n": "\n", "r": "\r", "t": "\t", **{one: one for one in "\\|.-^?*+{}()[]"}}
