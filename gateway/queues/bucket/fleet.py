"""Which gateways drain a bucket, and which of them takes a request first.

This is advice: gateways that disagree cost an extra call or a second, never a promise.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import secrets
from collections.abc import Mapping, Sequence
from itertools import chain, repeat

from gateway.errors import QueueUnavailable
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.store import Listed, S3Store

log = logging.getLogger(__name__)

BEAT = 30.0
"""Seconds between two heartbeats: a dollar a month for each gateway."""
SETTLING = (1.0, 2.0, 5.0, 10.0)
"""Seconds between the first heartbeats: gateways that start together soon know each other."""
MISSED = 3
"""Missed heartbeats after which a gateway counts as gone."""
REMOVED = 10
"""Missed heartbeats after which another gateway removes the last: a live one writes it again."""
WHOLE = 1.0
"""Precision of dates, in seconds: some stores give whole ones."""


class Fleet:
    """The gateways of a bucket. Each writes an object as its heartbeat."""

    def __init__(self, store: S3Store, keys: Keys) -> None:
        self._store = store
        self._prefix = keys.gateways
        self._own = self._prefix + secrets.token_hex(8)
        self._members: tuple[str, ...] = (self._own,)
        self._beating: asyncio.Task[None] | None = None

    async def join(self) -> None:
        """Begin the heartbeat, each of which also finds the other gateways."""
        if self._beating is None:
            await self._beat()
            self._beating = asyncio.create_task(self._keep_beating())

    async def leave(self) -> None:
        """Remove the heartbeat, so that the others know at once."""
        if self._beating is not None:
            self._beating.cancel()
            # A heartbeat under way must not arrive after it was removed.
            await asyncio.wait([self._beating])
            with contextlib.suppress(QueueUnavailable):
                await self._store.delete(self._own)

    def place(self, key: str) -> int:
        """Return this gateway's place in line for a request: 0 is the first.

        The first places are spread evenly, and all gateways agree on them.
        """
        own = _weight(self._own, key)
        return sum(_weight(member, key) > own for member in self._members)

    async def _keep_beating(self) -> None:
        for pause in chain(SETTLING, repeat(BEAT)):
            await asyncio.sleep(pause)
            await self._beat()

    async def _beat(self) -> None:
        try:
            await self._store.put(self._own, secrets.token_hex(8).encode())
            silent = self._silent((await self._store.list(self._prefix)).found)
            self._members = tuple(sorted({self._own, *_within(silent, MISSED)}))
            for key in silent.keys() - _within(silent, REMOVED):
                await self._store.delete(key)
        except QueueUnavailable as error:
            log.warning("cannot write this gateway's heartbeat for the others: %s", error)

    def _silent(self, listed: Sequence[Listed]) -> dict[str, float]:
        """Return the seconds since each gateway's heartbeat, measured against our own's date.

        Both dates are the store's. Where it gives none, all count as alive.
        """
        dates = {one.key: one.written for one in listed}
        now = dates.get(self._own)
        return {key: now - at if now and at else 0.0 for key, at in dates.items()}


def _within(silent: Mapping[str, float], beats: int) -> set[str]:
    """Return the gateways that have missed fewer heartbeats than that."""
    return {key for key, seconds in silent.items() if seconds < beats * BEAT + WHOLE}


def _weight(member: str, key: str) -> bytes:
    """Return a gateway's weight for a request (rendezvous hashing: the highest is the first)."""
    return hashlib.blake2b(f"{member} {key}".encode(), digest_size=8).digest()
