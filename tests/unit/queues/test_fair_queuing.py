"""Whose turn it is, and what is dealt in a turn."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.queues.fair_queuing import Turns, deal

CLIENTS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]), st.integers(1, 30), min_size=1, max_size=4
)


def test_one_of_each_client_is_dealt_before_the_second_of_any():
    waiting = {"a": [1, 2, 3], "b": [4], "c": [5, 6]}
    assert deal(waiting, 10, {}) == [("a", 1), ("b", 4), ("c", 5), ("a", 2), ("c", 6), ("a", 3)]


def test_no_more_is_dealt_than_a_share():
    assert deal({"a": [1, 2, 3], "b": [4]}, 10, {"a": 1}) == [("a", 1), ("b", 4)]
    assert deal({"a": [1], "b": [2]}, 10, {"a": 0}) == [("b", 2)]


@given(CLIENTS, st.integers(1, 7))
def test_whoever_waits_is_served_within_as_many_takings_as_there_are_clients(backlogs, limit):
    waiting = {client: [client] * count for client, count in backlogs.items()}
    turns, served = Turns(), []
    while any(waiting.values()):
        order = turns.order([client for client in waiting if waiting[client]])
        dealt = deal({client: waiting[client] for client in order}, limit, {})
        assert dealt
        for client, _ in dealt:
            turns.note(client)
            waiting[client].pop()
            served.append(client)
    for client, count in backlogs.items():
        # As long as it waits, nobody is served twice more often than it.
        until = max(at for at, one in enumerate(served) if one == client)
        counts = Counter(served[: until + 1])
        assert max(counts.values()) <= count + 1
