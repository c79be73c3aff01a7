"""``gateway new``: a folder with all that a service needs, from its WSDL."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.markup import escape

from gateway.cli import streams
from gateway.cli.commands import new_folder
from gateway.cli.notes import VerboseOption, of_model, show
from gateway.cli.options import with_options
from gateway.contract import Contract, fetch, from_documents
from gateway.contract.border import doing
from gateway.errors import ContractError, OutOfBounds
from gateway.generate.contract.reading import read as read_model
from gateway.queues.registry import abilities_of
from gateway.settings import is_http, read

QUEUE = "sqlite:///queue.db"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The options of the command: what is made, and from what."""

    wsdl: Annotated[str, typer.Option(help="Its WSDL: a file, or an address.")]
    queue: Annotated[str, typer.Option(help="The queue, as in gateway.toml.")] = QUEUE
    host: Annotated[
        bool, typer.Option("--host", help="Also make a service to fill in, and an example test.")
    ] = False
    port: Annotated[str, typer.Option(help="One of the contract's ports. Default: the first.")] = ""
    contract_host: Annotated[
        list[str] | None,
        typer.Option(help="Another host that documents of the contract may come from."),
    ] = None
    contract_folder: Annotated[
        Path | None,
        typer.Option(help="The folder of the contract's files, where it is not the WSDL's own."),
    ] = None
    verbose: VerboseOption = False


@with_options(Wanted)
def new(
    name: Annotated[str, typer.Argument(help="The service, and the folder that is made for it.")],
    wanted: Wanted,
) -> None:
    """Make a folder for a service: settings, contract, and what to call it with."""
    target = Path.cwd() / name
    new_folder.check_name(name, target.parent)
    new_folder.check_wsdl(wanted.wsdl)
    abilities_of(wanted.queue)
    with _progress() as say:
        hosts = wanted.contract_host or ()
        documents = _fetch(wanted.wsdl, name, wanted.contract_folder, hosts, say)
        say("understanding the contract")
        contract = from_documents(documents, f"{name}.wsdl")
        model = read_model(contract, wanted.port)
        say("writing")
        files = {f"{new_folder.CONTRACT}/{key}": data for key, data in documents.items()}
        with doing("writing Python for it", wanted.wsdl):
            files |= new_folder.python_files(model, name, wanted.host)
        settings = new_folder.settings(name, wanted.queue, model, wanted.host)
        files["gateway.toml"] = settings.encode()
        with new_folder.made_whole(target) as folder:
            new_folder.write(folder, files)
            read(folder / "gateway.toml")
    _show(name, contract, files, of_model(model, verbose=wanted.verbose))


def _fetch(
    wsdl: str, name: str, folder: Path | None, hosts: Sequence[str], say: Callable[[str], None]
) -> Mapping[str, bytes]:
    """Return the documents of the contract, by the names of their files."""
    is_web = is_http(wsdl)
    # The folder as it is, not as a link names it: what is read must be below it.
    location = wsdl if is_web else str(Path(wsdl).absolute().parent.resolve() / Path(wsdl).name)
    own = {urlsplit(wsdl).netloc} if is_web else set()
    try:
        return fetch(
            location,
            name,
            folder=folder or Path(location if not is_web else ".").parent,
            hosts=frozenset(own | set(hosts)),
            opened=lambda one: say(f"reading {one}"),
        )
    except OutOfBounds as error:
        raise ContractError(
            f"{error} (--contract-host HOST and --contract-folder FOLDER name more of them)"
        ) from error


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show what is being done, to a terminal alone; large contracts take some seconds."""
    console = streams.console(stderr=True)
    with console.status("beginning") as status:
        yield lambda text: status.update(escape(streams.shown(text)))


def _show(
    name: str, contract: Contract, files: Mapping[str, bytes], remarks: Sequence[str]
) -> None:
    console = streams.console()
    for path in sorted(files):
        console.print(f"[green]made[/]  {escape(f'{name}/{path}')}")
    show(remarks, console)
    count = len({one.name for one in contract.operations})
    told = f"{count} operation{'s' if count != 1 else ''}"
    console.print(f"\n{escape(name)} has {told}. Next:\n")
    for command in (f"cd {name}", "gateway check", "gateway up"):
        console.print(f"  {escape(command)}")
