"""The times in the ids of requests whose replies were swept.

A request with an id of such a time may have been carried out before, so it is refused, whatever the
clock says. With correct clocks none comes: such an id is more than a day old.

Times are compared in the form of an id, whose first ten characters are its milliseconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from gateway.message import id_time

TIME = 10
SPAN = 5
"""The first characters of a time: one span of nine hours. By spans, so that a request accepted by a
clock that was a year ahead does not have a whole year refused."""

TABLE = "CREATE TABLE IF NOT EXISTS swept(span TEXT PRIMARY KEY, until TEXT NOT NULL);"
FORGOTTEN = "SELECT 1 FROM swept WHERE span=? AND until>=?"
"""With the parameters of ``moment``: no row if no reply to an id of that time was swept."""

_LENGTH = 26


def moment(id: str) -> tuple[str, str] | tuple[None, None]:
    """Return the span and the time in an id; None for an id without a time."""
    return (id[:SPAN], id[:TIME]) if len(id) == _LENGTH else (None, None)


def latest(ids: Iterable[str]) -> dict[str, str]:
    """Return the latest time in ids, for each span; ids without a time are left out."""
    found: dict[str, str] = {}
    for id in ids:
        if id_time(id) is not None:
            found[id[:SPAN]] = max(id[:TIME], found.get(id[:SPAN], ""))
    return found


def note(connection: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Remember the requests whose replies are swept in this transaction, by their ids."""
    connection.executemany(
        "INSERT INTO swept VALUES (?, ?)"
        " ON CONFLICT(span) DO UPDATE SET until=max(until, excluded.until)",
        latest(ids).items(),
    )
