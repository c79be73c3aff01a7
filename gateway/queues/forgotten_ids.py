"""What is remembered of replies that were swept: the times in the ids of their requests.

A request under an id of such a time may have been carried out before, so it is refused, whatever
the clock says. Where clocks are right, none comes: an id is older than a day then.

Times are compared as they are written in an id, whose first ten characters are its milliseconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from gateway.message import id_time

TIME = 10
SPAN = 5
"""The first characters of a time: one span of nine hours. By spans, because what a clock that was a
year ahead let in must not have the year refused."""

TABLE = "CREATE TABLE IF NOT EXISTS swept(span TEXT PRIMARY KEY, until TEXT NOT NULL);"
FORGOTTEN = "SELECT 1 FROM swept WHERE span=? AND until>=?"
"""Asked with ``moment``: finds nothing where no reply to an id of that time was swept."""

_LENGTH = 26


def moment(id: str) -> tuple[str, str] | tuple[None, None]:
    """Return the span and the time in an id; nothing for one that holds none."""
    return (id[:SPAN], id[:TIME]) if len(id) == _LENGTH else (None, None)


def latest(ids: Iterable[str]) -> dict[str, str]:
    """Return the latest time in ids, for each span; those without a time have none."""
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
