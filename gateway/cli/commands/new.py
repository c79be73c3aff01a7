"""``gateway new``: a folder with all that a service needs, from its WSDL."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.markup import escape

from gateway.cli import streams
from gateway.cli.notes import VerboseOption, of_model, show
from gateway.cli.options import with_options
from gateway.contract import Contract, fetch, from_documents
from gateway.contract.border import doing
from gateway.errors import ConfigurationError, ContractError, OutOfBounds
from gateway.generate.contract.reading import read as read_model
from gateway.generate.model import Model
from gateway.generate.python import describing
from gateway.generate.python.client import ClientOptions, render
from gateway.generate.python.service import ServiceNames, render_base, render_service, render_test
from gateway.queues.registry import abilities_of
from gateway.settings import is_http, read

QUEUE = "sqlite:///queue.db"


@dataclass(frozen=True, kw_only=True)
class NewOptions:
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


@with_options(NewOptions)
def new(
    name: Annotated[str, typer.Argument(help="The service, and the folder that is made for it.")],
    wanted: NewOptions,
) -> None:
    """Make a folder for a service: settings, contract, and what to call it with."""
    target = Path.cwd() / name
    check_name(name, target.parent)
    check_wsdl(wanted.wsdl)
    abilities_of(wanted.queue)
    with _progress() as say:
        hosts = wanted.contract_host or ()
        documents = _fetch(wanted.wsdl, name, wanted.contract_folder, hosts, say)
        say("understanding the contract")
        contract = from_documents(documents, f"{name}.wsdl")
        model = read_model(contract, wanted.port)
        say("writing")
        files = {f"{CONTRACT}/{key}": data for key, data in documents.items()}
        with doing("writing Python for it", wanted.wsdl):
            files |= python_files(model, name, wanted.host)
        files["gateway.toml"] = settings(name, wanted.queue, model, wanted.host).encode()
        with made_whole(target) as folder:
            write(folder, files)
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


CONTRACT = "wsdl"
"""The folder of the contract, inside of the project's."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")

_FORWARDED = """\
# forward = "http://10.1.2.3/Service"    # where the service is, if not where its WSDL says
"""
_HOSTED = """\
host = {host}
"""
_SETTINGS = """\
queue = {queue}

[services.{name}]
wsdl = "{contract}/{name}.wsdl"
{answers}# repeatable = [{operation}]    # these only read; all others are never carried out twice
"""


def check_name(name: str, folder: Path) -> None:
    """Raise ConfigurationError where a project cannot have this name, or its folder is taken."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is not a name for a service: use 1 to 64 letters, digits, '_' or '-', "
            "a letter first."
        )
    if os.path.lexists(folder / name):
        raise ConfigurationError(
            f"{name} exists already, and is left as it is: choose another name, or move it away."
        )


def check_wsdl(place: str) -> None:
    """Raise ConfigurationError where a WSDL is neither said to be a file nor at an address."""
    if not place or ("://" in place and not is_http(place)):
        raise ConfigurationError(
            f"--wsdl: {place!r} is neither a path nor an HTTP address: name the WSDL's."
        )


def python_files(model: Model, name: str, host: bool) -> Mapping[str, bytes]:
    """Return the stubs of a project: a client, and, to ``host``, a service with one test.

    Raises ContractError where there is no operation to host; without one there is no client.
    """
    if not model.operations:
        if host:
            raise ContractError(
                f"no operation of port {model.port.name} can be hosted from a stub: "
                f"{'; '.join(describing.grouped_gaps(model))}"
            )
        return {}
    stem, source = _stem(name), f"{name}.wsdl"
    client = render(model, ClientOptions(source=source, service=name))
    files = {f"{stem}_client.py": client}
    if host:
        names = ServiceNames.of(model, f"{stem}_service")
        files[f"{names.base_module}.py"] = render_base(model, names, source)
        files[f"{names.module}.py"] = render_service(model, names)
        files[f"test_{stem}.py"] = render_test(model, names)
    return {path: text.encode() for path, text in files.items() if text}


def settings(name: str, queue: str, model: Model, host: bool) -> str:
    """Return the text of ``gateway.toml``."""
    own = ServiceNames.of(model, f"{_stem(name)}_service")
    return _SETTINGS.format(
        name=name,
        queue=_quoted(queue),
        contract=CONTRACT,
        answers=_HOSTED.format(host=_quoted(f"{own.module}:{own.own}")) if host else _FORWARDED,
        operation=_quoted(model.operations[0].name if model.operations else "GetOrder"),
    )


def _stem(name: str) -> str:
    """Return a name as modules begin with it."""
    return name.replace("-", "_").lower()


def _quoted(text: str) -> str:
    """Return a text as a basic string of TOML, on one line whatever is in it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    inside = "".join(one if one.isprintable() else rf"\U{ord(one):08x}" for one in escaped)
    return f'"{inside}"'


@contextlib.contextmanager
def made_whole(target: Path) -> Iterator[Path]:
    """Yield a folder to fill beside ``target``; it takes that name in the end, or is gone.

    Raises ConfigurationError where nothing can be written, or the name was taken meanwhile.
    """
    unseen = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        unseen.mkdir()
    except OSError as error:
        raise ConfigurationError(
            f"{target.parent}: no folder can be made here ({error.strerror}): work elsewhere."
        ) from error
    try:
        yield unseen
        # Making it fails where anything has the name; an empty folder is then replaced at once.
        target.mkdir()
        unseen.rename(target)
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be made: {error.strerror}.") from error
    finally:
        shutil.rmtree(unseen, ignore_errors=True)


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files by their paths inside a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
