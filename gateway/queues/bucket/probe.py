"""Probing whether a store honours the conditions of writes: the promises rest on them."""

from __future__ import annotations

import asyncio
import contextlib
import secrets

from gateway.errors import QueueBroken, QueueUnavailable, Unsure
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.store import Condition, IfAbsent, IfMatch, Occupied, S3Store

ROUNDS = 3
RACERS = 4
IGNORED = (
    "this store does not keep the conditions of writes (If-None-Match, If-Match), so two gateways "
    "could carry out one request: use a store that has them (AWS S3, MinIO, Ceph 16 or later)"
)


async def check_conditions(store: S3Store, keys: Keys) -> None:
    """Race several writes of one object under each condition: at most one may succeed.

    Raises QueueBroken where the store cannot be used, QueueUnavailable.
    """
    key = f"{keys.gateways}probe-{secrets.token_hex(8)}"
    try:
        for _ in range(ROUNDS):
            await _one_at_most(store, key, IfAbsent())
            held = await store.get(key)
            if held is not None and await _one_at_most(store, key, IfMatch(held.etag)):
                await _none(store, key, IfMatch(held.etag))
                await _none(store, key, IfAbsent())
            await store.delete(key)
    finally:
        with contextlib.suppress(QueueUnavailable):
            await store.delete(key)


async def _one_at_most(store: S3Store, key: str, condition: Condition) -> bool:
    """Race for a write; tell whether it is certain that one has won."""
    written = await asyncio.gather(*(_write(store, key, condition) for _ in range(RACERS)))
    if sum(written) > 1:
        raise QueueBroken(IGNORED)
    return any(written)


async def _none(store: S3Store, key: str, condition: Condition) -> None:
    if await _write(store, key, condition):
        raise QueueBroken(IGNORED)


async def _write(store: S3Store, key: str, condition: Condition) -> bool:
    """Write new bytes; tell whether the store says that it did."""
    try:
        await store.put(key, secrets.token_hex(16).encode(), only=condition)
    except (Occupied, Unsure):  # Ceph answers 500 to some losers of a race
        return False
    return True
