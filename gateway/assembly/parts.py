"""Builds each part from the settings: queue, gateway, listener, and the queue's client side."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from gateway.admission import Gate
from gateway.admission.rights import EVERYBODY, Rights
from gateway.admission.wss.callers import CallerSecurity
from gateway.admission.wss.header import SECURITY
from gateway.assembly.caller_security import caller_security
from gateway.assembly.clients import rights
from gateway.assembly.contracts import Loaded
from gateway.assembly.forwarding import forward_backend
from gateway.assembly.front import front
from gateway.backends.redact.kept_faults import Keep, kept_nowhere
from gateway.client.remote import Remote, RemoteSettings
from gateway.contract import Contract
from gateway.endpoint import Backend
from gateway.errors import ConfigurationError
from gateway.listening.application import Listener
from gateway.listening.pages import ListedService
from gateway.message import Message, Unreadable
from gateway.observe.audit import AuditLog, Write, nowhere, recorded
from gateway.observe.events import Events, RequestPutAside
from gateway.observe.lines import logged
from gateway.queue import AdministeredQueue, Queue
from gateway.queues.kind import Abilities
from gateway.queues.options import PutAside, QueueOptions, untold
from gateway.queues.registry import abilities_of, open_queue
from gateway.serving.intake import Intake, by_operation
from gateway.serving.loop import Gateway
from gateway.serving.quotas import Quotas, Shares
from gateway.serving.service import Policy, ServiceEndpoint
from gateway.settings import Settings
from gateway.settings.suggestions import meant


def backend(settings: Settings, name: str, loaded: Loaded, keep: Keep) -> Backend:
    """Build the backend of a service. Raises ConfigurationError."""
    return loaded.hosted or forward_backend(settings, name, loaded.contract, keep)


def policy(settings: Settings, name: str, contract: Contract) -> Policy:
    """Build which operations may be repeated. Raises ConfigurationError for an unknown one."""
    table = settings.services[name]
    if table.repeatable is True:
        return Policy(repeatable=None, timeout=table.timeout, lifetime=settings.lifetime)
    repeatable = frozenset(table.repeatable or ())
    names = {operation.name for operation in contract.operations}
    for operation in repeatable - names:
        raise ConfigurationError(
            f"services.{name}.repeatable: the contract has no operation {operation!r}: "
            f"{meant(operation, names)}"
        )
    return Policy(repeatable=repeatable, timeout=table.timeout, lifetime=settings.lifetime)


def gate(
    settings: Settings,
    name: str,
    contract: Contract,
    allowed: Rights = EVERYBODY,
    security: CallerSecurity | None = None,
) -> Gate:
    """Build the gate of a service."""
    understands = frozenset(settings.services[name].understands)
    if settings.services[name].wss is not None:
        # If it is not verified here, as in gateway call with a file, the receiver verifies it.
        understands |= {SECURITY}
    return Gate(contract, settings.limits, allowed, understands=understands, security=security)


@contextlib.asynccontextmanager
async def gateway(
    settings: Settings,
    loaded: Mapping[str, Loaded],
    queue: Queue,
    events: Events,
    keep: Keep = kept_nowhere,
) -> AsyncIterator[Gateway]:
    """Build a gateway over every service; ``keep`` gets the originals of rewritten faults.

    Raises ConfigurationError.
    """
    backends = {name: backend(settings, name, one, keep) for name, one in loaded.items()}
    allowed = rights(settings, loaded)
    used = Quotas(settings.clients, queue.clock)
    security = caller_security(settings, queue.clock)
    services = {
        name: ServiceEndpoint(
            gate(settings, name, one.contract, allowed[name], security[name]),
            backends[name],
            policy(settings, name, one.contract),
            queue.clock,
            used,
        )
        for name, one in loaded.items()
    }
    contracts = {name: one.contract for name, one in loaded.items()}
    endpoint = Intake(
        services,
        by_operation(contracts, settings.limits),
        clock=queue.clock,
        limits=settings.limits,
        clients=settings.clients or None,
    )
    shares = Shares(settings.clients)
    try:
        yield Gateway(queue, endpoint, settings.gateway, events=events, shares=shares)
    finally:
        for one in backends.values():
            await one.aclose()


def listener(
    settings: Settings,
    loaded: Mapping[str, Loaded],
    queue: Queue,
    events: Events,
    reread: asyncio.Event | None = None,
) -> Listener:
    """Build a listener over every service; setting ``reread`` makes it read its files again.

    Raises ConfigurationError.
    """
    allowed = rights(settings, loaded)
    security = caller_security(settings, queue.clock)
    return Listener(
        remote(settings, queue),
        {
            name: ListedService(
                contract=one.contract,
                gate=gate(settings, name, one.contract, allowed[name], security[name]),
            )
            for name, one in loaded.items()
        },
        settings.listener,
        replace(front(settings, queue.clock), reread=reread or asyncio.Event()),
        events,
        request=settings.limits.request,
        grace=settings.gateway.grace,
    )


def remote(settings: Settings, queue: Queue) -> Remote:
    """Build the client side of the queue."""
    wait, lifetime = settings.listener.wait, settings.lifetime
    return Remote(queue, RemoteSettings(wait=wait, lifetime=lifetime, sender=settings.client))


def queue_options(settings: Settings, put_aside: PutAside = untold) -> QueueOptions:
    """The options of a queue, beside its address."""
    return QueueOptions(
        lease=settings.gateway.lease,
        concurrency=settings.gateway.concurrency,
        soapjms_strict=settings.gateway.soapjms == "strict",
        senders=settings.sqs.senders,
        reply_queues=settings.sqs.reply_queues,
        limit=settings.limits.request,
        reply_limit=settings.limits.reply,
        put_aside=put_aside,
        quarantine=settings.quarantine,
    )


def queue_abilities(settings: Settings) -> Abilities:
    """The abilities of the queue in the settings. Raises ConfigurationError."""
    return abilities_of(settings.queue, settings.folder, queue_options(settings))


@contextlib.asynccontextmanager
async def opened_queue(
    settings: Settings, put_aside: PutAside = untold
) -> AsyncIterator[AdministeredQueue]:
    """Open the queue, and close it at the end. Raises ConfigurationError."""
    options = queue_options(settings, put_aside)
    queue = await open_queue(settings.queue, settings.folder, options)
    try:
        yield queue
    finally:
        await queue.aclose()


@contextlib.asynccontextmanager
async def opened_with_events(settings: Settings) -> AsyncIterator[tuple[AdministeredQueue, Events]]:
    """Open the queue, and the stream of events about its requests, with its subscribers.

    Raises ConfigurationError.
    """
    events = Events()
    logged(events)

    def put_aside(message: Message | Unreadable, reason: str) -> None:
        told = RequestPutAside(message, reason)
        events.precede(told)
        events.tell(told)

    async with (
        opened_queue(settings, put_aside) as queue,
        opened_audit(settings, queue) as write,
        recorded(events, write),
    ):
        yield queue, events


@contextlib.asynccontextmanager
async def opened_audit(settings: Settings, queue: Queue, whose: str = "") -> AsyncIterator[Write]:
    """Open the audit log, if there is one, and close it at the end.

    ``whose`` becomes part of the file's name, for a user other than that of the gateways: their
    files must be separate. Raises ConfigurationError.
    """
    if settings.audit.file is None:
        yield nowhere
        return
    path = settings.folder / settings.audit.file
    log = await AuditLog.open(
        path.with_stem(f"{path.stem}-{whose}") if whose else path, queue.clock
    )
    try:
        yield log.write
    finally:
        await log.aclose()
