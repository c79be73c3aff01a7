"""The tables of the embedded queue, and the operations on them: functions over one connection.

Each function runs inside its caller's transaction and raises before it changes anything, so that
many of them can share one commit.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigurationError, IdForgotten, IdTaken, LeaseLost
from gateway.message import Clock, Message, Unreadable, digest, from_properties, to_properties
from gateway.queues import forgotten_ids
from gateway.queues.embedded import bodies, fair_queuing, replies, store
from gateway.queues.embedded.steady_clock import SINCE, Steady
from gateway.queues.embedded.steady_clock import TABLES as STEADY
from gateway.queues.fair_queuing import Turns

ARRIVED = "gateway-arrived"
"""Property of a request: when it was added. Older files do not have it."""
APPLICATION_ID = 0x534F4150  # "SOAP", in the header of the file
VERSION = 2
OLDER = (1,)
"""Versions that are migrated to this one when their file is opened."""
# Sequences are never used twice (AUTOINCREMENT): a reader up to one has missed nothing before it.
SCHEMA = """
CREATE TABLE requests(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT NOT NULL, id TEXT NOT NULL,
    digest BLOB NOT NULL, properties TEXT NOT NULL, body BLOB, due REAL NOT NULL, owner TEXT,
    epoch INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0,
    started INTEGER NOT NULL DEFAULT 0, interrupted INTEGER NOT NULL DEFAULT 0,
    quarantined TEXT, quarantined_at REAL, UNIQUE(sender, id));
CREATE INDEX leased ON requests(owner) WHERE owner IS NOT NULL;
CREATE TABLE replies(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT NOT NULL, id TEXT NOT NULL,
    digest BLOB NOT NULL, properties TEXT, body BLOB, answered REAL NOT NULL,
    UNIQUE(sender, id));
