"""The reply objects of a queue bucket: each is first the claim of its request, then its reply.

Whoever works on a request holds its register. Each write of it is conditional: on its absence, or
on the ETag that the holder wrote last. So of two who believe that they hold it, one fails, and at
most one answer is ever stored. The body of a claim has a fresh nonce each time, since an ETag
covers the body alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import secrets
import time
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.errors import (
    BackendFailed,
    LeaseLost,
    QueueUnavailable,
    Refused,
    Unsure,
)
from gateway.message import Message, Unreadable
from gateway.queues.aws.http import ATTEMPTS, pause
from gateway.queues.bucket.layout import (
    Keys,
    Name,
    encoded,
    from_object,
    object_type,
    to_metadata,
)
from gateway.queues.bucket.store import (
    SMALL,
    Condition,
    Forbidden,
    IfAbsent,
    IfMatch,
    Occupied,
    S3Store,
    Stored,
    Unauthenticated,
)
from gateway.queues.patience import Patience, sparse
from gateway.soap.envelope import fault

log = logging.getLogger(__name__)

STATE = "gateway-state"
TOKEN = "gateway-token"  # noqa: S105  # names a delivery, and is no secret
DIGEST = "gateway-request-sha256"
QUARANTINED = "gateway-quarantined"
REASON_LIMIT = 256
LEASE = 30.0
"""Seconds for which what is no claim of ours counts as one."""
LONGEST_LEASE = 3600.0
"""What is believed of a claim: others write there too, and a claim must come to an end."""
LONGEST_DELAY = 3600.0
"""Seconds for which a request that was given back is left alone, at most."""
MOST_ATTEMPTS = 1 << 20
TOO_MUCH = "The reply's properties are longer than the queue can carry."
TOO_LARGE = "The reply is larger than what is read here: limits.reply has to be raised for it."


class RegisterState(StrEnum):
    """What a register holds: a claim, one given back, a reply, or the end of a one-way call."""

    CLAIMED = "claimed"
    RELEASED = "released"
    DONE = "done"
    NONE = "none"


FINAL = (RegisterState.DONE, RegisterState.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who holds a request: a token of the delivery, for how long (seconds), which attempt."""

    token: str
    lease: float
    attempt: int
    digest: str = ""
    """SHA-256 of the request, in hexadecimal; empty where it was not read yet."""
    interrupted: bool = False
    """An earlier delivery may have reached the backend; given back or not, that stays true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A register as it was read."""

    state: RegisterState
    etag: str
    token: str = ""
    digest: str = ""
    lease: float = LEASE
    attempt: int = 1
    not_before: float = 0.0
    """Of one given back: seconds since the epoch by the store's clock."""
    interrupted: bool = False
    reply: Message | None = None
    """What was answered; a fault that says so where that is larger than what is read."""
    is_cut: bool = False
    """The reply is larger than what is read."""
    quarantined: str = ""
    """Why its request was put aside; empty where it was not."""

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    def delay(self, now: float) -> float:
        """Return in how many seconds one that was given back may be claimed."""
        return min(max(0.0, self.not_before - now), LONGEST_DELAY)


def new_token() -> str:
    """Return a name for a delivery that no other has."""
    return secrets.token_hex(12)


