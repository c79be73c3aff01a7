"""The ledger of a queue bucket: its reply objects, each of which begins as its request's claim.

Versions are ETags. An ETag covers the body alone, so the body of each claim has a fresh nonce.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import secrets
import time
from dataclasses import replace

from gateway.errors import BackendFailed, LeaseLost, QueueUnavailable, Refused, Unsure
from gateway.message import Message, Unreadable
from gateway.queues.aws.http import ATTEMPTS, pause
from gateway.queues.bucket.layout import Keys, encoded, from_object, object_type, to_metadata
from gateway.queues.bucket.store import (
    SMALL,
    AccessDenied,
    Condition,
    IfAbsent,
    IfMatch,
    Occupied,
    S3Store,
    Stored,
    Unauthenticated,
)
from gateway.queues.claims.records import (
    FINAL,
    Claimed,
    ClaimRecord,
    ClaimState,
    Name,
    Released,
    Settled,
    Version,
    Writing,
)
from gateway.queues.polling import Patience, sparse
from gateway.soap.envelope import fault

log = logging.getLogger(__name__)

STATE = "gateway-state"
TOKEN = "gateway-token"  # noqa: S105  # names a delivery, and is no secret
DIGEST = "gateway-request-sha256"
QUARANTINED = "gateway-quarantined"
REASON_LIMIT = 256
LONGEST_LEASE = 3600.0
"""The longest lease that is believed: others write there too, and a claim must come to an end."""
MOST_ATTEMPTS = 1 << 20
TOO_MUCH = "The reply's properties are longer than the queue can carry."
TOO_LARGE = "The reply is larger than what is read here: limits.reply has to be raised for it."


class BucketLedger:
    """Reads and writes the claim records of a bucket; a write in doubt is read back.

    ``limit`` is the largest reply that is read, in bytes; the default is for states alone.
    """

    remembers = True

    def __init__(self, store: S3Store, keys: Keys, limit: int = SMALL) -> None:
        self._store = store
        self._keys = keys
        self._limit = max(limit, SMALL)
        self._patience = Patience()

    async def look(self, name: Name) -> ClaimRecord | None:
        """Read a record; None where there is none. Raises AccessDenied, QueueUnavailable."""
        stored = await self._store.get(self._keys.reply(name), self._limit)
        return None if stored is None else _record(stored, name)

    async def write(self, name: Name, new: Writing, over: Version | None) -> Version:
        stored = _answer(new) if isinstance(new, Settled) else _claim(new)
        return await self._put(name, stored, over)

    async def _put(self, name: Name, new: Stored, over: str | None) -> str:
        """Write until the outcome is certain. Raises LeaseLost, QueueUnavailable.

        Giving up in between loses nothing: the next write finds what this one has left.
        """
        key = self._keys.reply(name)
        condition: Condition = IfAbsent() if over is None else IfMatch(over)
        found: Stored | None
        async with self._store.limits.within():
            for attempt in range(ATTEMPTS):
                try:
                    return await self._store.put(
                        key,
                        new.body,
                        only=condition,
                        metadata=new.metadata,
                        content_type=new.content_type,
                    )
                except Occupied:
                    # Perhaps by an earlier write of this very delivery, whose answer was lost.
                    found = _not_lost(await self._own(name, new))
                except Unsure:
                    await pause(attempt)
                    found = await self._own(name, new)
                if found is not None and _is_same(found, new):
                    return found.etag
                condition = condition if found is None else _over(found)
        raise Unsure("the store did not say whether it took a write")

    async def _own(self, name: Name, new: Stored) -> Stored | None:
        """Return the stored object, if this delivery wrote it."""
        found = await self._store.get(self._keys.reply(name), len(new.body))
        is_own = found is not None and found.metadata.get(TOKEN) == new.metadata[TOKEN]
        return found if is_own else None

    async def collect(
        self, name: Name, wait: float, *, may_be_none: bool = False
    ) -> ClaimRecord | None:
        """Return a record, waiting up to ``wait`` seconds for it to become final.

        A read that fails is repeated, but for Unauthenticated: waiting does not cure that. With
        ``may_be_none`` there may never be such a record, so it is read rarely: each read costs.
        Raises QueueUnavailable.
        """
        began, found = time.monotonic(), None
        delays = sparse(wait) if may_be_none else self._patience.delays(wait)
        for looks, delay in enumerate(delays, 1):
            await asyncio.sleep(delay)
            asked = time.monotonic()
            found = await self._look_as_client(name, is_last=asked - began >= wait)
            self._patience.note_trip(time.monotonic() - asked)
            if found is not None and found.is_final:
                if wait > 0 and not may_be_none:
                    self._patience.note_reply(asked - began, looks)
                if found.is_cut:
                    log.warning("%s has a reply over %d bytes (limits.reply)", name[1], self._limit)
                return found
            if found is not None and may_be_none:
                return await self.collect(name, max(0.0, wait - (asked - began)))
        return found

    async def _look_as_client(self, name: Name, *, is_last: bool) -> ClaimRecord | None:
        """Look without permission to list, where a missing reply is a forbidden one."""
        try:
            return await self.look(name)
        except AccessDenied:
            return None
        except Unauthenticated:
            raise
        except QueueUnavailable:
            if is_last:
                raise
            return None


def _claim(new: Claimed | Released) -> Stored:
    """Return a claim, or a released one, as an object."""
    claim = new.claim
    state = ClaimState.RELEASED if isinstance(new, Released) else ClaimState.CLAIMED
    values = {
        "state": state,
        "token": claim.token,
        "nonce": secrets.token_hex(8),
        "lease": claim.lease,
        "attempt": claim.attempt,
        "not-before": new.not_before if isinstance(new, Released) else 0.0,
        "interrupted": claim.interrupted,
    }
    metadata = {STATE: str(state), TOKEN: claim.token, DIGEST: claim.digest}
    return Stored(json.dumps(values).encode(), "", metadata, "application/json")


def _answer(new: Settled) -> Stored:
    """Return an answer as an object."""
    reply = storable(new.reply, new.request)
    state = ClaimState.NONE if reply is None else ClaimState.DONE
    metadata = {
        **({} if reply is None else to_metadata(reply)),
        STATE: str(state),
        TOKEN: new.claim.token,
        DIGEST: new.claim.digest,
    }
    if new.quarantined:
        metadata[QUARANTINED] = encoded(new.quarantined)[:REASON_LIMIT]
    content_type = object_type(reply.content_type) if reply else "application/octet-stream"
    return Stored(b"" if reply is None else reply.body, "", metadata, content_type)


def _is_same(found: Stored, new: Stored) -> bool:
    """Tell whether it is this very write: each claim has a nonce, and there is one answer."""
    is_whole = not found.is_cut and found.body == new.body
    return is_whole and found.metadata.get(STATE) == new.metadata[STATE]


def _not_lost(own: Stored | None) -> Stored:
    if own is None:
        raise LeaseLost("another has the request, or answered it")
    return own


def _over(own: Stored) -> Condition:
    """Return the condition for replacing this delivery's own write; an answer is final."""
    if own.metadata.get(STATE) in FINAL:
        raise LeaseLost("it is answered: the first answer stands")
    return IfMatch(own.etag)


