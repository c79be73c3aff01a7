"""The one shape of everything that answers SOAP messages."""

from __future__ import annotations

from typing import Protocol

from gateway.backend import Begin, Call, Refusal, unmarked
from gateway.message import Message


class Endpoint(Protocol):
    """Answers requests in two steps, so that its driver knows of each as soon as it is taken."""

    async def admit(self, message: Message, begin: Begin = unmarked) -> Call | Refusal:
        """Find out what a request asks for, and whether it may; nothing is carried out yet.

        ``begin`` becomes the call's. Raises TransientError where that cannot be known now.
        """
        ...

    async def answer(self, call: Call) -> Message | None:
        """Answer a call that was admitted here; None where its operation is one-way.

        Raises FaultError and its kinds (a fault for the caller), TransientError (it may be tried
        again), and what ``call.begin`` raises.
        """
        ...
