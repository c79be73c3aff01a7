"""The one shape of everything that answers a SOAP message, and the router over several of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar

from gateway.errors import Refused
from gateway.message import Message
from gateway.reasons import Check

Endpoint = Callable[[Message], Awaitable[Message | None]]
"""Answers a request; None where the operation is one-way and has no reply."""


async def _nothing() -> None:
    """What an endpoint that is not driven by a queue has to do before an effect."""


before_effect: ContextVar[Callable[[], Awaitable[None]]] = ContextVar(
    "before_effect", default=_nothing
)
"""What whoever carries out an at-most-once operation awaits before the first byte leaves.

The driver sets it, in its own task: the gateway makes the lease durable there, so that a request
that may have been carried out can never look like a fresh one. Whatever it raises passes through.
"""


def _nobody(service: str, operation: str) -> None:
    """What is told where nobody keeps a record."""


admitted: ContextVar[Callable[[str, str], None]] = ContextVar("admitted", default=_nobody)
"""Who is told the service and the operation of a request, as soon as both are known, or it is
refused (then the operation may be empty).

The driver sets it, in its own task, for the record that it keeps of each request.
"""


class Router:
    """An endpoint that hands each request to the one that its target service names."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = dict(endpoints)

    async def __call__(self, message: Message) -> Message | None:
        endpoint = self._endpoints.get(message.target_service)
        if endpoint is None and not message.target_service and len(self._endpoints) == 1:
            (endpoint,) = self._endpoints.values()
        if endpoint is None:
            raise Refused("No service of that name is served here.", check=Check.SERVICE)
        return await endpoint(message)
