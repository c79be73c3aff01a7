"""A server's clock, read from its dates."""

from __future__ import annotations

from email.utils import format_datetime, formatdate

import pytest

from gateway.queues.aws.clock import AGE, ServerClock

NOON = 1_700_000_000.0


class Machine:
    """A machine whose wall clock is two hours ahead of the server's."""

    def __init__(self) -> None:
        self.now = 5.0
        self.clock = ServerClock(clock=lambda: NOON + 7200, monotonic=lambda: self.now)

    def hear(self, date: float) -> None:
        self.clock.note(formatdate(date, usegmt=True))


def test_before_a_server_answered_the_machine_is_believed():
    assert Machine().clock() == NOON + 7200


def test_a_machine_that_is_hours_off_does_as_the_server_says():
    machine = Machine()
    machine.hear(NOON)
    machine.now += 3
    assert machine.clock() == pytest.approx(NOON + 3)


def test_the_most_advanced_date_counts_since_dates_are_whole_seconds():
    machine = Machine()
    machine.hear(NOON)
    machine.now += 0.1
    machine.hear(NOON + 1)
    machine.now += 0.8
    machine.hear(NOON + 1)
    assert machine.clock() == pytest.approx(NOON + 1.8)


def test_what_was_seen_long_ago_is_forgotten():
    machine = Machine()
    machine.hear(NOON + 1)
    machine.now += AGE + 1
    machine.hear(NOON + AGE)
    assert machine.clock() == pytest.approx(NOON + AGE)


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Foo 2026 00:00:00 GMT"])
def test_a_date_that_cannot_be_read_changes_nothing(date):
    machine = Machine()
    machine.hear(NOON)
    machine.clock.note(date)
    assert machine.clock() == pytest.approx(NOON)


def test_both_ways_of_writing_utc_are_read():
    from datetime import UTC, datetime

    machine = Machine()
    machine.clock.note(format_datetime(datetime.fromtimestamp(NOON, UTC)))
    assert machine.clock() == pytest.approx(NOON)


def test_that_the_machine_is_far_off_is_told_once(caplog):
    machine = Machine()
    machine.hear(NOON)
    machine.now += AGE + 1
    machine.hear(NOON)
    assert [record.getMessage() for record in caplog.records] == [
        "this machine's clock is 2.0 h ahead of the server's; the server's time is used"
    ]
