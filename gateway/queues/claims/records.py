"""Claim records: what a ledger holds of each request, and what is concluded from it.

A request has one record, which is first the claim of whoever works on it, then its reply. Each
write of it is conditional: on its absence, or on the version that the holder wrote last. So of two
who believe that they hold a request, one fails, and at most one answer is ever stored.
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
"""Of a record, opaque: it changes with each write. An ETag of S3 is one."""

LONGEST_DELAY = 3600.0
"""Seconds for which a request that was given back is left alone, at most."""
MARGIN = 1.0
"""Seconds longer than its lease that the claim of another must have stood still."""


class Untold(Exception):
    """A request is answered, and nobody takes its reply; the text is why, for its operator."""


class ClaimState(StrEnum):
    """What a record holds: a claim, one given back, a reply, or the end of a one-way call."""

    CLAIMED = "claimed"
    RELEASED = "released"
    DONE = "done"
    NONE = "none"


FINAL = (ClaimState.DONE, ClaimState.NONE)


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


@dataclass(frozen=True, slots=True)
class Claimed:
    """To be written: work begins, or goes on."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Released:
    """To be written: the claim is given back, and nobody is to take it before that time."""

    claim: Claim
    not_before: float = 0.0
    """Seconds since the epoch by the ledger's clock."""


@dataclass(frozen=True, slots=True)
class Settled:
    """To be written: the answer, which stands for ever; and why the request is put aside, if so."""

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
    """Seconds for which it holds; what is no claim of ours counts as one, for as long as usual."""
    attempt: int = 1
    not_before: float = 0.0
    """Of one given back: seconds since the epoch by the ledger's clock."""
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


class Ledger(Protocol):
    """Where requests are claimed and answered: a store that compares before it writes."""

    remembers: bool
    """Whether what was written is found by ``look``: else nothing is promised of two who try."""

    async def look(self, name: Name) -> ClaimRecord | None:
        """Return what is known of a request; None for nothing. Raises QueueUnavailable."""
        ...

    async def write(self, name: Name, new: Writing, over: Version | None) -> Version:
        """Write the record of a request; return the version that the next write names as ``over``.

        Where ``over`` is None, it is created if it is absent; else it is replaced if its version is
        that one. Raises LeaseLost (another was first, and nothing was written), QueueUnavailable
        (the next write finds what this one may have left), Untold (it is answered, and its reply
        can never be stored).
        """
        ...


class NoLedger:
    """The ledger of what nobody waits for: others may find it too, and twice aside is once."""

    remembers = False

    async def look(self, name: Name) -> ClaimRecord | None:
        return None

    async def write(self, name: Name, new: Writing, over: Version | None) -> Version:
        """Keep nothing."""
        return ""


@dataclass(frozen=True, slots=True)
class Claimable:
    """What a record leaves to whoever claims the request next, and when.

    Nobody else's clock is believed: the record must have stood still for so long by one's own.
    """

    version: Version
    attempt: int
    """The last one that counts."""
    interrupted: bool = False
    """Whoever claims it takes what may have reached the backend."""
    delay: float = 0.0
    """Seconds, from when the record was first seen like this."""
    is_claim: bool = False
    """Another holds it, and may give it back before."""


def claimable(record: ClaimRecord, now: float) -> Claimable:
    """Return what the record of a request that is not answered leaves; ``now`` is the ledger's."""
    if record.state is ClaimState.RELEASED:
        delay = min(max(0.0, record.not_before - now), LONGEST_DELAY)
        return Claimable(record.version, record.attempt, record.interrupted, delay)
    # A claim is the mark of a beginning, too: who takes it over cannot know better.
    delay = record.lease + MARGIN
    return Claimable(record.version, record.attempt, interrupted=True, delay=delay, is_claim=True)


def new_token() -> str:
    """Return a name for a delivery that no other has."""
    return secrets.token_hex(12)


def request_digest(message: Message | Unreadable) -> str:
    """Return the SHA-256 of a request's body; empty for what cannot be read."""
    return digest(message).hex() if isinstance(message, Message) else ""
