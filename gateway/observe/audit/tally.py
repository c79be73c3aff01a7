"""What is refused before anybody is known, counted: a flood of it must not fill a disk.

A refused connection costs its sender next to nothing, and a line of audit has hundreds of bytes. So
there is a line for each kind and peer in each interval, with a number, and no more of them than
``PEERS`` and one for each kind.
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
"""Seconds from one look to the next."""
PEERS = 5
"""Addresses that have a line of their own in an interval, of each kind; others are one together."""
LINES = 30
"""Calls of nobody that have a whole line each, in an interval; others are counted."""


class Tally:
    """Counts, and writes the numbers at each interval."""

    def __init__(self, write: Write, clock: Clock = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._lines = 0
        self._since = clock()

    def note(self, what: str, peer: str = "") -> None:
        """Count one; ``peer`` is the address that it is from, empty where that is not known."""
        counts = self._counts[what]
        counts[peer if peer in counts or len(counts) < PEERS else ""] += 1

    def take_line(self) -> bool:
        """Take a line of those for calls of nobody in this interval; tell whether one was left."""
        self._lines += 1
        return self._lines <= LINES

    async def keep(self) -> None:
        """Write the numbers at each interval, for ever."""
        while True:
            await asyncio.sleep(INTERVAL)
            self.write()

    def write(self) -> None:
        """Write the numbers, and begin anew. What cannot be written now is counted on."""
        now = self._clock()
        try:
            for what, counts in list(self._counts.items()):
                self._write_kind(what, counts, now - self._since)
                del self._counts[what]
        except QueueUnavailable as error:
            log.error("what was refused is not in the audit log yet: %s", error)
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
