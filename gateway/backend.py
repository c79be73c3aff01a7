"""What carries an admitted request out. Implementations are in ``gateway.backends``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.contract.operations import Operation
from gateway.message import Message
from gateway.soap.envelope import Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that admission let through, with what was learned about it."""

    message: Message
    envelope: Envelope
    operation: Operation


class Backend(Protocol):
    """Carries out calls: in this process, or on a server in the private network."""

    async def invoke(self, call: Call) -> Message | None:
        """Carry out a call; return its reply, a fault included, or None for a one-way operation.

        Raises Unreached (certainly nothing was sent), Unanswered (something was, and no answer
        came), BackendFailed (an answer that is no SOAP reply).
        """
        ...

    async def aclose(self) -> None:
        """Release what the backend holds open."""
        ...
