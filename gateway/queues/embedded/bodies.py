"""Bodies in the tables of the embedded queue: small ones in the row, large ones in parts."""

from __future__ import annotations

import sqlite3

SMALL = 16 << 10
"""Bytes of a body that stay in its message's row: each change of a row writes all of it."""
PART = 1 << 20
"""Bytes in one part, at most: SQLite copies each value several times."""

# The parts of a body have the row ids `seq * MOST_PARTS + part`, which saves a second index.
MOST_PARTS = 1 << 16

TABLES = """
CREATE TABLE request_bodies(part INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE reply_bodies(part INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""
REQUESTS, REPLIES = "request_bodies", "reply_bodies"


def in_row(body: bytes) -> bytes | None:
    """Return a small body, which goes into its message's row; None for a large one."""
    return body if len(body) <= SMALL else None


def write(connection: sqlite3.Connection, table: str, seq: int, body: bytes) -> None:
    """Store a body, unless it goes into its message's row."""
    if len(body) <= SMALL:
        return
    first, _ = _span(seq)
    view = memoryview(body)
    connection.executemany(
        f"INSERT INTO {table}(part, data) VALUES (?, ?)",
        ((first + n, view[at : at + PART]) for n, at in enumerate(range(0, len(body), PART))),
    )


def read(connection: sqlite3.Connection, table: str, seq: int, in_row: bytes | None) -> bytes:
    """Return a body; ``in_row`` is what its message's row holds of it."""
    if in_row is not None:
        return in_row
    rows = connection.execute(
        f"SELECT data FROM {table} WHERE part BETWEEN ? AND ? ORDER BY part", _span(seq)
    )
    return b"".join([data for (data,) in rows])


def remove(
    connection: sqlite3.Connection, table: str, seq: int, in_row: bytes | None = None
) -> None:
    """Remove a body; ``in_row`` is what its message's row held of it."""
    if in_row is None:
        connection.execute(f"DELETE FROM {table} WHERE part BETWEEN ? AND ?", _span(seq))


def _span(seq: int) -> tuple[int, int]:
    return seq * MOST_PARTS, (seq + 1) * MOST_PARTS - 1
