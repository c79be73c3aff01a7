"""Fair queuing in the embedded queue: clients in turns, each one's oldest request first."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping

from gateway.queues.fair_queuing import Turns, deal

FREE = "owner IS NULL AND quarantined IS NULL"
INDEX = f"CREATE INDEX IF NOT EXISTS turns ON requests(sender, due, seq) WHERE {FREE}"


def next_requests(
    connection: sqlite3.Connection, now: float, limit: int, turns: Turns, shares: Mapping[str, int]
) -> tuple[str, float | None]:
    """Return the sequences to take, in JSON; without any, when the next request comes due.

    Requests beyond their client's share are not counted for that.
    """
    waiting: dict[str, list[int]] = {}
    dues: list[float] = []
    for sender in _senders(connection, turns.last):
        first, ready = _waiting(connection, sender, now, min(limit, shares.get(sender, limit)))
        dues += first
        if ready:
            waiting[sender] = ready
        if len(waiting) == limit:
            break
    dealt = deal(waiting, limit, shares)
    for client, _ in dealt[-1:]:
        turns.note(client)
    return json.dumps([seq for _, seq in dealt]), min(dues, default=None)


def _waiting(
    connection: sqlite3.Connection, sender: str, now: float, limit: int
) -> tuple[list[float], list[int]]:
    """Return when a client's first request is due, and the requests that are due now."""
    rows = connection.execute(
        f"SELECT due, seq FROM requests WHERE {FREE} AND sender=? ORDER BY due, seq LIMIT ?",
        (sender, max(0, limit)),
    ).fetchall()
    return [due for due, _ in rows[:1]], [seq for due, seq in rows if due <= now]


def _senders(connection: sqlite3.Connection, last: str) -> Iterator[str]:
    """Yield the clients with waiting requests, by one index look-up each: round from ``last``."""
    query = f"SELECT min(sender) FROM requests WHERE {FREE} AND sender>? AND sender<=?"
    for start, end in ((last, "\U0010ffff"), ("", last)):
        place: str | None = start
        while place is not None and place < end:
            (place,) = connection.execute(query, (place, end)).fetchone()
            if place is not None:
                yield place
