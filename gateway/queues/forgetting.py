"""What is remembered of replies that were swept: the times in the ids of their requests.

A request under an id of such a time may have been carried out before, so it is refused, whatever
the clock says. Where clocks are right, none comes: an id is older than a day then.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from gateway.message import id_time

DAY = 86400.0

TABLE = "CREATE TABLE IF NOT EXISTS swept(day INTEGER PRIMARY KEY, until REAL NOT NULL);"
FORGOTTEN = "SELECT 1 FROM swept WHERE day=? AND until>=?"
"""Asked with ``moment``: finds nothing where no reply to an id of that time was swept."""


def moment(id: str) -> tuple[int, float] | tuple[None, None]:
    """Return the day, since the epoch, and the time in an id; nothing for one that holds none."""
    made = id_time(id)
    return (None, None) if made is None else (int(made // DAY), made)


def latest(ids: Iterable[str]) -> dict[int, float]:
    """Return the latest time in ids, for each day.

    By days: what a clock that was a year ahead let in must not have the year refused.
    """
    found: dict[int, float] = {}
    for day, made in map(moment, ids):
        if day is not None and made is not None:
            found[day] = max(made, found.get(day, made))
    return found


def note(connection: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Remember the requests whose replies are swept in this transaction, by their ids."""
    connection.executemany(
        "INSERT INTO swept VALUES (?, ?)"
        " ON CONFLICT(day) DO UPDATE SET until=max(until, excluded.until)",
        latest(ids).items(),
    )