"""
# Missing in version 1.
ADDED = f"{STEADY}{forgotten_ids.TABLE}DROP INDEX IF EXISTS answered"
# Separate: a file that was made without it gets it when it is opened.
ASIDE = (
    "CREATE INDEX IF NOT EXISTS aside ON requests(quarantined_at, seq)"
    " WHERE quarantined IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Taken:
    """A request held by an owner; ``seq`` and ``epoch`` fence every operation under this claim."""

    seq: int
    epoch: int
    attempt: int
    message: Message | Unreadable


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or check that those in the file are of this version."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables == 0:
        _run(connection, f"{SCHEMA}{bodies.TABLES}PRAGMA application_id={APPLICATION_ID}")
    elif application != APPLICATION_ID:
        raise ConfigurationError(
            f"queue: {path} is an SQLite file, but not a queue: name another file."
        )
    elif version not in (VERSION, *OLDER):
        raise ConfigurationError(
            f"queue: {path} is a queue of version {version}, and this program knows version "
            f"{VERSION}: drain it with the program that made it, or name another file."
        )
    # A file from before fair queuing has another index.
    _run(connection, f"{ADDED}; DROP INDEX IF EXISTS waiting; {fair_queuing.INDEX}; {ASIDE}")
    if version != VERSION:
        connection.execute(f"PRAGMA user_version={VERSION}")


def _run(connection: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";"):
        connection.execute(statement)


def add(
    connection: sqlite3.Connection, message: Message, clock: Clock, steady: Clock
) -> int | None:
    """Add a request; return the last reply's sequence, or None where it was there before.

    The reply to the new request comes after that sequence. Raises IdTaken where its id has other
    bytes, IdForgotten where it may have had a reply that was swept.
    """
    name = (message.sender, message.id)
    now = steady()
    properties = {**to_properties(message), ARRIVED: repr(clock())}
    row = (*name, digest(message), json.dumps(properties), bodies.in_row(message.body), now)
    added = connection.execute(
        "INSERT INTO requests(sender, id, digest, properties, body, due) SELECT ?, ?, ?, ?, ?, ?"
        " WHERE NOT EXISTS (SELECT 1 FROM replies WHERE sender=? AND id=?)"
        f" AND NOT EXISTS ({forgotten_ids.FORGOTTEN}) ON CONFLICT DO NOTHING"
        f" RETURNING seq, ({replies.LAST})",
        (*row, *name, *forgotten_ids.moment(message.id)),
    ).fetchone()
    if added is None:
        _check_same(connection, message)
        return None
    seq, last = added
    bodies.write(connection, bodies.REQUESTS, seq, message.body)
    return last or 0


def _check_same(connection: sqlite3.Connection, message: Message) -> None:
    name = (message.sender, message.id)
    held = connection.execute(
        "SELECT digest FROM replies WHERE sender=? AND id=? UNION ALL "
        "SELECT digest FROM requests WHERE sender=? AND id=?",
        name * 2,
    ).fetchone()
    if held is None:
        raise IdForgotten
    if held[0] != digest(message):
        raise IdTaken


def claim(
    connection: sqlite3.Connection,
    owner: str,
    limit: int,
    steady: Clock,
    turns: Turns,
    shares: Mapping[str, int],
) -> tuple[list[Taken], float | None]:
    """Lease each client's oldest requests, with fair queuing.

    Without any, return when the next one comes due.
    """
    chosen, due = fair_queuing.next_requests(connection, steady(), limit, turns, shares)
    if chosen == "[]":
        return [], due
    rows = connection.execute(
        "UPDATE requests SET owner=?, epoch=epoch+1, attempt=attempt+1"
        " WHERE seq IN (SELECT value FROM json_each(?))"
        " RETURNING seq, epoch, attempt, properties, body, sender, id, interrupted",
        (owner, chosen),
    ).fetchall()
    return [_claim(connection, *row) for row in sorted(rows)], None


def _claim(
    connection: sqlite3.Connection,
    seq: int,
    epoch: int,
    attempt: int,
    properties: str,
    body: bytes | None,
    *who: str,
) -> Taken:
    sender, id, interrupted = who
    known = json.loads(properties)
    message = from_properties(
        known,
        bodies.read(connection, bodies.REQUESTS, seq, body),
        id=id,
        sender=sender,
        interrupted=bool(interrupted),
        arrived=when(known, ARRIVED),
    )
    return Taken(seq, epoch, attempt, message)


def when(properties: Mapping[str, str], name: str) -> float | None:
    """Return a time from a request's properties; None where it is missing or malformed."""
    try:
        time = float(properties.get(name, "nan"))
    except ValueError:
        return None
    return time if math.isfinite(time) else None


def start(connection: sqlite3.Connection, owner: str, claim: Taken) -> None:
    """Mark that work may have begun. Raises LeaseLost."""
    _update_held(connection, "started=1", (), owner, claim)


def give_back(
    connection: sqlite3.Connection, owner: str, claim: Taken, due: float, counts: bool
) -> None:
    """Release the request, to be taken from ``due`` on; not interrupted. Raises LeaseLost."""
    # At the first release, ``due`` is still the time at which it was added.
    since = f"""properties=json_insert(properties, '$."{SINCE}"', CAST(due AS TEXT))"""
    changes = f"owner=NULL, started=0, {since}, due=?, attempt=attempt-?"
    _update_held(connection, changes, (due, int(not counts)), owner, claim)


def answer(
    connection: sqlite3.Connection, owner: str, claim: Taken, reply: Message | None, now: float
) -> None:
    """Store the reply (None: an empty one) and remove the request. Raises LeaseLost."""
    row = connection.execute(
        "DELETE FROM requests WHERE seq=? AND owner=? AND epoch=?"
        " RETURNING sender, id, digest, body",
        (claim.seq, owner, claim.epoch),
    ).fetchone()
    if row is None:
        raise LeaseLost("another gateway holds the request")
    *name_and_digest, body = row
    bodies.remove(connection, bodies.REQUESTS, claim.seq, body)
    replies.add(connection, tuple(name_and_digest), reply, now)


