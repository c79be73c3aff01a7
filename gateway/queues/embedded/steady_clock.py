"""Time that nobody sets, kept in the file of an embedded queue: how long ago something was.

The clock of a machine may be hours off and jump at any moment, so it measures no age here. Counted
is only what is known to have passed: the machine's monotonic clock while one boot of it lasts.
From one boot to the next time stands still, so what is measured is never older than it says.
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
"""Among the properties of a request that was given back: when it was added, by the steady clock of
the file. Of others, ``due`` says it."""
EVERY = 600.0
"""Seconds from one mark to the next: this much is not counted of each boot, at most."""


@dataclass(frozen=True, slots=True)
class Uptime:
    """A clock that only goes forward, and a name for the boot that it counts from."""

    boot: str
    now: Clock


def of_this_machine() -> Uptime:
    """Return the clock of this machine: all its processes see the same."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        boot = ""  # no Linux: that the clock began anew shows when it is behind the last mark
    return Uptime(boot, time.monotonic)


@dataclass(frozen=True, slots=True)
class Steady:
    """The steady clock of a queue file: the same for all processes, and never set back."""

    now: Clock
    ahead: float
    """What it is ahead of the clock of this boot."""
    began: float
    """What it said when the file was first opened in this boot."""

    def __call__(self) -> float:
        return self.now() + self.ahead


def begin(connection: sqlite3.Connection, uptime: Uptime, start: float) -> Steady:
    """Return the steady clock of a file; of a new one it begins at ``start``.

    In the first look of a boot, whatever was put off before comes due: nobody knows for how long
    the machine was off.
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
    """Return when the newest request was added: in an earlier boot, where this one begins."""
    row = connection.execute(
        "SELECT CAST(coalesce(json_extract(properties, ?), due) AS REAL) FROM requests"
        " ORDER BY seq DESC LIMIT 1",
        (f'$."{SINCE}"',),
    ).fetchone()
    return row or ()


def mark(connection: sqlite3.Connection, now: float, longest: float) -> None:
    """Note how many replies there were by now; forget marks that are of no use any more.

    ``longest`` is the greatest age that anybody asks for.
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
    """Return the sequence of a reply: it, and those before it, were there at that moment."""
    (reply,) = connection.execute(
        "SELECT max(reply) FROM marks WHERE steady<=?", (moment,)
    ).fetchone()
    return int(reply or 0)
