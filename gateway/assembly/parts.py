"""Builds each part from the settings: queue, gateway, listener, and the way to the far side."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import AsyncIterator, Mapping

from gateway.admission import Gate, Limits
from gateway.assembly.contracts import Loaded
from gateway.assembly.forwarding import forward_backend
from gateway.backend import Backend
from gateway.binding import by_operation, checked, routed
from gateway.contract import Contract
from gateway.daemon import Gateway, GatewaySettings
from gateway.endpoint import Router
from gateway.errors import ConfigurationError
from gateway.listener import Listener, ListenerSettings
from gateway.listener_pages import Listed
from gateway.queue import Queue
from gateway.queues.address import open_queue
from gateway.queues.options import QueueOptions
from gateway.remote import Remote, RemoteSettings
from gateway.service import Policy, Service
from gateway.settings import Settings


def backend(settings: Settings, name: str, loaded: Loaded) -> Backend:
    """Build what carries a service's calls out. Raises ConfigurationError."""
    return loaded.hosted or forward_backend(settings, name, loaded.contract)


def policy(settings: Settings, name: str, contract: Contract) -> Policy:
    """Build which operations may be repeated. Raises ConfigurationError for an unknown one."""
    table = settings.services[name]
    if table.repeatable is True:
        return Policy(repeatable=None, timeout=table.timeout)
    repeatable = frozenset(table.repeatable or ())
    names = {operation.name for operation in contract.operations}
    for operation in repeatable - names:
        close = difflib.get_close_matches(operation, names, n=1) or sorted(names)[:8]
        raise ConfigurationError(
            f"services.{name}.repeatable: the contract has no operation {operation!r}: "
            f"did you mean {' or '.join(close)}?"
        )
    return Policy(repeatable=repeatable, timeout=table.timeout)


@contextlib.asynccontextmanager
async def gateway(
    settings: Settings, loaded: Mapping[str, Loaded], queue: Queue
) -> AsyncIterator[Gateway]:
    """Build a gateway over every service. Raises ConfigurationError."""
    backends = {name: backend(settings, name, one) for name, one in loaded.items()}
    limits = Limits(request=settings.limits.request)
    services = {
        name: Service(
            Gate(one.contract, limits),
            backends[name],
            policy(settings, name, one.contract),
            queue.clock,
        )
        for name, one in loaded.items()
    }
    find = by_operation({name: one.contract for name, one in loaded.items()})
    endpoint = checked(routed(Router(services), find), limit=settings.limits.request)
    table = settings.gateway.model_dump(exclude={"soapjms"})
    try:
        yield Gateway(queue, endpoint, GatewaySettings(**table))
    finally:
        for one in backends.values():
            await one.aclose()


def listener(settings: Settings, loaded: Mapping[str, Loaded], queue: Queue) -> Listener:
    """Build a listener over every service."""
    limits = Limits(request=settings.limits.request)
    table = settings.listener
    return Listener(
        remote(settings, queue),
        {
            name: Listed(contract=one.contract, gate=Gate(one.contract, limits))
            for name, one in loaded.items()
        },
        ListenerSettings(
            host=table.host,
            port=table.port,
            url=table.url or "",
            wait=table.wait,
            grace=settings.gateway.grace,
            request=settings.limits.request,
        ),
    )


def remote(settings: Settings, queue: Queue) -> Remote:
    """Build the way to the queue's far side."""
    wait, lifetime = settings.listener.wait, settings.lifetime
    return Remote(queue, RemoteSettings(wait=wait, lifetime=lifetime, sender=settings.client))


def queue_options(settings: Settings) -> QueueOptions:
    """Return what a queue is told beside its address."""
    return QueueOptions(
        lease=settings.gateway.lease,
        concurrency=settings.gateway.concurrency,
        soapjms_strict=settings.gateway.soapjms == "strict",
        senders=settings.sqs.senders,
        reply_queues=settings.sqs.reply_queues,
        limit=settings.limits.request,
    )


@contextlib.asynccontextmanager
async def opened_queue(settings: Settings) -> AsyncIterator[Queue]:
    """Open the queue, and close it in the end. Raises ConfigurationError."""
    queue = await open_queue(settings.queue, settings.folder, queue_options(settings))
    try:
        yield queue
    finally:
        await queue.aclose()
