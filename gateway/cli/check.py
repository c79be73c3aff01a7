"""``gateway check``: everything that must be right, tried one by one."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.markup import escape

from gateway import assembly
from gateway.cli.provision import desired_by
from gateway.cli.running import ConfigOption, run
from gateway.errors import ConfigurationError, GatewayError
from gateway.message import new_id
from gateway.provision.examine import examine
from gateway.settings import ServiceTable, Settings, is_http, read

CONNECT = 5.0
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was tried, and what came of it; ``cure`` is empty where all is well."""

    subject: str
    text: str
    cure: str = ""
    is_note: bool = False


def check(config: ConfigOption = Path("gateway.toml")) -> None:
    """Try settings, queue, contracts and backends; show a tick or the cure for each."""
    settings = read(config)
    console = Console(soft_wrap=True)
    console.print(f"[green]✓[/] settings  {escape(str(config))}", highlight=False)
    if run(_show(settings, console)):
        raise typer.Exit(1)


async def _show(settings: Settings, console: Console) -> int:
    """Print each finding as it comes; return how many need a cure."""
    failed = 0
    async for finding in _findings(settings):
        mark = "[red]✗[/]" if finding.cure else "[yellow]![/]" if finding.is_note else "[green]✓[/]"
        text = escape(finding.cure or finding.text)
        console.print(f"{mark} {escape(finding.subject)}  {text}", highlight=False)
        failed += bool(finding.cure)
    return failed


async def _findings(settings: Settings) -> AsyncIterator[Finding]:
    queue = await _queue(settings)
    yield queue
    if not queue.cure and settings.queue.startswith(("s3:", "sqs:")):
        for finding in await asyncio.to_thread(_permissions, settings):
            yield finding
    for name in settings.services:
        async for finding in _service(settings, name):
            yield finding
    yield await _listener(settings)


async def _queue(settings: Settings) -> Finding:
    subject = f"queue     {settings.queue}"
    try:
        async with assembly.opened_queue(settings) as queue:
            await queue.collect(settings.client, new_id(), 0)
    except GatewayError as error:
        return Finding(subject, "", cure=str(error))
    return Finding(subject, "opens, and can be read")


def _permissions(settings: Settings) -> list[Finding]:
    """Try each permission that a gateway needs in its bucket and its SQS queue."""
    try:
        found = list(examine(desired_by(settings)))
    except ConfigurationError as error:
        return [Finding("queue    ", "", cure=str(error))]
    return [Finding(f"queue     {one.subject}", one.text, cure=one.cure) for one in found]


async def _service(settings: Settings, name: str) -> AsyncIterator[Finding]:
    subject = f"service   {name}:"
    try:
        loaded = assembly.load_service_contract(settings, name)
        assembly.policy(settings, name, loaded.contract)
    except ConfigurationError as error:
        yield Finding(subject, "", cure=str(error).removeprefix(f"services.{name}: "))
        return
    names = sorted({operation.name for operation in loaded.contract.operations})
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    yield Finding(subject, f"the contract is understood: {shown}")
    for note in loaded.notes:
        yield Finding(subject, note, is_note=True)
    if loaded.hosted is not None:
        await loaded.hosted.aclose()
        yield Finding(subject, f"hosted here, by {settings.services[name].host}")
    else:
        yield await _backend(settings, name, loaded)


async def _backend(settings: Settings, name: str, loaded: assembly.Loaded) -> Finding:
    subject = f"service   {name}:"
    try:
        address = assembly.backend_address(settings, name, loaded.contract)
    except ConfigurationError as error:
        # Right on a machine that only listens or calls.
        reason = str(error).removeprefix(f"services.{name}: ")
        return Finding(subject, f"is not served from here: {reason}", is_note=True)
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    try:
        async with asyncio.timeout(CONNECT):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or "no answer"
        return _unreachable(settings.services[name], subject, f"{host}:{port}", reason)
    writer.close()
    return Finding(subject, f"the backend at {host}:{port} takes connections")


def _unreachable(table: ServiceTable, subject: str, place: str, reason: str) -> Finding:
    """Return a cure where this machine serves; a note where it may be one that only calls."""
    text = f"the backend at {place} cannot be reached ({reason})"
    if table.forward is None and not is_http(table.wsdl or ""):
        return Finding(subject, f"{text}: right where gateway serve runs elsewhere", is_note=True)
    return Finding(subject, "", cure=f"{text}: start it, or set forward to where it is.")


async def _listener(settings: Settings) -> Finding:
    table = settings.listener
    subject = f"listener  {table.bind}:"
    try:
        server = await asyncio.start_server(lambda r, w: w.close(), table.host, table.port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            cure = f"cannot be listened on ({os.strerror(error.errno or 0)}): correct listener.bind"
            return Finding(subject, "", cure=cure)
        text = "is taken: right if this listener runs already, else choose another listener.bind"
        return Finding(subject, text, is_note=True)
    server.close()
    return Finding(subject, "is free to listen on")
