"""The quarantine in the embedded queue: functions over one connection, as in ``store``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import EntryGone
from gateway.message import Clock, Message, from_properties
from gateway.queue import Quarantined
from gateway.queues.embedded import bodies, store

_SIZE = (
    "coalesce(length(requests.body), (SELECT sum(length(data)) FROM request_bodies WHERE part"
    f" BETWEEN requests.seq*{bodies.MOST_PARTS} AND (requests.seq+1)*{bodies.MOST_PARTS}-1))"
)
# CROSS JOIN: otherwise SQLite would go through all replies, to avoid sorting.
OLD = (
    f"SELECT requests.seq, replies.seq, {_SIZE} FROM requests CROSS JOIN replies"
    " ON replies.sender=requests.sender AND replies.id=requests.id"
    " WHERE quarantined IS NOT NULL ORDER BY replies.seq DESC"
)


@dataclass(frozen=True, slots=True)
class PageStart:
    """Sort key of an entry: a page of entries begins behind one."""

    since: float = float("-inf")
    seq: int = 0


def page(
    connection: sqlite3.Connection, after: PageStart, id: str, limit: int
) -> tuple[list[Quarantined], PageStart]:
    """Return entries, the oldest first, and where the next page begins; of one ``id``, if given."""
    rows = connection.execute(
        f"SELECT seq, sender, id, properties, quarantined, quarantined_at, {_SIZE} FROM requests"
        " WHERE quarantined IS NOT NULL AND (quarantined_at, seq) > (?, ?)"
        " AND ? IN ('', id) ORDER BY quarantined_at, seq LIMIT ?",
        (after.since, after.seq, id, limit),
    ).fetchall()
    last = PageStart(rows[-1][5], rows[-1][0]) if rows else after
    return [_entry(*row[1:]) for row in rows], last


def _entry(
    sender: str, id: str, properties: str, reason: str, since: float, size: int
) -> Quarantined:
    return Quarantined(
        id=id,
        sender=sender,
        reason=reason,
        since=since,
        size=size,
        service=json.loads(properties).get("SOAPJMS_targetService", ""),
    )


def read(connection: sqlite3.Connection, entry: Quarantined) -> Message:
    """Return the request of an entry. Raises EntryGone."""
    row = connection.execute(
        "SELECT seq, properties, body FROM requests"
        " WHERE sender=? AND id=? AND quarantined IS NOT NULL",
        (entry.sender, entry.id),
    ).fetchone()
    if row is None:
        raise gone(entry)
    seq, properties, body = row
    message = from_properties(
        json.loads(properties),
        bodies.read(connection, bodies.REQUESTS, seq, body),
        id=entry.id,
        sender=entry.sender,
    )
    assert isinstance(message, Message)  # written by to_properties, in store.add
    return message


def drop(connection: sqlite3.Connection, entry: Quarantined) -> None:
    """Remove an entry. Raises EntryGone."""
    row = connection.execute(
        "DELETE FROM requests WHERE sender=? AND id=? AND quarantined IS NOT NULL"
        " RETURNING seq, body",
        (entry.sender, entry.id),
    ).fetchone()
    if row is None:
        raise gone(entry)
    bodies.remove(connection, bodies.REQUESTS, *row)


def exchange(
    connection: sqlite3.Connection, entry: Quarantined, new: Message, clock: Clock, steady: Clock
) -> None:
    """Replace an entry by a new request. Raises EntryGone, and the errors of ``store.add``."""
    there = "SELECT 1 FROM requests WHERE sender=? AND id=? AND quarantined IS NOT NULL"
    if connection.execute(there, (entry.sender, entry.id)).fetchone() is None:
        raise gone(entry)
    # It raises before it changes anything, so the entry is removed after it.
    store.add(connection, new, clock, steady)
    drop(connection, entry)


def old(connection: sqlite3.Connection, reply: int, size: int) -> list[int]:
    """Return the entries beyond the bounds: up to a reply's sequence, or beyond ``size`` bytes.

    Each was put aside when its reply was stored, so the sequence of its reply gives its age.
    """
    found, kept = [], 0
    for seq, replied, bytes_ in connection.execute(OLD):
        kept += bytes_
        if replied <= reply or kept > size:
            found.append(seq)
    return found


def remove(connection: sqlite3.Connection, seqs: Sequence[int]) -> None:
    """Remove entries by their sequences."""
    for seq in seqs:
        rows = connection.execute(
            "DELETE FROM requests WHERE seq=? AND quarantined IS NOT NULL RETURNING seq, body",
            (seq,),
        ).fetchall()
        for row in rows:
            bodies.remove(connection, bodies.REQUESTS, *row)


def gone(entry: Quarantined) -> EntryGone:
    """Return the error for an entry that is no longer there."""
    return EntryGone(f"{entry.id} is not in quarantine any more")