def _record(stored: Stored, name: Name) -> ClaimRecord:
    """Parse a record. An object that is not ours counts as a claim: it is in use."""
    metadata = stored.metadata
    state = metadata.get(STATE, "")
    common = ClaimRecord(
        state=ClaimState.CLAIMED,
        version=stored.etag,
        token=metadata.get(TOKEN, ""),
        digest=metadata.get(DIGEST, ""),
        quarantined=metadata.get(QUARANTINED, ""),
        interrupted=True,  # unless its body says that it is not
    )
    match state:
        case ClaimState.DONE:
            reply = _reply(stored, name)
            return replace(common, state=ClaimState.DONE, reply=reply, is_cut=stored.is_cut)
        case ClaimState.NONE:
            return replace(common, state=ClaimState.NONE)
        case ClaimState.CLAIMED | ClaimState.RELEASED:
            return _claimed(common, ClaimState(state), stored.body)
    return common


def _claimed(common: ClaimRecord, state: ClaimState, body: bytes) -> ClaimRecord:
    """Parse the body of a claim, released or not; an invalid one counts as a claim."""
    try:
        said = json.loads(body)
        lease, not_before = float(said["lease"]), float(said["not-before"])
        attempt = int(said["attempt"])
        interrupted = said["interrupted"] is not False
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return common
    if not (0 <= lease < math.inf and math.isfinite(not_before) and attempt >= 0):
        return common
    return replace(
        common,
        state=state,
        lease=min(lease, LONGEST_LEASE),
        attempt=min(attempt, MOST_ATTEMPTS),
        not_before=not_before,
        interrupted=interrupted,
    )


def _reply(stored: Stored, name: Name) -> Message:
    reply = from_object(replace(stored, is_cut=False), name)
    if isinstance(reply, Unreadable):
        raise QueueUnavailable(f"the reply to {name[1]} cannot be read: {reply.reason}")
    # The reply has the properties that a fault takes from its request.
    return fault(BackendFailed(TOO_LARGE), reply) if stored.is_cut else reply


def storable(reply: Message | None, request: Message | Unreadable) -> Message | None:
    """Return a reply that a record can hold; a fault where its properties are too long."""
    if reply is None or not isinstance(request, Message):
        return reply
    try:
        to_metadata(reply)
    except Refused:
        return fault(BackendFailed(TOO_MUCH), request)
    return reply