def quarantine(
    connection: sqlite3.Connection,
    owner: str,
    claim: Taken,
    reason: str,
    reply: Message | None,
    now: float,
) -> None:
    """Store the reply, and put the request aside with the reason. Raises LeaseLost."""
    changes = "owner=NULL, started=0, quarantined=?, quarantined_at=?"
    _update_held(connection, changes, (reason, now), owner, claim)
    row = connection.execute(
        "SELECT sender, id, digest FROM requests WHERE seq=?", (claim.seq,)
    ).fetchone()
    replies.add(connection, row, reply, now)


def _update_held(
    connection: sqlite3.Connection,
    changes: str,
    values: tuple[object, ...],
    owner: str,
    claim: Taken,
) -> None:
    changed = connection.execute(
        f"UPDATE requests SET {changes} WHERE seq=? AND owner=? AND epoch=?",
        (*values, claim.seq, owner, claim.epoch),
    ).rowcount
    if not changed:
        raise LeaseLost("another gateway holds the request")


def owners(connection: sqlite3.Connection) -> list[str]:
    """Return the owners that hold leases."""
    query = "SELECT DISTINCT owner FROM requests WHERE owner IS NOT NULL"
    return [owner for (owner,) in connection.execute(query)]


def release(connection: sqlite3.Connection, owner: str) -> int:
    """Free a dead owner's requests; return how many. Those begun are marked as interrupted."""
    return connection.execute(
        "UPDATE requests SET owner=NULL, interrupted=max(interrupted, started), started=0"
        " WHERE owner=?",
        (owner,),
    ).rowcount


def let_go(connection: sqlite3.Connection, owner: str, held: Iterable[tuple[int, int]]) -> None:
    """Free requests that a living owner gave up, as ``release`` does with a dead one's.

    ``held`` has the ``seq`` and ``epoch`` of each; requests under another claim are left alone.
    """
    connection.executemany(
        "UPDATE requests SET owner=NULL, interrupted=max(interrupted, started), started=0"
        " WHERE owner=? AND seq=? AND epoch=?",
        [(owner, *one) for one in held],
    )


def is_held(connection: sqlite3.Connection, owner: str, claim: Taken) -> bool:
    """Tell whether the owner still holds the lease."""
    return bool(
        connection.execute(
            "SELECT 1 FROM requests WHERE seq=? AND owner=? AND epoch=?",
            (claim.seq, owner, claim.epoch),
        ).fetchone()
    )


# Counted in indexes alone: rows have bodies, and there may be gigabytes of them.
_QUERY = """
SELECT (SELECT count(*) FROM requests),
    (SELECT count(*) FROM requests WHERE owner IS NULL AND quarantined IS NULL),
    (SELECT json_group_object(owner, held) FROM (
        SELECT owner, count(*) AS held FROM requests WHERE owner IS NOT NULL GROUP BY owner)),
    oldest.due, oldest.properties
FROM (SELECT 1) LEFT JOIN (
    SELECT due, properties FROM requests WHERE quarantined IS NULL ORDER BY seq LIMIT 1
) AS oldest
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a request arrived, by the steady clock and by the machine's."""

    steady: float
    clock: float | None

    def age(self, steady: Steady, now: float) -> float:
        """Return the seconds since then, by the steady clock.

        That stood still while the machine was off: an arrival before this boot may be older by the
        machine's clock, which counts then.
        """
        age = max(0.0, steady() - self.steady)
        if self.clock is None or self.steady > steady.began:
            return age
        return max(age, now - self.clock)


@dataclass(frozen=True, slots=True)
class Census:
    """The counts in the file, which does not know which owners are alive."""

    waiting: int
    held: Mapping[str, int]
    """How many requests each owner has."""
    quarantined: int
    oldest: Arrival | None
    """When the oldest unanswered request arrived."""


def census(connection: sqlite3.Connection) -> Census:
    """Count the requests of a queue."""
    total, waiting, held, *oldest = connection.execute(_QUERY).fetchone()
    held = json.loads(held)
    arrived = None if oldest[0] is None else _arrival(*oldest)
    return Census(waiting, held, total - waiting - sum(held.values()), arrived)


def _arrival(due: float, properties: str) -> Arrival:
    known = json.loads(properties)
    steady = store.when(known, SINCE)
    return Arrival(due if steady is None else steady, store.when(known, store.ARRIVED))
