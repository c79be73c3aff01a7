"""How many requests are in the embedded queue: one query, as in ``sqlite_store``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.queues.embedded import store
from gateway.queues.embedded.steady_clock import SINCE, Steady

# The counts are taken from indexes alone: rows have bodies, and there may be gigabytes of them.
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
        """Return the seconds since, by the steady clock.

        It stood still while the machine was off: what came before that is as old as the other says.
        """
        age = max(0.0, steady() - self.steady)
        if self.clock is None or self.steady > steady.began:
            return age
        return max(age, now - self.clock)


@dataclass(frozen=True, slots=True)
class Census:
    """What the file says; whether the owners still live is not in it."""

    waiting: int
    held: Mapping[str, int]
    """How many requests each owner has."""
    quarantined: int
    oldest: Arrival | None
    """When the oldest request that is not answered arrived."""


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
