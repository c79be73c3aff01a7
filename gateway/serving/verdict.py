"""What becomes of a request: the decision table, from how its answering went to a verdict."""

from __future__ import annotations

import random
from dataclasses import dataclass

from gateway.errors import (
    Declined,
    FaultError,
    GatewayError,
    OutcomeUnknown,
    Refused,
    TransientError,
    Unchecked,
    Unreached,
    told,
)
from gateway.message import Message, Unreadable
from gateway.soap.envelope import fault

LONGEST_DELAY = 30.0
"""Seconds that a request is given back for, at most: what is healed is noticed that soon."""

EXHAUSTED = "The service behind the gateway did not answer, however often it was asked."
TOO_OFTEN = "The request was delivered too often without an answer."
UNKNOWN = (
    "The operation may have been carried out, or not: its answer was lost, and it is not repeated"
    " by itself. Find out before you send it again."
)
INTERRUPTED = "its gateway ended while it was under way"


@dataclass(frozen=True, slots=True)
class Completed:
    """The request is answered; None: it was one-way."""

    reply: Message | None


@dataclass(frozen=True, slots=True)
class Retry:
    """The request goes back for ``delay`` seconds."""

    delay: float
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request is kept aside; its caller gets the reply, if there is one."""

    reason: str
    reply: Message | None


Verdict = Completed | Retry | Rejected


def unreadable(message: Unreadable) -> Rejected:
    """The end of a request that is none; its caller is told, where it is known who sent it.

    Nobody knows its SOAP version: the fault is one of SOAP 1.1.
    """
    refusal = Refused(f"The request cannot be read: {message.reason}.")
    request = Message(body=b"", content_type="text/xml", id=message.id)
    reply = fault(refusal, request) if message.sender else None
    return Rejected(f"unreadable: {message.reason}", reply)


def failed(error: TransientError, message: Message, attempt: int, attempts: int) -> Verdict:
    """What becomes of a request whose backend did not answer, or was not asked.

    It is delivered for the ``attempt``th time, of ``attempts``: of those that reached a backend, or
    in which its gateway died.
    """
    if isinstance(error, Unreached | Declined | Unchecked):
        # Nothing was taken, so nothing counts: the request waits until it expires.
        return Retry(_jittered(max(1.0, error.retry_after or 0.0)), counts=False)
    if attempt < attempts:
        return Retry(_jittered(max(2.0**attempt, error.retry_after or 0.0)))
    return rejected(FaultError(EXHAUSTED), message)


def refused(error: FaultError, message: Message, is_repeatable: bool) -> Rejected:
    """The end of a request that was not carried out this time.

    That it is refused now does not prove that it was before, where it may have been begun.
    """
    if message.interrupted and isinstance(error, Refused) and not is_repeatable:
        error = OutcomeUnknown(UNKNOWN, reason=f"{INTERRUPTED}; now {_told(error)}")
    return rejected(error, message)


def rejected(error: FaultError, message: Message) -> Rejected:
    """The end of a request with a fault; of a one-way call, too: whoever asks is told."""
    return Rejected(_told(error), fault(error, message))


def _jittered(delay: float) -> float:
    """Return about that delay, so that those who failed together do not come back together."""
    return min(delay, LONGEST_DELAY) * random.uniform(0.5, 1.0)  # noqa: S311  # no secret


def _told(error: FaultError) -> str:
    # Of causes, only our own speak: a library's may quote the message, or name a host.
    cause = error.__cause__ if isinstance(error.__cause__, GatewayError) else ""
    return told(error, error.reason or str(cause))
