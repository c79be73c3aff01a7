"""The judge itself is judged: each broken history is caught, and a right one passes."""

from __future__ import annotations

from collections import Counter

import pytest
from history import OUTCOME_UNKNOWN, Ended, History, violations

READ = Ended(key="r", repeatable=True, replies=("r", "r"))
ORDER = Ended(key="o", repeatable=False, replies=("o",))
UNKNOWN = Ended(key="u", repeatable=False, faults=(OUTCOME_UNKNOWN,))


@pytest.mark.parametrize("times", [1, 2])
def test_a_right_history_passes(times):
    executed = Counter({"r": times, "o": 1, "u": 1})
    assert violations(History((READ, ORDER, UNKNOWN), executed, under_way=2)) == []


@pytest.mark.parametrize(
    ("call", "executed", "under_way", "says"),
    [
        (Ended(key="r", repeatable=True), {"r": 1}, 1, "lost"),
        (Ended(key="r", repeatable=True, replies=("x",)), {"r": 1}, 0, "another request"),
        (Ended(key="r", repeatable=True, replies=("r", "s")), {"r": 1}, 0, "more than one way"),
        (READ, {}, 0, "nothing carried out"),
        (READ, {"r": 2}, 0, "repeated"),
        (READ, {"r": 1, "ghost": 1}, 0, "never sent"),
        (ORDER, {"o": 2}, 5, "carried out 2 times"),
        (UNKNOWN, {"u": 1}, 0, "1 unknown"),
        (Ended(key="r", repeatable=True, faults=(OUTCOME_UNKNOWN,)), {"r": 1}, 1, "yet a fault"),
        (Ended(key="o", repeatable=False, faults=("Client",)), {}, 0, "unexpected fault"),
    ],
)
def test_a_broken_history_is_caught(call, executed, under_way, says):
    found = violations(History((call,), Counter(executed), under_way))
    assert any(says in line for line in found), found
