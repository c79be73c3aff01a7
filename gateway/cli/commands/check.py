"""``gateway check``: everything that must be right, tried one by one."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.markup import escape

from gateway import assembly
from gateway.cli import streams
from gateway.cli.commands.provision import desired_by
from gateway.cli.notes import VerboseOption, chosen
from gateway.cli.running import ConfigOption, run
from gateway.contract import Contract
from gateway.errors import ConfigurationError, GatewayError, shortlist
from gateway.message import new_id
from gateway.provision.examine import Finding, examine
from gateway.settings import Settings, is_http, read, writers
from gateway.sockets import NO_TLS


def check(config: ConfigOption = Path("gateway.toml"), verbose: VerboseOption = False) -> None:
    """Try settings, queue, contracts and backends; show a tick or the cure for each."""
    settings = read(config)
    console = streams.console()
    console.print(f"[green]✓[/] settings  {escape(str(config))}")
    for told in writers(config):
        console.print(f"[yellow]![/] settings  {escape(told)}")
    if run(_show(settings, console, verbose)):
        raise typer.Exit(1)


async def _show(settings: Settings, console: Console, verbose: bool) -> int:
    """Print each finding as it comes; return how many need a cure."""
    failed = 0
    async for finding in _findings(settings, verbose):
        mark = "[red]✗[/]" if finding.cure else "[yellow]![/]" if finding.is_note else "[green]✓[/]"
        text = escape(finding.cure or finding.text)
        console.print(f"{mark} {escape(finding.subject)}  {text}")
        failed += bool(finding.cure)
    return failed


async def _findings(settings: Settings, verbose: bool) -> AsyncIterator[Finding]:
    async for finding in _queue_findings(settings):
        yield finding
    for name in settings.services:
        async for finding in _service(settings, name, verbose):
            yield finding
    for finding in _clients(settings):
        yield finding
    yield await _listener(settings)
    if any(one.host is None for one in settings.services.values()):
        for finding in _faults(settings):
            yield finding
    if settings.audit.file is not None:
        yield _audit(settings.folder / settings.audit.file)


def _clients(settings: Settings) -> Iterator[Finding]:
    """A finding for each client: what it may call, where the contracts can be read."""
    try:
        loaded = assembly.load_contracts(settings) if settings.clients else {}
        rights = assembly.rights(settings, loaded)
    except ConfigurationError as error:
        if str(error).startswith("clients."):  # what is wrong with a service is told above
            yield Finding("clients  ", "", cure=str(error))
        return
    for name in settings.clients:
        counts = {service: one.count(name) for service, one in rights.items()}
        told = ", ".join(f"{n} of {service}" for service, n in counts.items() if n) or "none"
        yield Finding(f"client    {name}:", f"operations that it may call: {told}")
    yield from _certificates(settings)


def _certificates(settings: Settings) -> Iterator[Finding]:
    """Note the names of certificates that no listener with these settings would look at."""
    if settings.listener.tls.client_ca is None:
        for name, table in settings.clients.items():
            if table.certificate is not None:
                text = "its certificate is ignored: set listener.tls.client_ca"
                yield Finding(f"client    {name}:", text, is_note=True)


async def _queue_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Findings on the queue; that it opens is one only where nothing is wrong with it."""
    queue = await _queue(settings)
    found: list[Finding] = []
    if not queue.cure and assembly.queue_abilities(settings).is_provisioned:
        found = await asyncio.to_thread(_permissions, settings)
    if not any(one.cure for one in found):
        yield queue
    for finding in found:
        yield finding


async def _queue(settings: Settings) -> Finding:
    subject = f"queue     {settings.queue}"
    try:
        async with assembly.opened_queue(settings) as queue:
            await queue.collect(settings.client, new_id(queue.clock), 0)
    except GatewayError as error:
        return Finding(subject, "", cure=str(error))
    return Finding(subject, "opens, and can be read")


