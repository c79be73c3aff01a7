"""``gateway stubs``: Python to call a service with, written from its WSDL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.markup import escape

from gateway.cli.options import with_options
from gateway.contract import Contract, load
from gateway.errors import ConfigurationError, ContractError
from gateway.provision.publishing import HERE, relative
from gateway.stub.embedded import pack
from gateway.stubs import describing
from gateway.stubs.client import ClientOptions, render
from gateway.stubs.files import Written, write
from gateway.stubs.model import Model
from gateway.stubs.naming import snake
from gateway.stubs.reading import ports, read


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is written, and how: the options of the command."""

    client: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a client to this file.")
    ] = None
    service_name: Annotated[
        str, typer.Option(metavar="NAME", help="The service's name in gateway.toml.")
    ] = ""
    port: Annotated[str, typer.Option(help="One of the contract's ports; else the first.")] = ""
    is_async: Annotated[bool, typer.Option("--async", help="A client for asyncio.")] = False
    embed: Annotated[
        bool, typer.Option("--embed", help="Put the contract into it: requests are checked first.")
    ] = False
    host: Annotated[
        list[str] | None, typer.Option(help="A host that the contract may import from.")
    ] = None
    force: Annotated[
        bool, typer.Option("--force", help="Write over a file that was not written by this.")
    ] = False


@with_options(Wanted)
def stubs(
    wsdl: Annotated[str, typer.Argument(help="The contract: a file, or its URL.")], wanted: Wanted
) -> None:
    """Write a typed client for a service, from its WSDL."""
    if wanted.client is None:
        raise ConfigurationError("name what to write: --client FILE.")
    console = Console(stderr=True, soft_wrap=True)
    with console.status(f"reading {escape(wsdl)}"):
        contract = load_wsdl(wsdl, wanted.host or ())
        model = read(contract, wanted.port)
    if not model.operations:
        raise ContractError(
            f"{wsdl}: no operation of port {model.port.name} can be called from a stub: "
            f"{'; '.join(describing.gaps(model, as_list=False))}"
        )
    with console.status("writing"):
        written = [_client(wanted.client, wanted, wsdl, contract, model)]
    for one in written:
        _show(one, model)
    _show_notes(model, ports(contract), console)


def _client(path: Path, wanted: Wanted, wsdl: str, contract: Contract, model: Model) -> Written:
    options = ClientOptions(
        source=_called(wsdl),
        service=wanted.service_name or snake(model.port.class_name),
        is_async=wanted.is_async,
        embedded=_packed(contract) if wanted.embed else "",
    )
    return write(path, render(model, options), force=wanted.force)


def load_wsdl(location: str, hosts: Iterable[str]) -> Contract:
    """Load a contract from a file, with what lies beside it, or from a URL and its host.

    Raises ContractError.
    """
    if location.lower().startswith(("http://", "https://")):
        allowed = frozenset({urlsplit(location).netloc, *hosts})
        return load(location, folder=Path.cwd(), hosts=allowed)
    path = Path(location)
    return load(path.name, folder=path.parent, hosts=frozenset(hosts))


def _called(location: str) -> str:
    """Return the last part of a location: where a contract lies differs between machines."""
    return urlsplit(location).path.rpartition("/")[2] or location


def _packed(contract: Contract) -> str:
    files = relative(contract.publish(HERE), "queue:")
    return pack(dict(reversed(files.items())))  # the WSDL comes last there


def _show(written: Written, model: Model) -> None:
    count = len(model.operations)
    told = f"{count} operation{'s' if count != 1 else ''} of port {model.port.name}"
    line = f"[green]{written}[/]  {escape(str(written.path))}  {escape(told)}"
    Console(soft_wrap=True).print(line, highlight=False)


def _show_notes(model: Model, known: Iterable[tuple[str, str]], console: Console) -> None:
    """Tell what is not in the stub: other ports, and what could not be expressed."""
    others = [name for _, name in known if name != model.port.name]
    notes = [f"other ports, to be chosen with --port: {', '.join(others)}"] if others else []
    for note in (*notes, *model.notes, *describing.gaps(model, as_list=False)):
        console.print(f"[yellow]![/] {escape(note)}", highlight=False)
