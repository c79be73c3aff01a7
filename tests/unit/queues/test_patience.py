"""When a caller looks for its reply."""

from __future__ import annotations

from gateway.queues.patience import LONGEST, REMEMBERED, Patience


def first(patience: Patience, wait: float = 60.0) -> float:
    return next(patience.delays(wait))


def test_a_stranger_looks_after_one_trip():
    patience = Patience()
    patience.note_trip(0.02)
    assert first(patience) == 0.02


def test_no_look_is_made_before_replies_of_late_had_come():
    patience = Patience()
    for _ in range(REMEMBERED):
        patience.note_reply(0.5, looks=2)
    assert first(patience) == 0.5


def test_what_the_first_look_finds_makes_the_next_first_look_earlier():
    patience = Patience()
    for _ in range(REMEMBERED):
        patience.note_reply(0.5, looks=1)
    before = first(patience)
    for _ in range(REMEMBERED):
        patience.note_reply(before, looks=1)
    assert first(patience) < before < 0.5


def test_the_last_look_is_when_the_wait_is_over():
    assert list(Patience().delays(0)) == [0.0]
    assert sum(Patience().delays(0.01)) <= 0.01


def test_whoever_waits_long_does_not_hammer(monkeypatch):
    now = 0.0
    monkeypatch.setattr("gateway.queues.patience.monotonic", lambda: now)
    looks = 0
    for delay in Patience().delays(3600):
        now += delay
        looks += 1
        assert delay <= LONGEST
    assert looks < 3600 / LONGEST + 70
