"""Which patterns are checked in linear time: as libxml2 was measured to do it."""

from __future__ import annotations

import pytest

from gateway.contract.schemas.patterns import LENGTH, is_linear

LINEAR = [
    "",
    "[a-z]+",
    "[A-Za-z0-9][A-Za-z0-9._\\-]{0,63}",
    "[a-z]{1,100000}",
    ".*a",
    "(.|\\n|\\r)*",
    "(ab|ac)*",
    "(a?)*b",
    "[0-9]{1,2}[0-9]{2}",
    "\\d{4}-\\d\\d(-\\d\\d)?",
    "[a-zA-Z0-9]{32}|\\d+",
    "[\\w\\.-]+@[a-z0-9\\.-]+\\.[a-z]{2,}",
    "[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "((25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])",
    "[a-z-[aeiou]]+[aeiou]+[a-z-[aeiou]]+",
    "[^a]+a[^a]+",
    "\\p{Lu}+\\d+",
    "\\S+\\s+\\S+",
]
SLOW = [
    "(a+)+",
    "(a|aa)+",
    "(a*)*b",
    ".*a.*",
    "[0-9]*\\.?[0-9]+",
    "\\S+.*",
    "([a-z]{1,50}){1,50}",
    "((a{0,9}){0,9}){0,9}",
    "\\w+([-+.']\\w+)*@\\w+([-.]\\w+)*\\.\\w+([-.]\\w+)*",
    "([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+",
    "((b)+|([a-b].)*)",
    "[é]+[ü]+",
]
UNREAD = [
    "a" * (LENGTH + 1),
    "(",
    "a)",
    "[a",
    "[]",
    "[b-a]",
    "[[]",
    "a{,3}",
    "a{1,2",
    "a**",
    "\\",
    "\\q",
    "\\p{IsBasicLatin}",
    "\\p",
    "(" * 60 + "a" + ")" * 60,
    "((a{1,300}){1,300}b?){1,300}",
]


@pytest.mark.parametrize("pattern", LINEAR)
def test_a_pattern_that_reads_each_value_in_few_ways_is_linear(pattern):
    assert is_linear(pattern)


@pytest.mark.parametrize("pattern", SLOW)
def test_a_pattern_that_can_read_a_value_in_many_ways_is_not(pattern):
    assert not is_linear(pattern)


@pytest.mark.parametrize("pattern", UNREAD)
def test_what_cannot_be_read_or_counted_is_not_linear(pattern):
    assert not is_linear(pattern)
