"""The replies in the embedded queue: functions over one connection, as in ``store``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from itertools import islice

from gateway.message import Message, from_properties, id_time, to_properties
from gateway.queue import Collected, State
from gateway.queues import forgotten_ids
from gateway.queues.embedded import bodies

LAST = "SELECT seq FROM sqlite_sequence WHERE name='replies'"
"""The sequence of the last reply; no row before the first."""


def add(
    connection: sqlite3.Connection,
    request: tuple[str, str, bytes],
    reply: Message | None,
    now: float,
) -> None:
    """Store the reply to a request, given by its sender, id and digest; None: an empty reply."""
    properties = None if reply is None else json.dumps(to_properties(reply))
    body = b"" if reply is None else reply.body
    seq = connection.execute(
        "INSERT INTO replies(sender, id, digest, properties, body, answered)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (*request, properties, bodies.in_row(body), now),
    ).lastrowid
    bodies.write(connection, bodies.REPLIES, seq or 0, body)


def look(connection: sqlite3.Connection, sender: str, id: str) -> Collected:
    """Return the state of a request."""
    row = connection.execute(
        "SELECT seq, sender, id, properties, body FROM replies WHERE sender=? AND id=?",
        (sender, id),
    ).fetchone()
    if row is not None:
        return _collected(connection, *row)
    row = connection.execute(
        "SELECT owner FROM requests WHERE sender=? AND id=? AND quarantined IS NULL", (sender, id)
    ).fetchone()
    if row is None:
        return Collected(State.UNKNOWN)
    return Collected(State.PENDING if row[0] is None else State.WORKING)


def last(connection: sqlite3.Connection) -> int:
    """Return the highest sequence that a reply has had so far."""
    row = connection.execute(LAST).fetchone()
    return int(row[0]) if row else 0


def after(
    connection: sqlite3.Connection, seq: int, is_wanted: Callable[[tuple[str, str]], bool]
) -> tuple[int, dict[tuple[str, str], Collected]]:
    """Return the last sequence seen, and those of the replies after ``seq`` that are wanted."""
    found = {}
    for row in connection.execute(
        "SELECT seq, sender, id, properties, body FROM replies WHERE seq>? ORDER BY seq", (seq,)
    ).fetchall():
        seq, sender, id, *_ = row
        if is_wanted((sender, id)):
            found[sender, id] = _collected(connection, *row)
    return seq, found


def _collected(
    connection: sqlite3.Connection,
    seq: int,
    sender: str,
    id: str,
    properties: str | None,
    body: bytes | None,
) -> Collected:
    if properties is None:
        return Collected(State.DONE)
    body = bodies.read(connection, bodies.REPLIES, seq, body)
    reply = from_properties(json.loads(properties), body, kind=None, id=id, sender=sender)
    assert isinstance(reply, Message)  # written by to_properties, in add
    return Collected(State.REPLY, reply)


def old(connection: sqlite3.Connection, seq: int, made: float, limit: int) -> list[int]:
    """Return up to ``limit`` replies to sweep: up to ``seq``, to requests made before ``made``.

    A younger id would still be accepted; an id without a time does not count.
    """
    # A request in quarantine still holds its name: so must its reply.
    rows = connection.execute(
        "SELECT seq, id FROM replies WHERE seq<=? AND NOT EXISTS (SELECT 1 FROM requests"
        " WHERE requests.sender=replies.sender AND requests.id=replies.id) ORDER BY seq",
        (seq,),
    )
    times = ((seq, id_time(id)) for seq, id in rows)
    going = (seq for seq, time in times if time is None or time < made)
    return list(islice(going, limit))


def remove(connection: sqlite3.Connection, seqs: Sequence[int]) -> None:
    """Remove replies, and remember the times of their ids."""
    rows = connection.execute(
        "DELETE FROM replies WHERE seq IN (SELECT value FROM json_each(?)) RETURNING seq, id, body",
        (json.dumps(seqs),),
    ).fetchall()
    forgotten_ids.note(connection, (id for _, id, _ in rows))
    for seq, _, body in rows:
        bodies.remove(connection, bodies.REPLIES, seq, body)