def _permissions(settings: Settings) -> list[Finding]:
    """Try each permission that a gateway needs in its bucket and its SQS queue."""
    try:
        found = list(examine(desired_by(settings)))
    except ConfigurationError as error:
        return [Finding("queue    ", "", cure=str(error))]
    return [replace(one, subject=f"queue     {one.subject}") for one in found]


async def _service(settings: Settings, name: str, verbose: bool) -> AsyncIterator[Finding]:
    secrets = list(secret_findings(settings, name))
    for finding in secrets:
        yield finding
    if any(finding.cure for finding in secrets):
        return  # the contract is asked for with them
    for finding in _caller_security(settings, name):
        yield finding
    async for finding in _contract(settings, name, verbose):
        yield finding


def _caller_security(settings: Settings, name: str) -> Iterator[Finding]:
    """A finding on the WS-Security that a service asks its callers for, if it does."""
    subject = f"callers   {name}:"
    try:
        asked, notes = assembly.check_caller_security(settings, name)
    except ConfigurationError as error:
        yield Finding(subject, "", cure=str(error).removeprefix(f"services.{name}: "))
        return
    if asked:
        yield Finding(subject, f"WS-Security is required: {asked}")
    for note in notes:
        yield Finding(subject, note, is_note=True)


async def _contract(settings: Settings, name: str, verbose: bool) -> AsyncIterator[Finding]:
    subject = f"service   {name}:"
    try:
        loaded = assembly.load_service_contract(settings, name)
        assembly.policy(settings, name, loaded.contract)
    except ConfigurationError as error:
        yield Finding(subject, "", cure=str(error).removeprefix(f"services.{name}: "))
        return
    names = sorted({operation.name for operation in loaded.contract.operations})
    yield Finding(subject, f"the contract is understood: {shortlist(names, 8)}")
    for note in (*_notes(loaded, verbose), *assembly.slow_checks(settings, loaded.contract)):
        yield Finding(subject, note, is_note=True)
    if loaded.hosted is not None:
        await loaded.hosted.aclose()
        yield Finding(subject, f"hosted here, by {settings.services[name].host}")
    else:
        async for finding in backend_findings(settings, name, loaded.contract):
            yield finding


def _notes(loaded: assembly.Loaded, verbose: bool) -> Sequence[str]:
    contract = loaded.contract
    beside = loaded.notes[len(contract.notes) :]
    return [*chosen(contract.notes, contract.all_notes, verbose=verbose), *beside]


