"""Counts of refusals before authentication: a flood of them must not fill a disk.

A refused connection costs its sender next to nothing, and an audit line has hundreds of bytes. So
each interval has one line with a count for each kind and peer: ``PEERS`` peers of a kind at most,
and one line for all others.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict

from gateway.errors import QueueUnavailable
from gateway.message import Clock
from gateway.observe.audit.chain import Write

log = logging.getLogger(__name__)

INTERVAL = 60.0
"""Seconds between two writes."""
PEERS = 5
"""Addresses with a line each, for each kind in an interval; the others share one."""
LINES = 30
"""Calls of strangers with a whole line each, in an interval; the others are counted."""


class Tally:
    """Counts refusals, and writes the counts at each interval."""

    def __init__(self, write: Write, clock: Clock = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._lines = 0
        self._since = clock()

    def note(self, what: str, peer: str = "") -> None:
        """Count one; ``peer`` is its address, empty where that is not known."""
        counts = self._counts[what]
        counts[peer if peer in counts or len(counts) < PEERS else ""] += 1

    def take_line(self) -> bool:
        """Take one of this interval's lines for calls of strangers; tell whether one was left."""
        self._lines += 1
        return self._lines <= LINES

    async def keep(self) -> None:
        """Write the counts at each interval, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            self.write()

    def write(self) -> None:
        """Write the counts, and start again. Those that cannot be written now are kept."""
        now = self._clock()
        try:
            for what, counts in list(self._counts.items()):
                self._write_kind(what, counts, now - self._since)
                del self._counts[what]
        except QueueUnavailable as error:
            log.error("counts of refusals are not in the audit log yet: %s", error)
            return
        self._since, self._lines = now, 0

    def _write_kind(self, what: str, counts: Counter[str], seconds: float) -> None:
        for peer, count in list(counts.items()):
            self._write(
                {
                    "event": "counted",
                    "what": what,
                    "peer": peer,
                    "count": count,
                    "seconds": round(seconds),
                }
            )
            del counts[peer]
