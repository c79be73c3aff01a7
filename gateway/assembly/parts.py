"""Builds each part from the settings: queue, gateway, listener, and the way to the far side."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit

from gateway.admission import Gate, Limits
from gateway.assembly.clients import quotas, rights, shares
from gateway.assembly.contracts import Loaded
from gateway.assembly.front import front
from gateway.backend import Backend
from gateway.backends.forward import ForwardBackend, ForwardSettings
from gateway.binding import by_operation, checked, known, routed
from gateway.contract import Contract
from gateway.daemon import Gateway, GatewaySettings
from gateway.endpoint import Router
from gateway.errors import ConfigurationError
from gateway.listener import Listener, ListenerSettings
from gateway.listener_connections import ConnectionLimits
from gateway.listener_pages import Listed
from gateway.queue import Queue
from gateway.queues.address import open_queue
from gateway.queues.options import QueueOptions
from gateway.remote import Remote, RemoteSettings
from gateway.service import Policy, Service
from gateway.settings import Settings, is_http


def backend_address(settings: Settings, name: str, contract: Contract) -> str:
    """Return where a service is forwarded to. Raises ConfigurationError where nothing says so."""
    forward = settings.services[name].forward
    own = [] if contract.is_published else [one for one in contract.addresses() if is_http(one)]
    for address in own if forward is None else [forward]:
        if urlsplit(address).netloc in _own_places(settings):
            raise ConfigurationError(
                f"services.{name}: {address} is this gateway's own listener: calls would go round "
                "and round. Set forward to where the service is."
            )
        return address
    raise ConfigurationError(
        f"services.{name}: nothing here says what carries its calls out, and its WSDL names no "
        f'backend: add forward = "http://..." or host = "module:attribute" to serve it.'
    )


def _own_places(settings: Settings) -> set[str]:
    return {settings.listener.bind, urlsplit(settings.listener.url or "").netloc}


def backend(settings: Settings, name: str, loaded: Loaded) -> Backend:
    """Build what carries a service's calls out. Raises ConfigurationError."""
    if loaded.hosted is not None:
        return loaded.hosted
    backend_address(settings, name, loaded.contract)  # there must be one
    # Where none is set, each port has its own in the contract.
    forward = settings.services[name].forward or ""
    return ForwardBackend(forward, ForwardSettings(reply=settings.limits.reply))


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
    allowed = rights(settings, loaded)
    used = quotas(settings, queue.clock)
    services = {
        name: Service(
            Gate(one.contract, limits, allowed[name]),
            backends[name],
            policy(settings, name, one.contract),
            queue.clock,
            used,
        )
        for name, one in loaded.items()
    }
    find = by_operation({name: one.contract for name, one in loaded.items()})
    endpoint = checked(routed(Router(services), find), limit=settings.limits.request)
    if settings.clients:
        endpoint = known(endpoint, settings.clients)
    table = settings.gateway.model_dump(exclude={"soapjms"})
    try:
        yield Gateway(queue, endpoint, GatewaySettings(**table), shares(settings))
    finally:
        for one in backends.values():
            await one.aclose()


def listener(settings: Settings, loaded: Mapping[str, Loaded], queue: Queue) -> Listener:
    """Build a listener over every service. Raises ConfigurationError."""
    limits = Limits(request=settings.limits.request)
    allowed = rights(settings, loaded)
    table = settings.listener
    return Listener(
        remote(settings, queue),
        {
            name: Listed(contract=one.contract, gate=Gate(one.contract, limits, allowed[name]))
            for name, one in loaded.items()
        },
        ListenerSettings(
            host=table.host,
            port=table.port,
            url=table.url or "",
            wait=table.wait,
            grace=settings.gateway.grace,
            request=settings.limits.request,
            body=table.body_timeout,
            limits=ConnectionLimits(
                connections=table.connections, head=table.head_timeout, reply=table.reply_timeout
            ),
        ),
        front(settings, queue.clock),
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
