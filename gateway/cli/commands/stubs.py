"""``gateway stubs``: Python to call a service with, or to be one, written from its WSDL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.markup import escape

from gateway.cli import streams
from gateway.cli.notes import VerboseOption, of_model, show
from gateway.cli.options import with_options
from gateway.contract import Contract, load
from gateway.contract.border import doing
from gateway.errors import ConfigurationError, ContractError, OfAnotherHost
from gateway.generate.contract.reading import ports, read
from gateway.generate.model import Model
from gateway.generate.naming import snake
from gateway.generate.python import describing
from gateway.generate.python.changes import Changes, diff
from gateway.generate.python.client import ClientOptions, render
from gateway.generate.python.files import Written, check_module, write
from gateway.generate.python.filling import ServiceFiles, difference, service_files, write_service
from gateway.provision.publishing import HERE, relative
from gateway.settings import NAMED, is_name
from gateway.stubs.embedded import pack


@dataclass(frozen=True, kw_only=True)
class StubsOptions:
    """The options of the command: what is written, and how."""

    client: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a client to this file.")
    ] = None
    service: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a service to fill in to this file, and its base beside it."
        ),
    ] = None
    service_name: Annotated[
        str, typer.Option(metavar="NAME", help="The service's name in gateway.toml.")
    ] = ""
    port: Annotated[str, typer.Option(help="One of the contract's ports. Default: the first.")] = ""
    is_async: Annotated[bool, typer.Option("--async", help="A client for asyncio.")] = False
    embed: Annotated[
        bool,
        typer.Option(
            "--embed", help="Include the contract: requests are checked before they are sent."
        ),
    ] = False
    host: Annotated[
        list[str] | None, typer.Option(help="A host that the contract may import from.")
    ] = None
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing: show what would change.")] = (
        False
    )
    force: Annotated[
        bool, typer.Option("--force", help="Write over a file that this command did not write.")
    ] = False
    verbose: VerboseOption = False


@with_options(StubsOptions)
def stubs(
    wsdl: Annotated[str, typer.Argument(help="The contract: a file, or its URL.")],
    wanted: StubsOptions,
) -> None:
    """Write a typed client for a service, or a service to fill in, from its WSDL."""
    _check(wanted)
    console = streams.console(stderr=True)
    with console.status(f"reading {escape(streams.shown(wsdl))}"):
        contract = load_wsdl(wsdl, wanted.host or ())
        model = read(contract, wanted.port)
    if not model.operations:
        raise ContractError(
            f"{wsdl}: no operation of port {model.port.name} can be called from a stub: "
            f"{'; '.join(describing.grouped_gaps(model))}"
        )
    with console.status("writing"), doing("writing Python for it", wsdl):
        client = _client(wanted, wsdl, contract, model) if wanted.client else ""
        files = service_files(wanted.service, model, _called(wsdl)) if wanted.service else None
    if wanted.diff:
        _show_difference(wanted.client, client, files)
        return
    if wanted.client:
        _show(write(wanted.client, client, force=wanted.force), model)
    if files:
        _fill(files, model, wanted.force, console)
    show([*_other_ports(model, ports(contract)), *of_model(model, verbose=wanted.verbose)], console)


def _check(wanted: StubsOptions) -> None:
    if wanted.client is None and wanted.service is None:
        raise ConfigurationError("name what to write: --client FILE, --service FILE, or both.")
    for path in filter(None, (wanted.client, wanted.service)):
        check_module(path)
    if wanted.service_name and not is_name(wanted.service_name):
        raise ConfigurationError(
            f"--service-name: {wanted.service_name!r} is not a service's name: it must have "
            f"{NAMED}."
        )


def _fill(files: ServiceFiles, model: Model, force: bool, console: Console) -> None:
    written, told = write_service(files, model, force=force)
    for one in written:
        _show(one, model)
    _show_changes(told, files, console)


def _client(wanted: StubsOptions, wsdl: str, contract: Contract, model: Model) -> str:
    options = ClientOptions(
        source=_called(wsdl),
        service=wanted.service_name or snake(model.port.class_name),
        is_async=wanted.is_async,
        embedded=_packed(contract) if wanted.embed else "",
    )
    return render(model, options)


def _show_difference(path: Path | None, client: str, files: ServiceFiles | None) -> None:
    """Print what would change, as patch reads it; the status is 1 where anything would."""
    old = path.read_text("utf-8", "replace") if path and path.exists() else ""
    told = (diff(old, client, str(path)) if path else "") + (difference(files) if files else "")
    typer.echo(told, nl=False)
    raise typer.Exit(bool(told))


def _show_changes(told: Changes, files: ServiceFiles, console: Console) -> None:
    """Tell a person what to look at in the file that was filled in."""
    base, own = files.base_path.name, files.path.name
    lines = [
        f"new, and answered 'not implemented' until {own} has it: {', '.join(told.added)}"
        if told.added
        else "",
        f"has other parameters or another result now, see {base}: {', '.join(told.changed)}"
        if told.changed
        else "",
        f"gone from the contract: {', '.join(told.removed)}" if told.removed else "",
        f"is no longer called, and can be removed from {own}: {', '.join(told.orphans)}"
        if told.orphans
        else "",
    ]
    for line in filter(None, lines):
        console.print(f"[yellow]![/] {escape(line)}")


def load_wsdl(location: str, hosts: Iterable[str]) -> Contract:
    """Load a contract from a file, with what lies beside it, or from a URL and its host.

    Raises ContractError.
    """
    try:
        if location.lower().startswith(("http://", "https://")):
            allowed = frozenset({urlsplit(location).netloc, *hosts})
            return load(location, folder=Path.cwd(), hosts=allowed)
        path = Path(location)
        return load(path.name, folder=path.parent, hosts=frozenset(hosts))
    except OfAnotherHost as error:
        raise ContractError(f"{error} with --host") from error


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
    streams.console().print(line)


def _other_ports(model: Model, known: Iterable[tuple[str, str]]) -> list[str]:
    """Return a line for the ports that are not in the stub, where there are any."""
    others = [name for _, name in known if name != model.port.name]
    return [f"other ports, to be chosen with --port: {', '.join(others)}"] if others else []
