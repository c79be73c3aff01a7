"""The quarantine of the embedded queue: the rows of requests that were put aside."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from functools import partial

from gateway.message import ID_WINDOW, Clock, Message, new_id
from gateway.queue import Quarantined
from gateway.queues.embedded import quarantine_rows
from gateway.queues.embedded.file import REQUESTS, QueueFile
from gateway.queues.embedded.steady_clock import made_by
from gateway.queues.options import Bounds
from gateway.queues.quarantine import check_sendable, renewed

log = logging.getLogger(__name__)

PAGE = 200
AT_ONCE = 500
"""Entries that are removed in one transaction, at most: others wait for it."""


class SqliteQuarantine:
    """The quarantine in a queue file. Each change of it is one transaction."""

    def __init__(self, file: QueueFile, clock: Clock, bounds: Bounds) -> None:
        self._file = file
        self._clock = clock
        self.bounds = bounds

    async def entries(self, id: str = "") -> AsyncIterator[Quarantined]:
        after = quarantine_rows.PageStart()
        while True:
            job = partial(quarantine_rows.page, after=after, id=id, limit=PAGE)
            found, after = await self._file.read(job)
            for entry in found:
                yield entry
            if len(found) < PAGE:
                return

    async def read(self, entry: Quarantined) -> Message:
        return await self._file.read(partial(quarantine_rows.read, entry=entry))

    async def send_again(
        self, entry: Quarantined, envelope: bytes | None = None, lifetime: float = ID_WINDOW
    ) -> str:
        """Exchange the entry for its new request, in one transaction."""
        check_sendable(entry, envelope)
        kept, clock = await self.read(entry), self._clock
        new = renewed(kept, entry, envelope, id=new_id(clock), expires=clock() + lifetime)
        steady = self._file.steady
        job = partial(quarantine_rows.exchange, entry=entry, new=new, clock=clock, steady=steady)
        await self._file.write(job, durable=True, ring=REQUESTS)
        return new.id

    async def drop(self, entry: Quarantined) -> None:
        await self._file.write(partial(quarantine_rows.drop, entry=entry), durable=True)

    async def sweep(self) -> None:
        """Remove the oldest entries until the rest is within the bounds."""
        bounds, before = self.bounds, self._file.steady() - self.bounds.age
        old = await self._file.read(
            lambda connection: quarantine_rows.old(
                connection, made_by(connection, before), bounds.bytes
            )
        )
        for at in range(0, len(old), AT_ONCE):
            await self._file.write(partial(quarantine_rows.remove, seqs=old[at : at + AT_ONCE]))
        if old:
            log.warning("%d requests left the quarantine: they exceed its bounds", len(old))
