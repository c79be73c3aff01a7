"""Claim records: what a ledger holds for each request, and what follows from it.

A request has one record, which is first the claim of the gateway at work on it, then its reply.
Each write is conditional: on the record's absence, or on the version that the holder wrote last.
So of two gateways that believe they hold a request, one fails, and at most one answer is stored.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.message import Message, Unreadable, digest
from gateway.queue import LEASE

Name = tuple[str, str]
"""Sender and id: together they name a request."""
Version = str
"""Version of a record, opaque: it changes with each write. An ETag of S3 is one."""

LONGEST_DELAY = 3600.0
"""Seconds, at most, for which a released request is left alone."""
MARGIN = 1.0
"""Seconds beyond its lease for which another's claim must not have changed."""


class Untold(Exception):
    """A request is answered, but its reply cannot be delivered; the text tells the operator why."""


class ClaimState(StrEnum):
    """What a record holds: a claim, a released claim, a reply, or the end of a one-way call."""

    CLAIMED = "claimed"
    RELEASED = "released"
    DONE = "done"
    NONE = "none"


FINAL = (ClaimState.DONE, ClaimState.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The claim of a delivery on a request: its token, its lease in seconds, its attempt."""

    token: str
    lease: float
    attempt: int
    digest: str = ""
    """SHA-256 of the request, in hexadecimal; empty before it was read."""
    interrupted: bool = False
    """An earlier delivery may have reached the backend; that stays true after a release."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """To be written: work begins, or goes on."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Released:
    """To be written: the claim is released, and nobody may take it before that time."""

    claim: Claim
    not_before: float = 0.0
    """Seconds since the epoch by the ledger's clock."""


@dataclass(frozen=True, slots=True)
class Settled:
    """To be written: the answer, which is final, and why the request is put aside, if it is."""

    claim: Claim
    request: Message | Unreadable
    reply: Message | None
    quarantined: str = ""


Writing = Claimed | Released | Settled


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRecord:
    """A record as it was read."""

    state: ClaimState
    version: Version
    token: str = ""
    digest: str = ""
    lease: float = LEASE
    """Seconds for which it holds; a record that is not ours counts as a claim of usual length."""
    attempt: int = 1
    not_before: float = 0.0
    """Of a released claim: seconds since the epoch by the ledger's clock."""
    interrupted: bool = False
    reply: Message | None = None
    """The reply; where it is larger than the limit, a fault that says so."""
    is_cut: bool = False
    """The reply is larger than the limit."""
    quarantined: str = ""
    """Why its request was put aside; empty where it was not."""

    @property
    def is_final(self) -> bool:
        return self.state in FINAL


class Ledger(Protocol):
    """Where requests are claimed and answered: a store with compare-and-set writes."""

    remembers: bool
    """Whether ``look`` finds what was written: if not, two gateways may both succeed."""

    async def look(self, name: Name) -> ClaimRecord | None:
        """Return the record of a request; None where there is none. Raises QueueUnavailable."""
        ...

    async def write(self, name: Name, new: Writing, over: Version | None) -> Version:
        """Write the record of a request; return its version, for the next write's ``over``.

        With ``over`` None it is created if absent; else it is replaced if it has that version.
        Raises LeaseLost (another was first, and nothing was written), QueueUnavailable (the next
        write finds what this one may have left), Untold (it is answered, but its reply can never
        be stored).
        """
        ...


class NoLedger:
    """The ledger of messages that nobody waits for: putting them aside twice does no harm."""

    remembers = False

    async def look(self, name: Name) -> ClaimRecord | None:
        return None

    async def write(self, name: Name, new: Writing, over: Version | None) -> Version:
        """Keep nothing."""
        return ""


@dataclass(frozen=True, slots=True)
class Claimable:
    """What the record of a request means for the next claim, and when that may be made.

    No other clock is believed: the record must not have changed for ``delay`` by one's own.
    """

    version: Version
    attempt: int
    """The last one that counts."""
    interrupted: bool = False
    """The request may have reached the backend."""
    delay: float = 0.0
    """Seconds, from when the record was first seen like this."""
    is_claim: bool = False
    """Another holds it, and may give it back before."""


def claimable(record: ClaimRecord, now: float) -> Claimable:
    """Return what an open record means for the next claim; ``now`` is by the ledger's clock."""
    if record.state is ClaimState.RELEASED:
        delay = min(max(0.0, record.not_before - now), LONGEST_DELAY)
        return Claimable(record.version, record.attempt, record.interrupted, delay)
    # A claim also marks the beginning of work: the next holder cannot know better.
    delay = record.lease + MARGIN
    return Claimable(record.version, record.attempt, interrupted=True, delay=delay, is_claim=True)


def new_token() -> str:
    """Return a unique name for a delivery."""
    return secrets.token_hex(12)


def request_digest(message: Message | Unreadable) -> str:
    """Return the SHA-256 of a request's body; empty for an unreadable one."""
    return digest(message).hex() if isinstance(message, Message) else ""