class Registers:
    """Reads and writes the registers of a bucket; a write that may have worked is read back.

    ``limit`` is the largest reply that is read, in bytes: who asks for states alone reads none.
    """

    remembers = True

    def __init__(self, store: S3Store, keys: Keys, limit: int = SMALL) -> None:
        self._store = store
        self._keys = keys
        self._limit = max(limit, SMALL)
        self._patience = Patience()

    async def look(self, name: Name) -> Register | None:
        """Read a register; None where there is none. Raises Forbidden, QueueUnavailable."""
        stored = await self._store.get(self._keys.reply(name), self._limit)
        return None if stored is None else _register(stored, name)

    async def claim(self, name: Name, claim: Claim, over: str | None) -> str:
        """Claim a request, or renew a claim; return the ETag that the next write names.

        ``over`` is the ETag of what is overwritten; None where there must be nothing. Raises
        LeaseLost where another has it, QueueUnavailable.
        """
        return await self._write(name, claim, RegisterState.CLAIMED, 0.0, over)

    async def release(self, name: Name, claim: Claim, over: str, not_before: float) -> str:
        """Give a claim back; nobody takes it before that time. Raises as ``claim`` does."""
        return await self._write(name, claim, RegisterState.RELEASED, not_before, over)

    async def _write(
        self, name: Name, claim: Claim, state: RegisterState, not_before: float, over: str | None
    ) -> str:
        values = {
            "state": state,
            "token": claim.token,
            "nonce": secrets.token_hex(8),
            "lease": claim.lease,
            "attempt": claim.attempt,
            "not-before": not_before,
            "interrupted": claim.interrupted,
        }
        metadata = {STATE: str(state), TOKEN: claim.token, DIGEST: claim.digest}
        body = Stored(json.dumps(values).encode(), "", metadata, "application/json")
        return await self._put(name, body, over)

    async def settle(
        self,
        name: Name,
        claim: Claim,
        reply: Message | None,
        over: str | None,
        quarantined: str = "",
    ) -> None:
        """Store the reply: of all who try, one is the first, for ever.

        Raises LeaseLost where it was another, QueueUnavailable.
        """
        state = RegisterState.NONE if reply is None else RegisterState.DONE
        metadata = {
            **({} if reply is None else to_metadata(reply)),
            STATE: str(state),
            TOKEN: claim.token,
            DIGEST: claim.digest,
        }
        if quarantined:
            metadata[QUARANTINED] = encoded(quarantined)[:REASON_LIMIT]
        content_type = object_type(reply.content_type) if reply else "application/octet-stream"
        body = b"" if reply is None else reply.body
        await self._put(name, Stored(body, "", metadata, content_type), over)

    async def _put(self, name: Name, new: Stored, over: str | None) -> str:
        """Write until it is certain what became of it. Raises LeaseLost, QueueUnavailable.

        Whoever gives up in between loses nothing: the next write finds what this one has left.
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
        """Return what is stored, if this delivery wrote it."""
        found = await self._store.get(self._keys.reply(name), len(new.body))
        is_own = found is not None and found.metadata.get(TOKEN) == new.metadata[TOKEN]
        return found if is_own else None

    async def collect(
        self, name: Name, wait: float, *, may_be_none: bool = False
    ) -> Register | None:
        """Return a register, waiting up to ``wait`` seconds for it to become final.

        A store that cannot be read meanwhile is asked again, but not by whoever it does not know
        (Unauthenticated): that cannot become right by waiting. Where there ``may_be_none`` of that
        name, ever, it is looked for rarely: each look costs. Raises QueueUnavailable.
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

    async def _look_as_client(self, name: Name, *, is_last: bool) -> Register | None:
        """Look as one who may not list: then a missing reply is a forbidden one."""
        try:
            return await self.look(name)
        except Forbidden:
            return None
        except Unauthenticated:
            raise
        except QueueUnavailable:
            if is_last:
                raise
            return None


def _is_same(found: Stored, new: Stored) -> bool:
    """Tell whether it is this very write: each claim has a nonce, and there is one answer."""
    is_whole = not found.is_cut and found.body == new.body
    return is_whole and found.metadata.get(STATE) == new.metadata[STATE]


def _not_lost(own: Stored | None) -> Stored:
    if own is None:
        raise LeaseLost("another has the request, or answered it")
    return own


def _over(own: Stored) -> Condition:
    """Return how to write over what this delivery wrote before; an answer is for ever."""
    if own.metadata.get(STATE) in FINAL:
        raise LeaseLost("it is answered: the first answer stands")
    return IfMatch(own.etag)


def _register(stored: Stored, name: Name) -> Register:
    """Return what a register says. What is no register of ours counts as a claim: it is in use."""
    metadata = stored.metadata
    state = metadata.get(STATE, "")
    common = Register(
        state=RegisterState.CLAIMED,
        etag=stored.etag,
        token=metadata.get(TOKEN, ""),
        digest=metadata.get(DIGEST, ""),
        quarantined=metadata.get(QUARANTINED, ""),
        interrupted=True,  # unless it can be read that it is not
    )
    match state:
        case RegisterState.DONE:
            reply = _reply(stored, name)
            return replace(common, state=RegisterState.DONE, reply=reply, is_cut=stored.is_cut)
        case RegisterState.NONE:
            return replace(common, state=RegisterState.NONE)
        case RegisterState.CLAIMED | RegisterState.RELEASED:
            return _claimed(common, RegisterState(state), stored.body)
    return common


def _claimed(common: Register, state: RegisterState, body: bytes) -> Register:
    """Return what a claim says, or one given back; what says nothing sensible is a claim."""
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
    # Its properties are those that a fault has of its request.
    return fault(BackendFailed(TOO_LARGE), reply) if stored.is_cut else reply


def storable(reply: Message | None, request: Message) -> Message | None:
    """Return a reply that a register can hold; a fault where its properties are too long."""
    if reply is None:
        return None
    try:
        to_metadata(reply)
    except Refused:
        return fault(BackendFailed(TOO_MUCH), request)
    return reply
