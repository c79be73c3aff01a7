"""The decision table: from the reply or error of a request to a verdict."""

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
"""Seconds for which a request is given back, at most, so that recovery is noticed soon."""

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
    """The request goes into quarantine; its caller gets the reply, if there is one."""

    reason: str
    reply: Message | None


Verdict = Completed | Retry | Rejected


def unreadable(message: Unreadable) -> Rejected:
    """The verdict on an unreadable entry; its sender gets a fault, if the sender is known.

    Its SOAP version is unknown: the fault is in SOAP 1.1.
    """
    refusal = Refused(f"The request cannot be read: {message.reason}.")
    request = Message(body=b"", content_type="text/xml", id=message.id)
    reply = fault(refusal, request) if message.sender else None
    return Rejected(f"unreadable: {message.reason}", reply)


def failed(
    error: TransientError,
    message: Message,
    attempt: int,
    attempts: int,
    longest: float = LONGEST_DELAY,
) -> Verdict:
    """The verdict on a request whose backend did not answer, or was not asked.

    It is delivered for the ``attempt``th time, of ``attempts``: only deliveries count that reached
    a backend, or in which the gateway died. It goes back for ``longest`` seconds at most.
    """
    if isinstance(error, Unreached | Declined | Unchecked):
        # The backend took nothing, so it does not count: the request waits until it expires.
        return Retry(_jittered(max(1.0, error.retry_after or 0.0), longest), counts=False)
    if attempt < attempts:
        return Retry(_jittered(max(2.0**attempt, error.retry_after or 0.0), longest))
    return rejected(FaultError(EXHAUSTED), message)


def refused(error: FaultError, message: Message, is_repeatable: bool) -> Rejected:
    """The verdict on a request that was not carried out this time.

    A refusal now does not prove that an earlier, interrupted delivery was refused as well.
    """
    if message.interrupted and isinstance(error, Refused) and not is_repeatable:
        error = OutcomeUnknown(UNKNOWN, reason=f"{INTERRUPTED}; now {_told(error)}")
    return rejected(error, message)


def rejected(error: FaultError, message: Message) -> Rejected:
    """The verdict with a fault; also for a one-way call: its caller may collect the fault."""
    return Rejected(_told(error), fault(error, message))


def _jittered(delay: float, longest: float) -> float:
    """Return about that delay, so that requests that failed together do not return together."""
    return min(delay, longest) * random.uniform(0.5, 1.0)  # noqa: S311  # no secret


def _told(error: FaultError) -> str:
    # Only our own causes are quoted: a library's text may quote the message, or name a host.
    cause = error.__cause__ if isinstance(error.__cause__, GatewayError) else ""
    return told(error, error.reason or str(cause))
