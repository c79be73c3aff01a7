"""Builds the objects from the settings: the only place that knows every class."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.admission import Gate, Limits
from gateway.backend import Backend
from gateway.backends.forward import ForwardBackend, ForwardSettings
from gateway.backends.hosted import HostedBackend, load_service
from gateway.binding import by_operation, checked, routed
from gateway.contract import Contract, from_documents, from_names, load
from gateway.daemon import Gateway, GatewaySettings
from gateway.endpoint import Router
from gateway.errors import ConfigurationError
from gateway.listener import Listener, ListenerSettings
from gateway.listener_pages import Listed
from gateway.queue import Queue
from gateway.queues.address import keepsakes, open_queue
from gateway.queues.options import QueueOptions
from gateway.remote import Remote, RemoteSettings
from gateway.service import Policy, Service
from gateway.settings import Settings, is_http

log = logging.getLogger(__name__)

IN_QUEUE = "queue:"
"""The ``wsdl`` of a service whose contract is read from the queue's bucket."""

ANYWHERE = "http://localhost/"
"""The address in the WSDL of a code-first service before it is published with the right one."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A service's contract, and, where it is hosted here, what hosts it."""

    contract: Contract
    hosted: HostedBackend | None


def load_service_contract(settings: Settings, name: str) -> Loaded:
    """Load what a service is, from its WSDL or its code. Raises ConfigurationError."""
    table = settings.services[name]
    try:
        hosted = _host(settings, name, table.host) if table.host else None
        contract = _contract(settings, name, hosted)
        missing = hosted.unimplemented(contract.operations) if hosted else []
        if missing:
            raise ConfigurationError(
                f"{table.host} has no method for {', '.join(missing)}, which the WSDL declares: "
                "write one for each, with the types of the contract."
            )
        return Loaded(contract, hosted)
    except ConfigurationError as error:
        raise type(error)(f"services.{name}: {error}") from error


def _host(settings: Settings, name: str, target: str) -> HostedBackend:
    # A service is found beside the file that names it, as a person expects who starts it elsewhere.
    if str(settings.folder) not in sys.path:
        sys.path.insert(0, str(settings.folder))
    return HostedBackend(load_service(target), name=name)


def _contract(settings: Settings, name: str, hosted: HostedBackend | None) -> Contract:
    table = settings.services[name]
    if table.wsdl is None:
        assert hosted is not None  # the settings have one of both
        return from_documents({"service.wsdl": hosted.wsdl(ANYWHERE)}, "service.wsdl")
    if table.wsdl == IN_QUEUE:
        # Here, not above: boto3 takes a quarter of a second that others do without.
        from gateway.queues.published import ENTRY, published

        return from_names(published(settings.queue, name), ENTRY)
    hosts = set(settings.contract_hosts)
    if is_http(table.wsdl):
        hosts.add(urlsplit(table.wsdl).netloc)
        copies = keepsakes(settings.queue, settings.folder)
        return load(table.wsdl, folder=settings.folder, hosts=frozenset(hosts), copies=copies)
    path = (settings.folder / table.wsdl).resolve()
    folder = settings.folder if path.is_relative_to(settings.folder) else path.parent
    return load(str(path), folder=folder, hosts=frozenset(hosts))


def load_contracts(settings: Settings) -> dict[str, Loaded]:
    """Load every service. Raises ConfigurationError for the first that cannot be used."""
    return {name: load_service_contract(settings, name) for name in settings.services}


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


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Drain the queue until told to stop. Raises ConfigurationError, QueueBroken."""
    loaded = load_contracts(settings)
    async with opened_queue(settings) as queue, gateway(settings, loaded, queue) as daemon:
        _say_ready(settings, loaded)
        await daemon.run(stop)


async def listen(settings: Settings, stop: asyncio.Event) -> None:
    """Offer the services over HTTP until told to stop. Raises ConfigurationError."""
    loaded = load_contracts(settings)
    async with opened_queue(settings) as queue:
        await listener(settings, loaded, queue).run(stop)


async def up(settings: Settings, stop: asyncio.Event) -> None:
    """Do both in one process. Raises ConfigurationError, QueueBroken.

    The listener stops first: callers who wait still get what the gateway has begun.
    """
    loaded = load_contracts(settings)
    drained = asyncio.Event()
    async with opened_queue(settings) as queue, gateway(settings, loaded, queue) as daemon:
        _say_ready(settings, loaded)
        draining = asyncio.create_task(daemon.run(drained))
        front = listener(settings, loaded, queue)
        listening = asyncio.create_task(front.run(stop))
        await asyncio.wait([draining, listening], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        try:
            await listening
        finally:
            drained.set()
            await draining


def _say_ready(settings: Settings, loaded: Mapping[str, Loaded]) -> None:
    for name, one in loaded.items():
        how = "hosted here" if one.hosted else f"to {backend_address(settings, name, one.contract)}"
        log.info("serving %s, %s", name, how)
        for note in one.contract.notes:
            log.warning("%s: %s", name, note)
