"""``gateway grant``: a single request for a client that has no credentials."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from gateway import assembly
from gateway.cli import streams
from gateway.cli.running import ConfigOption
from gateway.contract.operations import Operation
from gateway.errors import ConfigurationError
from gateway.message import Message
from gateway.provision.grants import Grant
from gateway.provision.grants import grant as sign
from gateway.queues.aws.address import BucketAddress, place_of
from gateway.settings import Settings, read
from gateway.settings.suggestions import meant
from gateway.soap.envelope import SoapVersion

DEFAULT_TYPE = "text/xml; charset=utf-8"


def grant(
    client: Annotated[str, typer.Argument(help="The client's name.")],
    length: Annotated[int, typer.Option(min=1, help="The exact size of its request, in bytes.")],
    target: Annotated[
        str,
        typer.Argument(
            help="SERVICE or SERVICE.OPERATION; SERVICE may be left out if there is only one."
        ),
    ] = "",
    content_type: Annotated[str, typer.Option(help="The exact content type.")] = "",
    expires: Annotated[
        int, typer.Option(min=1, max=86400, help="Seconds within which it must be sent.")
    ] = 900,
    config: ConfigOption = Path("gateway.toml"),
    as_json: Annotated[bool, typer.Option("--json", help="Show it as one line of JSON.")] = False,
) -> None:
    """Sign for one request: whoever has the result can send it, and read its reply."""
    settings = read(config)
    address = _bucket(settings)
    service, _, operation = target.partition(".")
    service = _service(settings, service)
    _check_rights(settings, client, service, operation)
    request = _request(settings, client, service, operation, content_type)
    reply_expires = int(expires + settings.lifetime)
    _show(sign(address, request, length, expires, reply_expires), as_json)


def _check_rights(settings: Settings, client: str, service: str, operation: str) -> None:
    """Grant nothing that would be refused. Raises ConfigurationError."""
    if settings.clients and client not in settings.clients:
        raise ConfigurationError(
            f"there is no client {client!r} in the settings, so its request would be refused: "
            f"{meant(client, settings.clients)}"
        )
    if not assembly.may_call(settings, client, service, operation):
        what = f"{service}.{operation}" if operation else f"anything of {service}"
        raise ConfigurationError(
            f"clients.{client}.allow: it may not call {what}, so its request would be refused: "
            "add what it may call."
        )


def _bucket(settings: Settings) -> BucketAddress:
    place = place_of(settings.queue)
    if not isinstance(place, BucketAddress):
        raise ConfigurationError(
            f"queue: {settings.queue!r} takes no requests over a bucket: grants need s3://."
        )
    return place


def _service(settings: Settings, name: str) -> str:
    known = list(settings.services)
    if name and name not in known:
        raise ConfigurationError(
            f"there is no service {name!r} in the settings: {meant(name, known)}"
        )
    if not name and len(known) > 1:
        raise ConfigurationError(f"name the service: {', '.join(known)}.")
    return name or known[0]


def _request(
    settings: Settings, client: str, service: str, operation: str, content_type: str
) -> Message:
    """Return the request without its body. Raises ConfigurationError."""
    found = _operation(settings, service, operation) if operation else None
    return Message(
        body=b"",
        content_type=content_type or (_type(found) if found else DEFAULT_TYPE),
        soap_action=found.soap_action if found and found.version is SoapVersion.V11 else "",
        target_service=service,
        sender=client,
        expires=time.time() + settings.lifetime,
    )


def _operation(settings: Settings, service: str, name: str) -> Operation:
    contract = assembly.load_service_contract(settings, service).contract
    for one in contract.operations:
        if one.name == name:
            return one
    names = {one.name for one in contract.operations}
    raise ConfigurationError(f"{service} has no operation {name!r}: {meant(name, names)}")


def _type(operation: Operation) -> str:
    action = operation.soap_action if operation.version is SoapVersion.V12 else ""
    rest = f'; action="{action}"' if action else ""
    return f"{operation.version.media_type}; charset=utf-8{rest}"


def _show(granted: Grant, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(granted)))
        return
    console = streams.console()
    lines = [
        f"[bold]{granted.method}[/] {escape(granted.url)}",
        *(f"  {key}: {escape(value)}" for key, value in granted.headers.items()),
        f"once, within {granted.expires} seconds; then, for {granted.reply_expires} seconds,",
        f"[bold]GET[/] {escape(granted.reply_url)}",
    ]
    console.print("\n".join(lines))
