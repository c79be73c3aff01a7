"""How many requests are in a queue bucket: counted in its listings, which cost money."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.queue import QueueStatus
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.ledger import BucketLedger
from gateway.queues.bucket.store import Listed, S3Store
from gateway.queues.claims.records import ClaimRecord, ClaimState

PAGE = 1000
LOOKED_AT = 200
"""Requests, at most, whose records are read to tell who holds them: each is a GET."""
AT_ONCE = 20


async def bucket_status(store: S3Store, keys: Keys) -> QueueStatus:
    """Count the requests of a bucket where the record is the claim.

    A request whose claim has expired counts as in flight until another gateway takes it over. With
    more than LOOKED_AT requests, those in flight are not counted.
    """
    listed, quarantined = await asyncio.gather(
        list_all(store, keys.requests), quarantined_in(store, keys)
    )
    if len(listed) > LOOKED_AT:
        return QueueStatus(
            waiting=len(listed),
            in_flight=None,
            oldest=oldest(store, listed),
            quarantined=quarantined,
        )
    looks = await _records(store, keys, listed)
    # Requests that are answered, but not removed yet, are not work any more.
    open_ones = [one for one, look in zip(listed, looks, strict=True) if not _is_final(look)]
    held = sum(look is not None and look.state is ClaimState.CLAIMED for look in looks)
    return QueueStatus(
        waiting=len(open_ones) - held,
        in_flight=held,
        oldest=oldest(store, open_ones),
        quarantined=quarantined,
    )


async def quarantined_in(store: S3Store, keys: Keys) -> int:
    """Count the entries in quarantine, without the notes, which lie one level deeper."""
    prefix = keys.quarantine("")
    listed = await list_all(store, prefix)
    return sum("/" not in one.key.removeprefix(prefix) for one in listed)


async def list_all(store: S3Store, prefix: str) -> Sequence[Listed]:
    """Return all objects below a prefix. Raises AccessDenied, QueueUnavailable."""
    found: list[Listed] = []
    while True:
        page = await store.list(prefix, after=found[-1].key if found else "", limit=PAGE)
        found += page.found
        if not page.is_cut:
            return found


def oldest(store: S3Store, listed: Sequence[Listed]) -> float | None:
    """Return the age of the oldest request in seconds; None where there is none.

    By the store's dates: an id has the time of its client, or none.
    """
    # All have the same form, so the smallest string is the earliest.
    first = min((one for one in listed if one.modified), key=_modified, default=None)
    if first is None or first.written is None:
        return None
    return max(0.0, store.clock() - first.written)


def _modified(listed: Listed) -> str:
    return listed.modified


async def _records(
    store: S3Store, keys: Keys, listed: Sequence[Listed]
) -> Sequence[ClaimRecord | None]:
    """Read the record of each request, some at a time."""
    ledger = BucketLedger(store, keys)
    turns = asyncio.Semaphore(AT_ONCE)

    async def look(key: str) -> ClaimRecord | None:
        name = keys.name(key)
        if name is None:
            return None  # not a request: the gateway that takes it puts it aside
        async with turns:
            return await ledger.look(name)

    return await asyncio.gather(*(look(one.key) for one in listed))


def _is_final(record: ClaimRecord | None) -> bool:
    return record is not None and record.is_final
