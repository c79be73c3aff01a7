"""``gateway fault``: what a service's fault said before it was rewritten."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import assembly
from gateway.backends.redact.kept_faults import KeptFaults, Original
from gateway.cli import streams
from gateway.cli.quarantine.entries import moment
from gateway.cli.running import ConfigOption
from gateway.cli.streams import plain
from gateway.errors import ConfigurationError
from gateway.message import is_id
from gateway.settings import read


def fault(
    id: Annotated[
        str, typer.Argument(help="The id of the request, from the fault's detail.", metavar="ID")
    ],
    body: Annotated[
        str, typer.Option(help="Write the original to this file; - is standard output.")
    ] = "",
    client: Annotated[str, typer.Option(help="Of this client only.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Show one line of JSON.")] = False,
    config: ConfigOption = Path("gateway.toml"),
) -> None:
    """Show what a service's fault said before it was rewritten, by the id of its request.

    It is kept on the machine whose gateway carried the call out.
    """
    kept = assembly.kept_faults(read(config))
    if kept is None:
        raise ConfigurationError("quarantine.faults is false: the originals of faults are not kept")
    original = _only(kept, id, client)
    if body:
        streams.write_body(original.body, body)
    elif as_json:
        typer.echo(json.dumps({**_values(original), "fault": _text(original)}))
    else:
        typer.echo(_shown(original))


def _only(kept: KeptFaults, id: str, client: str) -> Original:
    if not is_id(id):
        raise ConfigurationError(
            f"{plain(id)} is not the id of a request: copy it from the fault's detail, or from "
            "the log."
        )
    every = kept.find(id)
    clients = ", ".join(plain(one.client) for one in every)
    found = [one for one in every if client in ("", one.client)]
    if not every:
        raise ConfigurationError(
            f"no fault of {plain(id)} is kept in {kept.folder} of this machine, "
            f"{socket.gethostname()}. A service's fault is on the machine whose log says that its "
            "fault was rewritten, unless it has become too old, or too many came after it. A fault "
            "that is the gateway's own was not rewritten: its request is in quarantine "
            f"(gateway quarantine show {plain(id)})."
        )
    if not found:
        raise ConfigurationError(
            f"{plain(id)} is an id of {clients}, not of {plain(client)!r}: correct --client, or "
            "leave it out."
        )
    if len(found) > 1:
        raise ConfigurationError(
            f"{plain(id)} is an id that several clients have ({clients}): name one with --client."
        )
    return found[0]


def _values(original: Original) -> dict[str, Any]:
    values = {**asdict(original), "since": moment(original.since)}
    del values["body"]
    return values


def _text(original: Original) -> str:
    return original.body.decode("utf-8", "backslashreplace")


def _shown(original: Original) -> str:
    """Return all of it for a person; nothing in it can steer a terminal."""
    values = {**_values(original), "rewritten": ", ".join(original.rewritten)}
    head = [f"{name:14}{plain(str(value))}" for name, value in values.items() if value != ""]
    lines = [plain(line.expandtabs(4)) for line in _text(original).splitlines()]
    is_cut = len(original.body) < original.size
    cut = [f"... and {original.size - len(original.body)} bytes that are not kept"]
    return "\n".join([*head, "", *lines, *(cut if is_cut else [])])
