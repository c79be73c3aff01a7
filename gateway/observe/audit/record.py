"""Which events are recorded in the audit log, when, and with what content."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator

from gateway.errors import QueueUnavailable
from gateway.message import Message, digest
from gateway.observe.audit.chain import Values, Write, nowhere
from gateway.observe.audit.tally import Tally
from gateway.observe.events import (
    CallRefused,
    ConnectionEnded,
    Events,
    Outcome,
    RequestLost,
    RequestPutAside,
    RequestSettled,
    Subject,
)
from gateway.queue import reason_code

log = logging.getLogger(__name__)

LONGEST_NAME = 64
"""Characters of a service's name in a line, at most: a caller may make up a name of thousands."""
CALLS = "calls"
"""Calls of strangers beyond those that have lines."""


@contextlib.asynccontextmanager
async def recorded(events: Events, write: Write) -> AsyncIterator[None]:
    """Record events in the audit log, until the block ends.

    A request is recorded before it is settled, or put aside by its queue. The listener's refusals
    stand even if they cannot be recorded; those of strangers, who may send any number, have a
    limited number of lines, and are counted beyond that.
    """
    if write is nowhere:
        yield
        return
    tally = Tally(write)

    def refused(event: CallRefused) -> None:
        if event.is_strangers and not tally.take_line():
            tally.note(CALLS, event.peer)
            return
        try:
            write(_of_call(event))
        except QueueUnavailable as error:
            log.error("a refusal is not in the audit log: %s", error)

    events.subscribe(RequestSettled, lambda event: write(_of_settled(event)), first=True)
    events.subscribe(RequestLost, lambda event: _write_lost(write, event), first=True)
    events.subscribe(RequestPutAside, lambda event: write(_of_put_aside(event)), first=True)
    events.subscribe(CallRefused, refused)
    events.subscribe(ConnectionEnded, lambda event: tally.note(str(event.trouble), event.peer))
    keeping = asyncio.create_task(tally.keep())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        tally.write()


def _of_settled(event: RequestSettled) -> Values:
    code = reason_code(event.reason) if event.reason else ""
    return _of_request(event.subject, event.outcome, code, event.at)


def _write_lost(write: Write, event: RequestLost) -> None:
    """Record that a settled line was not stored after all."""
    if event.was_settled:
        write(_of_request(event.subject, Outcome.LOST, "", event.at))


def _of_put_aside(event: RequestPutAside) -> Values:
    service = getattr(event.message, "target_service", "")
    subject = Subject(event.message, 0, 0.0, service)
    return _of_request(subject, Outcome.QUARANTINED, reason_code(event.reason), 0.0)


def _of_request(subject: Subject, outcome: Outcome, code: str, at: float) -> Values:
    """Return the line of a request: names, size, hash and outcome, but none of its content."""
    message = subject.message
    read = message if isinstance(message, Message) else None
    return {
        "event": "settled",
        "client": message.sender,
        "service": subject.service,
        "operation": subject.operation,
        "id": message.id,
        "size": len(read.body) if read else None,
        "sha256": digest(read).hex() if read else None,
        "verdict": str(outcome),
        "code": code,
        "attempts": subject.attempt,
        "ms": round(1000 * (at - subject.received), 1),
    }


def _of_call(event: CallRefused) -> Values:
    hash = None if event.body is None else hashlib.sha256(event.body).hexdigest()
    return {
        "event": "refused",
        "client": event.client,
        "service": event.service[:LONGEST_NAME],
        "operation": event.operation,
        "id": event.message.id,
        "size": event.size,
        "sha256": hash,
        "verdict": str(Outcome.REFUSED),
        "code": event.error.reason_code if event.error else f"HTTP {event.status}",
        "attempts": 1,
        "ms": round(1000 * (event.at - event.began), 1),
    }
