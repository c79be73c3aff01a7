"""Bodies in the tables of the embedded queue, in parts: SQLite copies a value several times."""

from __future__ import annotations

import sqlite3

PART = 1 << 20
"""Bytes in one part, at most."""

# The parts of a body have the row ids `seq * MOST_PARTS + part`: there is no second index to keep.
MOST_PARTS = 1 << 16

TABLES = """
CREATE TABLE request_bodies(part INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE reply_bodies(part INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""
REQUESTS, REPLIES = "request_bodies", "reply_bodies"


def write(connection: sqlite3.Connection, table: str, seq: int, body: bytes) -> None:
    """Store the body of a request or a reply under its sequence."""
    first, _ = _span(seq)
    view = memoryview(body)
    connection.executemany(
        f"INSERT INTO {table}(part, data) VALUES (?, ?)",
        ((first + n, view[at : at + PART]) for n, at in enumerate(range(0, len(body), PART))),
    )


def read(connection: sqlite3.Connection, table: str, seq: int) -> bytes:
    """Return a body."""
    rows = connection.execute(
        f"SELECT data FROM {table} WHERE part BETWEEN ? AND ? ORDER BY part", _span(seq)
    )
    parts = [data for (data,) in rows]
    return parts[0] if len(parts) == 1 else b"".join(parts)


def remove(connection: sqlite3.Connection, table: str, seq: int) -> None:
    """Remove a body."""
    connection.execute(f"DELETE FROM {table} WHERE part BETWEEN ? AND ?", _span(seq))


def _span(seq: int) -> tuple[int, int]:
    return seq * MOST_PARTS, (seq + 1) * MOST_PARTS - 1
