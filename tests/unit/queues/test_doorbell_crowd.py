"""Whose rings fill a doorbell: told by those that were received last."""

from __future__ import annotations

import pytest

from gateway.queues.doorbell.crowd import (
    FEW,
    LATE,
    WINDOW,
    Crowd,
)


def crowd(*rings: tuple[str, int, float]) -> Crowd:
    """Return what is known after so many rings of each client, which waited for so long."""
    made = Crowd()
    for client, count, waited in rings:
        for n in range(count):
            made.note(f"orders/requests/{n:026}.{client}", waited)
    return made


@pytest.mark.parametrize(
    ("rings", "noisy"),
    [
        ([], set()),
        ([("alice", WINDOW, 0.1)], set()),
        ([("alice", FEW - 1, LATE)], set()),
        ([("alice", FEW, LATE)], {"alice"}),
        ([("alice", 60, LATE), ("bob", 38, LATE), ("carol", 2, LATE)], {"alice", "bob"}),
        ([("alice", 60, LATE), ("bob", 40, 0.1)], set()),
        ([(f"client-{n}", 5, LATE) for n in range(20)], set()),
    ],
    ids=["none", "nobody waits", "few", "one", "two of three", "it comes to an end", "all alike"],
)
def test_those_whose_late_rings_fill_the_queue_are_noisy(rings, noisy):
    assert crowd(*rings).noisy() == noisy


def test_rings_of_long_ago_are_forgotten():
    assert crowd(("alice", 3 * WINDOW, LATE), ("bob", WINDOW, 0.0)).noisy() == set()
    assert crowd(("alice", 3 * WINDOW, 0.0), ("bob", WINDOW, LATE)).noisy() == {"bob"}


def test_what_is_younger_than_every_ring_is_before_the_frontier():
    assert crowd().frontier() == ""
    assert crowd(("alice", 7, LATE)).frontier() == f"orders/requests/{6:026}.alice"
