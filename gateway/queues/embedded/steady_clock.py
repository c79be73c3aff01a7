"""A clock that is never set, kept in the file of an embedded queue, to measure ages.

A machine's clock may be hours off and jump at any moment, so ages are not measured by it. Only time
that is known to have passed counts: the machine's monotonic clock during one boot. Between boots
this clock stands still, so it never measures too high an age.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from gateway.message import Clock
from gateway.queues.embedded.replies import last as last_reply

TABLES = """
CREATE TABLE IF NOT EXISTS pace(boot TEXT PRIMARY KEY, ahead REAL NOT NULL, began REAL NOT NULL);
CREATE TABLE IF NOT EXISTS marks(steady REAL NOT NULL, reply INTEGER NOT NULL);
"""
SINCE = "gateway-since"
"""Property of a request that was given back: when it was added, by the steady clock of the file.
For the others, that is ``due``."""
EVERY = 600.0
"""Seconds between two marks: at most so much of each boot is not counted."""


@dataclass(frozen=True, slots=True)
class Uptime:
    """A clock that only goes forward, and an id of the boot that it counts from."""

    boot: str
    now: Clock


def of_this_machine() -> Uptime:
    """Return the monotonic clock of this machine, the same for all processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        boot = ""  # not Linux: a clock behind the last mark shows that it started anew
    return Uptime(boot, time.monotonic)


@dataclass(frozen=True, slots=True)
class Steady:
    """The steady clock of a queue file: the same for all processes, and never set back."""

    now: Clock
    ahead: float
    """Its lead over the clock of this boot."""
    began: float
    """Its time when the file was first opened in this boot."""

    def __call__(self) -> float:
        return self.now() + self.ahead


def begin(connection: sqlite3.Connection, uptime: Uptime, start: float) -> Steady:
    """Return the steady clock of a file; that of a new file begins at ``start``.

    At the first call of a boot, all delayed requests come due: it is unknown for how long the
    machine was off.
    """
    now = uptime.now()
    known = connection.execute(
        "SELECT ahead, began FROM pace WHERE boot=?", (uptime.boot,)
    ).fetchone()
    (last,) = connection.execute("SELECT max(steady) FROM marks").fetchone()
    if known is not None and now + known[0] >= last:
        return Steady(uptime.now, *known)
    began = start if last is None else max([last, *_newest(connection)])
    connection.execute("DELETE FROM pace")
    connection.execute("INSERT INTO pace VALUES (?, ?, ?)", (uptime.boot, began - now, began))
    connection.execute("INSERT INTO marks VALUES (?, ?)", (began, last_reply(connection)))
    connection.execute("UPDATE requests SET due=? WHERE due>?", (began, began))
    return Steady(uptime.now, began - now, began)


def _newest(connection: sqlite3.Connection) -> tuple[float, ...]:
    """Return when the newest request was added, by this clock; empty where there is none."""
    row = connection.execute(
        "SELECT CAST(coalesce(json_extract(properties, ?), due) AS REAL) FROM requests"
        " ORDER BY seq DESC LIMIT 1",
        (f'$."{SINCE}"',),
    ).fetchone()
    return row or ()


def mark(connection: sqlite3.Connection, now: float, longest: float) -> None:
    """Note the last reply of this moment; remove marks that are no longer needed.

    ``longest`` is the greatest age that is ever asked for.
    """
    (last,) = connection.execute("SELECT max(steady) FROM marks").fetchone()
    if now - last < EVERY:
        return
    connection.execute("INSERT INTO marks VALUES (?, ?)", (now, last_reply(connection)))
    connection.execute(
        "DELETE FROM marks WHERE steady < (SELECT max(steady) FROM marks WHERE steady<=?)",
        (now - longest,),
    )


def made_by(connection: sqlite3.Connection, moment: float) -> int:
    """Return the sequence up to which replies existed at that moment, by the marks."""
    (reply,) = connection.execute(
        "SELECT max(reply) FROM marks WHERE steady<=?", (moment,)
    ).fetchone()
    return int(reply or 0)
