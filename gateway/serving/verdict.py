"""What becomes of a request: the decision table, from how its answering went to a verdict."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.endpoint import Endpoint, before_effect
from gateway.errors import (
    INTERNAL,
    Declined,
    FaultError,
    GatewayError,
    LeaseLost,
    LeftAlone,
    OutcomeUnknown,
    QueueUnavailable,
    Refused,
    TransientError,
    Unchecked,
    Unreached,
    told,
)
from gateway.message import Message, Unreadable
from gateway.queue import Delivery
from gateway.soap.envelope import fault

log = logging.getLogger(__name__)

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
class Answer:
    """The request is answered; None: it was one-way."""

    reply: Message | None


@dataclass(frozen=True, slots=True)
class Retry:
    """The request goes back for ``delay`` seconds."""

    delay: float
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The request is kept aside; its caller gets the reply, if there is one."""

    reason: str
    reply: Message | None


Verdict = Answer | Retry | Quarantine


class Judge:
    """Has deliveries answered by an endpoint, and says what is to become of each.

    ``attempts`` is how often a request may be delivered, of the times that it reached a backend or
    that its gateway died.
    """

    def __init__(self, endpoint: Endpoint, attempts: int) -> None:
        self._endpoint = endpoint
        self._attempts = attempts

    async def judge(
        self, delivery: Delivery, begin: Callable[[], Awaitable[None]], service: Callable[[], str]
    ) -> Verdict:
        """Return the verdict; ``begin`` is what to await before an at-most-once operation, and
        before any where another may begin it too. ``service`` returns the name of the request's
        service, which the request need not know.

        Raises LeaseLost, and nothing else.
        """
        message = delivery.message
        if isinstance(message, Unreadable):
            return _unreadable(message)
        before_effect.set(begin)
        try:
            if delivery.is_contested:
                await begin()
            return Answer(await self._answer(delivery.attempt, message, service))
        except LeaseLost:
            raise
        except TransientError as error:
            _log_failure(message, service(), error)
            return self._again(error, delivery.attempt, message)
        except FaultError as error:
            return _refusal(_doubted(error, message), message)
        except QueueUnavailable as error:
            log.warning("%s %s; given back", message.id, error)
            return Retry(1.0, counts=False)
        except Exception:  # a bug: this request ends here, and the loop goes on with others
            log.exception("%s failed in the gateway", message.id)
            return _refusal(FaultError(INTERNAL), message)

    async def _answer(
        self, attempt: int, message: Message, service: Callable[[], str]
    ) -> Message | None:
        if attempt > self._attempts:
            # It may be what kills the process: then nothing but its count ever tells.
            raise FaultError(TOO_OFTEN)
        began = time.monotonic()
        reply = await self._endpoint(message)
        took = 1000 * (time.monotonic() - began)
        log.info("%s %s answered in %.1f ms", message.id, service(), took)
        return reply

    def _again(self, error: TransientError, attempt: int, message: Message) -> Verdict:
        """Decide on a request whose backend did not answer, or was not asked."""
        if isinstance(error, Unreached | Declined | Unchecked):
            # Nothing was taken, so nothing counts: the request waits until it expires.
            return Retry(_jittered(max(1.0, error.retry_after or 0.0)), counts=False)
        if attempt < self._attempts:
            return Retry(_jittered(max(2.0**attempt, error.retry_after or 0.0)))
        return _refusal(FaultError(EXHAUSTED), message)


def _log_failure(message: Message, service: str, error: TransientError) -> None:
    level = logging.DEBUG if isinstance(error, LeftAlone) else logging.WARNING
    log.log(level, "%s %s: %s", message.id, service, error)


def _unreadable(message: Unreadable) -> Quarantine:
    """Return the end of a request that is none; its caller is told, where it is known who sent it.

    Nobody knows its SOAP version: the fault is one of SOAP 1.1.
    """
    refusal = Refused(f"The request cannot be read: {message.reason}.")
    request = Message(body=b"", content_type="text/xml", id=message.id)
    reply = fault(refusal, request) if message.sender else None
    return Quarantine(f"unreadable: {message.reason}", reply)


def _jittered(delay: float) -> float:
    """Return about that delay, so that those who failed together do not come back together."""
    return min(delay, LONGEST_DELAY) * random.uniform(0.5, 1.0)  # noqa: S311  # no secret


def _doubted(error: FaultError, message: Message) -> FaultError:
    """Return what a request ends with: that it is refused now does not prove that it was before."""
    if not (message.interrupted and isinstance(error, Refused)) or error.is_repeatable:
        return error
    return OutcomeUnknown(UNKNOWN, reason=f"{INTERRUPTED}; now {_told(error)}")


def _refusal(error: FaultError, message: Message) -> Quarantine:
    """Return the end of a request with a fault; of a one-way call, too: whoever asks is told."""
    return Quarantine(_told(error), fault(error, message))


def _told(error: FaultError) -> str:
    # Of causes, only our own speak: a library's may quote the message, or name a host.
    cause = error.__cause__ if isinstance(error.__cause__, GatewayError) else ""
    return told(error, error.reason or str(cause))
