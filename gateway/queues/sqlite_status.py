"""How many requests are in the embedded queue: one query, as in ``sqlite_store``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.message import id_time

# The counts are taken from indexes alone: rows have bodies, and there may be gigabytes of them.
_QUERY = """
SELECT (SELECT count(*) FROM requests),
    (SELECT count(*) FROM requests WHERE owner IS NULL AND quarantined IS NULL),
    (SELECT json_group_object(owner, held) FROM (
        SELECT owner, count(*) AS held FROM requests WHERE owner IS NOT NULL GROUP BY owner)),
    oldest.id, oldest.due, oldest.epoch - (oldest.owner IS NOT NULL)
FROM (SELECT 1) LEFT JOIN (
    SELECT id, due, epoch, owner FROM requests WHERE quarantined IS NULL ORDER BY seq LIMIT 1
) AS oldest
"""


@dataclass(frozen=True, slots=True)
class Census:
    """What the file says; whether the owners still live is not in it."""

    waiting: int
    held: Mapping[str, int]
    """How many requests each owner has."""
    quarantined: int
    since: float | None
    """When the oldest request that is not answered arrived, in seconds since the epoch."""


def census(connection: sqlite3.Connection) -> Census:
    """Count the requests of a queue."""
    total, waiting, held, *oldest = connection.execute(_QUERY).fetchone()
    held = json.loads(held)
    return Census(waiting, held, total - waiting - sum(held.values()), _arrival(*oldest))


def _arrival(id: str | None, due: float, returns: int) -> float | None:
    """Return when a request came: it was due at once, but one given back was put off since."""
    if id is None:
        return None
    made = id_time(id) if returns else None
    return due if made is None else made
