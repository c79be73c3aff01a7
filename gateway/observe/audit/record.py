"""What is written down of one request, and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from enum import StrEnum

from gateway.message import Message, Unreadable, digest
from gateway.queue import reason_code

Values = Mapping[str, str | int | float | None]
Write = Callable[[Values], None]
"""Writes a line. Raises QueueUnavailable where it cannot: then nothing is to be settled."""


class Outcome(StrEnum):
    """What became of a request."""

    REPLY = "reply"
    FAULT = "fault"
    DONE = "done"
    """One-way: it was carried out, and has no reply."""
    QUARANTINED = "quarantined"
    EXPIRED = "expired"
    REFUSED = "refused"
    """By the listener: no queue has seen it."""
    LOST = "lost"
    """Of the line before it nothing was stored: another gateway has the request."""


def nowhere(values: Values) -> None:
    """Write nothing: there is no audit log."""


class Record:
    """The line of one delivery; made when its work begins."""

    def __init__(self, write: Write, message: Message | Unreadable, attempts: int) -> None:
        self._write = write
        self._message = message
        self._attempts = attempts
        self._began = time.monotonic()
        self.service = getattr(message, "target_service", "")
        """What the request names; once it is admitted, the service that it is for."""
        self._operation = ""
        self._is_written = False

    def admitted(self, service: str, operation: str) -> None:
        """Take note of what a request turned out to ask for."""
        self.service, self._operation = service, operation

    def settle(self, outcome: Outcome, code: str = "") -> None:
        """Write the line, once; before anything is settled. Raises QueueUnavailable."""
        if not self._is_written:
            self._line(outcome, code)
            self._is_written = True

    def lost(self) -> None:
        """Take back what was written, if it was. Raises QueueUnavailable."""
        if self._is_written:
            self._line(Outcome.LOST, "")

    def _line(self, outcome: Outcome, code: str) -> None:
        if self._write is nowhere:
            return
        message = self._message
        self._write(
            {
                "event": "settled",
                **described(message, self.service, self._operation),
                "verdict": str(outcome),
                "code": code,
                "attempts": self._attempts,
                "ms": round(1000 * (time.monotonic() - self._began), 1),
            }
        )


class Aside:
    """Writes the line of a request that a queue puts aside by itself, without a delivery.

    A queue is open before the audit log is, which goes by its clock: until then ``write`` is
    nowhere, and nothing is taken.
    """

    def __init__(self) -> None:
        self.write: Write = nowhere

    def __call__(self, message: Message | Unreadable, reason: str) -> None:
        """Write the line. Raises QueueUnavailable."""
        record = Record(self.write, message, attempts=0)
        record.settle(Outcome.QUARANTINED, reason_code(reason))


def described(message: Message | Unreadable, service: str, operation: str) -> Values:
    """Return which request it is: by names, size and hash, and nothing of its content."""
    values = {"client": message.sender, "service": service, "operation": operation}
    if not isinstance(message, Message):
        return {**values, "id": message.id, "size": None, "sha256": None}
    size, hash = len(message.body), digest(message).hex()
    return {**values, "id": message.id, "size": size, "sha256": hash}
