"""The one shape of everything that answers SOAP messages, and what passes through it.

A request becomes a call, or a refusal; a backend carries out the call. Implementations of
``Backend`` are in ``gateway.backends``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.contract.operations import Operation
from gateway.errors import FaultError
from gateway.message import Message
from gateway.soap.envelope import Envelope

Begin = Callable[[], Awaitable[None]]
"""Makes it durable that work on a request begins. Raises LeaseLost, QueueUnavailable."""


async def unmarked() -> None:
    """Mark nothing: the request is under no lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An admitted request, with what admission found out about it."""

    message: Message
    """For the backend: without a Security header that the gate has verified."""
    envelope: Envelope
    operation: Operation
    size: int = 0
    """Bytes of the body as it came, unpacked."""
    is_repeatable: bool = False
    """Whether the operation may be carried out twice."""
    begin: Begin = unmarked
    """Awaited before the first byte of an at-most-once operation is sent, so that a request that
    may have been carried out never looks like a new one. Its errors pass through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that was not admitted: why, and what is known about its operation."""

    error: FaultError
    service: str
    operation: str = ""
    """Empty where it was refused before that was known."""
    one_way: bool = False
    is_repeatable: bool = False
    """Whether it is known that the operation may be carried out twice."""


class Endpoint(Protocol):
    """Answers requests in two steps, so that its driver sees each one as it happens."""

    async def admit(self, message: Message, begin: Begin = unmarked) -> Call | Refusal:
        """Find a request's operation, and whether it is allowed; nothing is carried out yet.

        ``begin`` becomes the call's. Raises TransientError where that cannot be decided now.
        """
        ...

    async def answer(self, call: Call) -> Message | None:
        """Answer a call that was admitted here; None where its operation is one-way.

        Raises FaultError and its kinds (a fault for the caller), TransientError (it may be tried
        again), and the errors of ``call.begin``.
        """
        ...


class Backend(Protocol):
    """Carries out calls: in this process, or on a server in the private network."""

    async def invoke(self, call: Call) -> Message | None:
        """Carry out a call; return its reply, a fault included, or None for a one-way operation.

        Raises Unreached (certainly nothing was sent), Unanswered (something was, but no answer
        came), BackendFailed (an answer that is not a SOAP reply).
        """
        ...

    async def aclose(self) -> None:
        """Release the backend's resources."""
        ...
