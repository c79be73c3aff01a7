"""Periodic housekeeping of an embedded queue, by each process that receives."""

from __future__ import annotations

import logging
import sqlite3
import time
from functools import partial

from gateway.errors import QueueUnavailable
from gateway.message import ID_WINDOW, REPLY_RETENTION, Clock
from gateway.queues.embedded import replies, store
from gateway.queues.embedded.file import REQUESTS, QueueFile
from gateway.queues.embedded.quarantine import SqliteQuarantine
from gateway.queues.embedded.steady_clock import made_by, mark

SWEEP_ROWS = 1000
JUMP = 10.0
"""Seconds by which the machine's clock must jump to be logged."""

log = logging.getLogger(__name__)


class Tidying:
    """Frees requests of dead processes, sweeps old replies, and warns of a clock that jumps."""

    def __init__(self, file: QueueFile, clock: Clock, quarantine: SqliteQuarantine) -> None:
        self._file = file
        self._clock = clock
        self._quarantine = quarantine
        self._ahead = clock() - file.steady()
        self.looked = self.swept = float("-inf")
        self._forgotten: set[tuple[int, int]] = set()
        """The ``seq`` and ``epoch`` of requests that this process let go, without their bodies."""

    def let_go(self, claim: store.Taken) -> None:
        """Free a request that this process held and gave up, as soon as the file takes writes."""
        self._forgotten.add((claim.seq, claim.epoch))

    async def tidy(self) -> None:
        """Do what is due by now; also while the queue is busy: it has dead processes too."""
        now = time.monotonic()
        if now - self.looked < self._file.periods.dead:
            return
        self.looked = now
        self._watch_clock()
        await self._free_forgotten()
        for owner in await self._file.read(self._dead):
            await self._file.write(partial(store.release, owner=owner), ring=REQUESTS)
        if now - self.swept > self._file.periods.sweep:
            await self._quarantine.sweep()
            # A full batch: there may be more, and the next call continues.
            self.swept = now if await self._sweep() < SWEEP_ROWS else self.swept

    async def _free_forgotten(self) -> None:
        if not self._forgotten:
            return
        held = frozenset(self._forgotten)
        try:
            job = partial(store.let_go, owner=self._file.owner, held=held)
            await self._file.write(job, ring=REQUESTS)
        except QueueUnavailable as error:
            # A file that took no verdict does not take this either; the next call tries again.
            log.debug("requests that were let go are not free yet: %s", error)
            return
        self._forgotten -= held

    def _dead(self, connection: sqlite3.Connection) -> list[str]:
        """Return the dead owners. Runs in the reader's thread: it opens a file of each."""
        return [one for one in store.owners(connection) if not self._file.is_alive(one)]

    def _watch_clock(self) -> None:
        """Warn where the machine's clock jumps: waits do not depend on it, but deadlines do."""
        ahead = self._clock() - self._file.steady()
        jump, self._ahead = ahead - self._ahead, ahead
        if abs(jump) > JUMP:
            log.warning(
                "the clock of this machine was set %s by %.0f s: it affects deadlines and the times"
                " in ids, and nothing else",
                "ahead" if jump > 0 else "back",
                abs(jump),
            )

    async def _sweep(self) -> int:
        """Sweep replies that nobody can ask for any more; return how many."""
        now, made = self._file.steady(), self._clock() - ID_WINDOW
        longest = max(REPLY_RETENTION, self._quarantine.bounds.age)
        await self._file.write(partial(mark, now=now, longest=longest))
        old = await self._file.read(
            lambda connection: replies.old(
                connection, made_by(connection, now - REPLY_RETENTION), made, SWEEP_ROWS
            )
        )
        if old:
            await self._file.write(partial(replies.remove, seqs=old))
        return len(old)
