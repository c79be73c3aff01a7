"""Tells which patterns of a schema are checked in linear time, whatever the value.

libxml2 backtracks: it tries one way to match after the other. So the time of a check grows with the
number of ways to match a part of the value: with ``(a+)+`` it doubles with each letter. Here the
ways are counted, on the positions of the pattern (its Glushkov automaton): if no value has more
than a few at once, the check is linear. A pattern that cannot be counted or read counts as not.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial

from gateway.contract.schemas.ambiguity import EMPTY, PatternPart, Positions, has_few_ways
from gateway.contract.schemas.characters import Characters, Unjudged

LENGTH = 1000
"""Characters of a pattern that is analysed, at most."""
_DEEPEST = 50


def is_linear(pattern: str) -> bool:
    """True if a pattern checks every value in time linear in its length."""
    return judged(pattern)[0]


@lru_cache(1024)
def judged(pattern: str) -> tuple[bool, int]:
    """Whether a pattern ``is_linear``, and how many steps the analysis took, of 2 us and more."""
    if len(pattern) > LENGTH:
        return False, 1
    steps = 0
    for exact in (False, True):
        ways = Positions(exact)
        is_bounded = _is_bounded(pattern, ways)
        steps += ways.steps + sum(map(len, ways.follow)) + len(pattern)
        if is_bounded:
            return True, steps
    return False, steps


def _is_bounded(pattern: str, ways: Positions) -> bool:
    try:
        whole = _PatternReader(pattern, ways).whole()
        return has_few_ways(whole, ways)
    except (Unjudged, RecursionError):
        return False


class _PatternReader:
    """Reads a pattern (XML Schema part 2, appendix F) from its first character to the last."""

    def __init__(self, pattern: str, ways: Positions) -> None:
        self._read = Characters(pattern)
        self._depth = 0
        self._ways = ways

    def whole(self) -> PatternPart:
        part = self._branches()
        if self._read.at < len(self._read.text):
            raise Unjudged
        return part

    def _branches(self) -> PatternPart:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Unjudged
        part, is_one = self._branch(), True
        while self._read.next() == "|":
            self._read.at += 1
            part, is_one = self._ways.either(part, self._branch()), False
        self._depth -= 1
        # libxml2's branches begin in one state: a loop over a group leads from there into the
        # others as well. A loop in their common end may do the same.
        is_mixed = not is_one and (part.opens or part.closes)
        return self._ways.loop(part) if is_mixed else part

    def _branch(self) -> PatternPart:
        part = EMPTY
        while self._read.next() not in ("", "|", ")"):
            part = self._ways.then(part, self._piece())
        return part

    def _piece(self) -> PatternPart:
        """Read an atom and its count: the count first, since the atom is read once for each."""
        begins, positions = self._read.at, len(self._ways.takes)
        self._atom()
        ends = self._read.at
        del self._ways.takes[positions:], self._ways.follow[positions:]
        least, most = self._count()
        goes_on = self._read.at
        part = self._ways.repeated(partial(self._atom_at, begins), least, most)
        assert self._read.at in (ends, goes_on)
        self._read.at = goes_on
        return part

    def _atom_at(self, place: int) -> PatternPart:
        self._read.at = place
        return self._atom()

    def _count(self) -> tuple[int, int | None]:
        simple = {"?": (0, 1), "*": (0, None), "+": (1, None)}
        if self._read.next() in simple:
            return simple[self._read.take()]
        if self._read.next() != "{":
            return 1, 1
        inside, closed, _ = self._read.text[self._read.at + 1 :].partition("}")
        least, comma, most = inside.partition(",")
        if not closed or not _is_number(least) or not (_is_number(most) or not most):
            raise Unjudged
        self._read.at += len(inside) + 2
        return int(least), (int(most) if most else None) if comma else int(least)

    def _atom(self) -> PatternPart:
        character = self._read.take()
        if character == "(":
            part = self._branches()
            if self._read.take() != ")":
                raise Unjudged
            return replace(part, is_group=True)
        if character in "?*+{}])":
            raise Unjudged
        if character == "[":
            return self._ways.letter(self._read.in_brackets())
        return self._ways.letter(self._read.character(character))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10
