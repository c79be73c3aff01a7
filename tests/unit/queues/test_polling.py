"""When a caller looks for its reply."""

from __future__ import annotations

import pytest

from gateway.queues.polling import (
    FIRST_TRIP,
    LONGEST,
    Patience,
    sparse,
)


def first(patience: Patience, wait: float = 60.0) -> float:
    return next(patience.delays(wait))


@pytest.mark.parametrize("took", [0.1, 1.0, 4.0])
def test_the_first_look_settles_a_little_before_replies_come(took):
    patience = Patience()
    for _ in range(500):
        delay = first(patience)
        patience.note_reply(max(delay, took), looks=1 if delay >= took else 2)
    assert 0.75 * took < first(patience) <= 1.03 * took


def test_replies_that_come_sooner_than_they_did_are_found_sooner():
    patience = Patience()
    for _ in range(500):
        patience.note_reply(2.0, looks=2)
    slow = first(patience)
    for _ in range(20):
        patience.note_reply(first(patience), looks=1)
    assert first(patience) < slow / 10
    for _ in range(100):
        patience.note_reply(first(patience), looks=1)
    assert first(patience) == FIRST_TRIP


def test_the_last_look_is_when_the_wait_is_over():
    assert list(Patience().delays(0)) == [0.0]
    assert sum(Patience().delays(0.01)) <= 0.01


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_reply_is_seen_within_two_trips_or_a_tenth_of_the_time_waited():
    clock, trip = Clock(), FIRST_TRIP
    for delay in Patience(clock).delays(600):
        before = clock.now
        clock.now += delay + trip
        # Whatever came right after the look before is seen now.
        if before:
            assert clock.now - before <= max(2 * trip, 0.1 * clock.now) + 1e-9


def test_whoever_waits_long_does_not_hammer():
    clock, looks = Clock(), 0
    for delay in Patience(clock).delays(3600):
        clock.now += delay + FIRST_TRIP
        looks += 1
        assert delay <= LONGEST
    assert looks < 3600 / LONGEST + 100


def test_whoever_learns_of_slow_replies_soon_looks_no_more_than_a_few_times():
    clock, made = Clock(), []
    patience = Patience(clock)
    for _ in range(80):
        clock.now, looks = 0.0, 0
        for delay in patience.delays(60):
            clock.now, looks = clock.now + delay, looks + 1
            if clock.now >= 1.2:
                patience.note_reply(clock.now, looks)
                break
            clock.now += FIRST_TRIP
        made.append(looks)
    assert made[0] > 10
    assert max(made[-20:]) <= 3


@pytest.mark.parametrize(("wait", "most"), [(0, 1), (1, 2), (20, 7), (60, 9), (600, 50)])
def test_what_may_be_nowhere_is_looked_for_rarely_and_once_more_at_the_end(wait, most):
    clock, looks = Clock(), 0
    for delay in sparse(wait, clock):
        clock.now += delay
        looks += 1
    assert clock.now == wait
    assert looks <= most
