"""The ambiguity of a pattern: in how many ways it can match a part of a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.contract.schemas.characters import ALL, Unjudged

POSITIONS = 400
"""Letters of a pattern with its counts expanded, at most."""
WAYS = 32
"""Ways to match the same part of a value, at most."""
_STEPS = 100_000

Ways = dict[int, int]
"""Positions, and in how many ways each can be reached."""


@dataclass(frozen=True, slots=True)
class PatternPart:
    """A part of a pattern: where a match of it begins and ends; and whether it may be empty."""

    first: Ways
    last: Ways
    empty: bool
    opens: bool = False
    """It begins with a loop over a group."""
    closes: bool = False
    """It ends with one."""
    is_group: bool = False


class Positions:
    """The positions of a pattern: the characters of each, and how many ways lead to the next ones.

    ``exact`` expands counts: x{2,3} is xxx?. Otherwise they are loops, which have all the ways of
    the count, and more.
    """

    def __init__(self, exact: bool) -> None:
        self.exact = exact
        self.steps = 0
        """How much work the analysis took."""
        self.takes: list[int] = []
        self.follow: list[Ways] = []

    def letter(self, characters: int) -> PatternPart:
        if len(self.takes) == POSITIONS:
            raise Unjudged
        self.takes.append(characters)
        self.follow.append({})
        position = {len(self.takes) - 1: 1}
        return PatternPart(position, position, False)

    def then(self, left: PatternPart, right: PatternPart) -> PatternPart:
        self._link(left.last, right.first)
        return PatternPart(
            _sum(left.first, right.first) if left.empty else left.first,
            _sum(right.last, left.last) if right.empty else right.last,
            left.empty and right.empty,
            left.opens or (left.empty and right.opens),
            right.closes or (right.empty and left.closes),
        )

    def either(self, left: PatternPart, right: PatternPart) -> PatternPart:
        return PatternPart(
            _sum(left.first, right.first),
            _sum(left.last, right.last),
            left.empty or right.empty,
            left.opens or right.opens,
            left.closes or right.closes,
        )

    def loop(self, part: PatternPart) -> PatternPart:
        self._link(part.last, part.first)
        return replace(part, opens=part.is_group, closes=part.is_group)

    def _link(self, ends: Ways, begins: Ways) -> None:
        for end, many in ends.items():
            self.follow[end] = _sum(
                self.follow[end], {begin: many * each for begin, each in begins.items()}
            )

    def repeated(
        self, make: Callable[[], PatternPart], least: int, most: int | None
    ) -> PatternPart:
        """Return a part that occurs ``least`` to ``most`` times; ``make`` reads it once more."""
        if most == 0:
            return EMPTY
        if most == 1:
            return make() if least else _optional(make())
        if most is None and least <= 1:
            part = self.loop(make())
            return _optional(part) if least == 0 else part
        if self.exact:
            return self._written_out(make, least, most)
        part = make()
        if part.empty:  # libxml2 counts empty rounds as well
            raise Unjudged
        return self.loop(part) if least else _optional(self.loop(part))

    def _written_out(
        self, make: Callable[[], PatternPart], least: int, most: int | None
    ) -> PatternPart:
        if (most or least) > POSITIONS:
            raise Unjudged
        whole = EMPTY
        for number in range(1, (most or least) + 1):
            part = make()
            if most is None and number == least:
                part = self.loop(part)
            whole = self.then(whole, part if number <= least else _optional(part))
        return whole


EMPTY = PatternPart({}, {}, True)


def _optional(part: PatternPart) -> PatternPart:
    return replace(part, empty=True)


def _sum(left: Ways, right: Ways) -> Ways:
    total = dict(left)
    for position, many in right.items():
        total[position] = total.get(position, 0) + many
    return total


def has_few_ways(whole: PatternPart, ways: Positions) -> bool:
    """True if no value can be matched in more than WAYS ways, up to any of its characters."""
    letters = _kinds(ways.takes)
    start = tuple(sorted(whole.first.items()))
    pending, seen = [start], {start}
    while pending:
        reachable = pending.pop()
        for letter in letters:
            now = {p: many for p, many in reachable if ways.takes[p] >> letter & 1}
            following: Ways = {}
            for position, many in now.items():
                after = ways.follow[position]
                following = _sum(following, {p: many * each for p, each in after.items()})
                ways.steps += 1 + len(after)
            if sum(now.values()) > WAYS or ways.steps > _STEPS:
                return False
            key = tuple(sorted(following.items()))
            if key not in seen:
                seen.add(key)
                pending.append(key)
    return True


def _kinds(takes: list[int]) -> list[int]:
    """Return one character for each set that the positions treat alike."""
    kinds = {
        tuple(one >> letter & 1 for one in takes): letter for letter in range(ALL.bit_length())
    }
    return list(kinds.values())
