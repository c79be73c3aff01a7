"""Refusals that anybody can cause are counted: however many there are, they take a few lines."""

from __future__ import annotations

import pytest

from gateway.errors import QueueUnavailable
from gateway.observe.audit.tally import (
    LINES,
    PEERS,
    Tally,
)
from gateway.observe.events import Trouble


def test_a_flood_from_everywhere_takes_a_few_lines_and_each_one_counts():
    lines = []
    tally = Tally(lines.append, clock=iter([0.0, 61.2]).__next__)
    for n in range(50_000):
        tally.note(Trouble.MALFORMED, f"198.51.100.{n % 251}")
        tally.note(Trouble.TOO_MANY)
    tally.write()
    assert len(lines) == PEERS + 1 + 1
    malformed = [line for line in lines if line["what"] == "malformed"]
    assert sum(line["count"] for line in malformed) == 50_000
    assert {line["peer"] for line in malformed} == {"", *(f"198.51.100.{n}" for n in range(PEERS))}
    assert lines[-1] == {
        "event": "counted",
        "what": "too-many",
        "peer": "",
        "count": 50_000,
        "seconds": 61,
    }


def test_where_nothing_happened_nothing_is_written():
    lines = []
    tally = Tally(lines.append)
    tally.write()
    tally.note(Trouble.TLS)
    tally.write()
    tally.write()
    assert [line["what"] for line in lines] == ["tls"]


def test_what_cannot_be_written_is_counted_on_and_none_of_it_twice():
    lines, is_full = [], True

    def write(values):
        if is_full and lines:
            raise QueueUnavailable("the disk is full")
        lines.append(values)

    tally = Tally(write)
    tally.note(Trouble.SLOW_HEAD, "192.0.2.1")
    tally.note(Trouble.SLOW_HEAD, "192.0.2.2")
    tally.write()
    tally.note(Trouble.SLOW_HEAD, "192.0.2.2")
    is_full = False
    tally.write()
    assert [(line["peer"], line["count"]) for line in lines] == [("192.0.2.1", 1), ("192.0.2.2", 2)]


@pytest.mark.parametrize("intervals", [1, 2])
def test_so_many_calls_of_nobody_have_a_line_in_each_interval(intervals):
    tally = Tally(lambda values: None)
    for _ in range(intervals):
        assert [tally.take_line() for _ in range(LINES + 2)] == [True] * LINES + [False] * 2
        tally.write()
