"""Renewing a claim for as long as its holder waits for the store."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from gateway.errors import QueueUnavailable
from gateway.queues.bucket.claim_records import Registers
from gateway.queues.bucket.delivery import Hold
from gateway.queues.bucket.layout import Name


@contextlib.asynccontextmanager
async def renewed(registers: Registers, name: Name, hold: Hold) -> AsyncIterator[None]:
    """Renew a claim at each third of its lease, until the block ends.

    Raises LeaseLost at its end where another has the request by then.
    """
    is_over = asyncio.Event()
    renewals: list[asyncio.Task[None]] = []

    def begin() -> None:
        renewals.append(asyncio.create_task(_renew(registers, name, hold, is_over)))

    timer = asyncio.get_running_loop().call_later(hold.claim.lease / 3, begin)
    try:
        yield
    finally:
        timer.cancel()
        # To its end: a write that is broken off leaves an ETag that nobody knows.
        is_over.set()
        await asyncio.gather(*renewals)


async def _renew(registers: Registers, name: Name, hold: Hold, is_over: asyncio.Event) -> None:
    while not is_over.is_set():
        written = time.monotonic()
        with contextlib.suppress(QueueUnavailable):
            hold.etag = await registers.claim(name, hold.claim, hold.etag)
            hold.written = written
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(hold.claim.lease / 3):
                await is_over.wait()
