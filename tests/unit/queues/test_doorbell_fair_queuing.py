"""Whose rings fill a doorbell: told by those that were received last."""

from __future__ import annotations

import pytest

from gateway.queues.doorbell.fair_queuing import (
    FEW,
    WAITED,
    WINDOW,
    NoisyClients,
)


def crowd(*rings: tuple[str, int, float]) -> NoisyClients:
    """Return what is known after so many rings of each client, which waited for so long."""
    made = NoisyClients()
    for client, count, waited in rings:
        for n in range(count):
            made.note(f"orders/requests/{n:026}.{client}", waited)
    return made


@pytest.mark.parametrize(
    ("rings", "noisy"),
    [
        ([], set()),
        ([("alice", WINDOW, 0.1)], set()),
        ([("alice", FEW - 1, WAITED)], set()),
        ([("alice", FEW, WAITED)], {"alice"}),
        ([("alice", 60, WAITED), ("bob", 38, WAITED), ("carol", 2, WAITED)], {"alice", "bob"}),
        ([("alice", 60, WAITED), ("bob", 40, 0.1)], set()),
        ([(f"client-{n}", 5, WAITED) for n in range(20)], set()),
    ],
    ids=["none", "nobody waits", "few", "one", "two of three", "it comes to an end", "all alike"],
)
def test_those_whose_late_rings_fill_the_queue_are_noisy(rings, noisy):
    assert crowd(*rings).clients() == noisy


def test_rings_of_long_ago_are_forgotten():
    assert crowd(("alice", 3 * WINDOW, WAITED), ("bob", WINDOW, 0.0)).clients() == set()
    assert crowd(("alice", 3 * WINDOW, 0.0), ("bob", WINDOW, WAITED)).clients() == {"bob"}


def test_what_is_younger_than_every_ring_is_before_the_frontier():
    assert crowd().frontier() == ""
    assert crowd(("alice", 7, WAITED)).frontier() == f"orders/requests/{6:026}.alice"