async def _listener(settings: Settings) -> Finding:
    table = settings.listener
    subject = f"listener  {table.bind}:"
    try:
        assembly.check_listener(settings)
    except ConfigurationError as error:
        return Finding(subject, "", cure=str(error))
    try:
        server = await asyncio.start_server(lambda r, w: w.close(), table.host, table.port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            cure = f"cannot be listened on ({os.strerror(error.errno or 0)}): correct listener.bind"
            return Finding(subject, "", cure=cure)
        text = (
            "is in use: expected if this listener is running already, otherwise choose another "
            "listener.bind"
        )
        return Finding(subject, text, is_note=True)
    server.close()
    return Finding(subject, "is free to listen on")


def _faults(settings: Settings) -> Iterator[Finding]:
    """Look whether the originals of faults that are rewritten can be kept."""
    kept = assembly.kept_faults(settings)
    if kept is None:
        yield Finding("faults   ", "their originals are not kept: quarantine.faults", is_note=True)
    elif why := assembly.hindrance(kept.folder):
        yield Finding("faults   ", why, is_note=True)


def _audit(path: Path) -> Finding:
    """Look whether the audit log can be written; nothing is written, nor is a file made."""
    subject = f"audit     {path.name}:"
    place = path if path.exists() else path.parent
    if path.is_dir() or not path.parent.is_dir():
        what = (
            "is a folder" if path.is_dir() else f"must be in {path.parent}, which is not a folder"
        )
        return Finding(subject, "", cure=f"{what}: correct audit.file")
    if not os.access(place, os.W_OK):
        return Finding(subject, "", cure=f"{place} is read-only: let this user write to it")
    return Finding(subject, "can be written")


async def backend_findings(
    settings: Settings, name: str, contract: Contract
) -> AsyncIterator[Finding]:
    """Try everything that calls to a service need, but a call."""
    subject = f"service   {name}:"
    try:
        address = assembly.backend_address(settings, name, contract)
    except ConfigurationError as error:
        # Right on a machine that only listens or calls.
        reason = str(error).removeprefix(f"services.{name}: ")
        yield Finding(subject, f"is not served from here: {reason}", is_note=True)
        return
    yield await _built(settings, name, contract) or await _way(settings, name, address)


async def _built(settings: Settings, name: str, contract: Contract) -> Finding | None:
    """Build what posts the calls; tell what is in the way of that."""
    try:
        backend = assembly.forward_backend(settings, name, contract)
    except ConfigurationError as error:
        cure = str(error).removeprefix(f"services.{name}: ")
        return Finding(f"service   {name}:", "", cure=cure)
    await backend.aclose()
    return None


def secret_findings(settings: Settings, name: str) -> Iterator[Finding]:
    """A finding for each secret: whether it is there, and whether others could read it."""
    secrets = assembly.Secrets(settings, name)
    for key, reference in secrets.all():
        subject = f"secret    {key}:"
        try:
            found = secrets.read(key, reference)
        except ConfigurationError as error:
            yield Finding(subject, "", cure=str(error).removeprefix(f"{key}: "))
            continue
        if found.is_exposed:
            text = f"{reference} can be read by every user of this machine: chmod 600 is enough"
            yield Finding(subject, text, is_note=True)
        else:
            yield Finding(subject, f"{reference} is there, and can be used")


async def _way(settings: Settings, name: str, address: str) -> Finding:
    """Connect to a service, and verify its certificate."""
    subject = f"service   {name}:"
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or assembly.PORTS[parts.scheme]
    context, server_name = _tls(settings, name, host) if parts.scheme == "https" else (None, None)
    try:
        async with asyncio.timeout(settings.services[name].backend.connect):
            _, writer = await asyncio.open_connection(
                host, port, ssl=context, server_hostname=server_name
            )
    except ssl.SSLError as error:
        return Finding(subject, "", cure=_tls_cure(f"{host}:{port}", error))
    except (OSError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or "no answer"
        return _unreachable(settings, name, f"{host}:{port}", reason)
    writer.close()
    kind = "connections" if context is None else "connections, and its certificate is trusted"
    return Finding(subject, f"the backend at {host}:{port} takes {kind}")


def _tls(settings: Settings, name: str, host: str) -> tuple[ssl.SSLContext, str]:
    """Return how TLS is spoken with a service, and the name that its certificate must have."""
    tls = assembly.Secrets(settings, name).tls()
    if tls is None:
        return ssl.create_default_context(), host
    return tls.context(), tls.name or host


def _tls_cure(place: str, error: ssl.SSLError) -> str:
    """The cure for a TLS handshake that failed: a certificate is one reason of several."""
    reason = getattr(error, "verify_message", "") or error.reason or "no TLS"
    if reason in NO_TLS:
        return (
            f"the backend at {place} does not speak TLS: write http:// in place of https://, or "
            "the port where it speaks it"
        )
    if not isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the backend at {place} refuses the TLS handshake ({reason}): have it take TLS 1.2 or "
            "later; where it wants a certificate of the gateway, set backend.certificate"
        )
    return (
        f"the backend at {place} is not trusted ({reason}): name its authority in backend.ca, or "
        "the name in its certificate in backend.tls_name"
    )


def _unreachable(settings: Settings, name: str, place: str, reason: str) -> Finding:
    """Return a cure where this machine serves; a note where it may be one that only calls."""
    subject, table = f"service   {name}:", settings.services[name]
    text = f"the backend at {place} cannot be reached ({reason})"
    if table.forward is None and not is_http(table.wsdl or ""):
        text += ": expected if gateway serve runs elsewhere; if it runs here, start the service, "
        return Finding(subject, f"{text}or set forward to where it is", is_note=True)
    return Finding(subject, "", cure=f"{text}: start it, or set forward to where it is.")
