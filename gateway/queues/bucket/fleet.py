"""Which gateways drain a bucket, and which of them is to take a request first.

It is advice: gateways that disagree cost a request or a second, never a promise.
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
"""Seconds between two signs of life: a dollar a month for each gateway."""
SETTLING = (1.0, 2.0, 5.0, 10.0)
"""Seconds between the first signs: gateways that start together soon know of each other."""
MISSED = 3
"""Signs missing until a gateway counts as gone."""
REMOVED = 10
"""Signs missing until another gateway removes the last one: it was killed, or it shows again."""
WHOLE = 1.0
"""Seconds by which dates are rough: some stores tell whole ones."""


class Fleet:
    """The gateways of a bucket. Each shows that it lives by an object of its own."""

    def __init__(self, store: S3Store, keys: Keys) -> None:
        self._store = store
        self._prefix = keys.gateways
        self._own = self._prefix + secrets.token_hex(8)
        self._members: tuple[str, ...] = (self._own,)
        self._beating: asyncio.Task[None] | None = None

    async def join(self) -> None:
        """Show that this gateway lives, and find out who else does; again and again."""
        if self._beating is None:
            await self._beat()
            self._beating = asyncio.create_task(self._keep_beating())

    async def leave(self) -> None:
        """Let the others know at once."""
        if self._beating is not None:
            self._beating.cancel()
            # A sign that is on its way must not arrive after the others were told.
            await asyncio.wait([self._beating])
            with contextlib.suppress(QueueUnavailable):
                await self._store.delete(self._own)

    def place(self, key: str) -> int:
        """Return this gateway's place in the line of those who may take a request: 0 is the first.

        Each gateway has its share of the first places, and all agree.
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
            log.warning("cannot tell other gateways that this one lives: %s", error)

    def _silent(self, listed: Sequence[Listed]) -> dict[str, float]:
        """Return for how long each gateway has shown nothing: its date beside that of our own.

        Both are the store's. Where it tells none, all are taken for alive.
        """
        dates = {one.key: one.written for one in listed}
        now = dates.get(self._own)
        return {key: now - at if now and at else 0.0 for key, at in dates.items()}


def _within(silent: Mapping[str, float], signs: int) -> set[str]:
    """Return those who have missed fewer signs than that."""
    return {key for key, seconds in silent.items() if seconds < signs * BEAT + WHOLE}


def _weight(member: str, key: str) -> bytes:
    """Return a gateway's weight for a request (rendezvous hashing: the highest is the first)."""
    return hashlib.blake2b(f"{member} {key}".encode(), digest_size=8).digest()
