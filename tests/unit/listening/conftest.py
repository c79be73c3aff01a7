"""A listener over a queue in memory, whose calls need no socket."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from wire import Asked, asked

from gateway.admission import EVERYBODY, Gate, Limits, Rights
from gateway.client.remote import Remote, RemoteSettings
from gateway.contract import Contract
from gateway.listening.application import Front, Listener
from gateway.listening.pages import ListedService
from gateway.listening.settings import ListenerSettings
from gateway.observe.events import CallAccepted, CallCollected, CallRefused, Events
from gateway.queues.memory import MemoryQueue

REQUEST, GRACE = 1 << 16, 5.0
"""Bytes, and seconds."""


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def heard(events: Events) -> list[Any]:
    """What is told of calls, in its order."""
    heard: list[Any] = []
    for kind in (CallAccepted, CallCollected, CallRefused):
        events.subscribe(kind, heard.append)
    return heard


@pytest.fixture
async def opened() -> AsyncIterator[Callable[[web.Application], Any]]:
    """Serve applications in memory, until the test ends."""
    async with contextlib.AsyncExitStack() as stack:

        async def serve(application: web.Application, **serving: Any) -> Asked:
            return await stack.enter_async_context(asked(application, **serving))

        yield serve


@pytest.fixture
def listed(warehouse: Contract) -> Callable[..., ListedService]:
    """The warehouse as a service that those with the rights may call."""

    def make(rights: Rights, kind: type[Gate] = Gate) -> ListedService:
        gate = kind(warehouse, Limits(request=REQUEST), rights)
        return ListedService(contract=warehouse, gate=gate)

    return make


@pytest.fixture
def listener(listed: Callable[..., ListedService], events: Events) -> Callable[..., Listener]:
    """Make a listener for a queue; with other settings, and with what stands before the calls."""

    def make(
        queue: MemoryQueue,
        front: Front | None = None,
        *,
        rights: Rights = EVERYBODY,
        gate: type[Gate] = Gate,
        request: int = REQUEST,
        grace: float = GRACE,
        **settings: Any,
    ) -> Listener:
        return Listener(
            Remote(queue, RemoteSettings(wait=30.0, sender="local")),
            {"warehouse": listed(rights, gate)},
            ListenerSettings(**({"bind": "127.0.0.1:0", "wait": 30.0} | settings)),
            front,
            events,
            request=request,
            grace=grace,
        )

    return make
