"""``gateway client``: secrets for the clients of the listener."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer

from gateway.assembly import credentials_path
from gateway.cli.running import ConfigOption
from gateway.errors import ConfigurationError
from gateway.secrets.credentials import changing, credential, new_secret, read_credentials
from gateway.settings import NAMED, Settings, is_name, read

app = typer.Typer(
    help="Make and remove the secrets that clients show to the listener.",
    no_args_is_help=True,
)

DEFAULT = Path("gateway.toml")
NameArgument = Annotated[str, typer.Argument(help="The client's name, as in [clients.NAME].")]


@app.command()
def add(
    name: NameArgument,
    secret_file: Annotated[
        Path | None,
        typer.Option(help="Write the secret to this new file, for you alone, and do not show it."),
    ] = None,
    config: ConfigOption = DEFAULT,
) -> None:
    """Make a secret, and show it, once. Kept is only its hash.

    The client sends it as a bearer token, or as the password of basic credentials with its name.
    """
    settings = read(config)
    if not is_name(name):
        raise ConfigurationError(f"{name!r} is not a client's name: it must have {NAMED}.")
    secret = new_secret()
    path = credentials_path(settings)
    with changing(path) as known:
        known.append(credential(name, secret))
        if secret_file is not None:  # before its hash: one without the other lets nobody in
            _write(secret_file, secret)
    if secret_file is None:
        _say(f"Its hash is in {path}. The secret, shown only this once:")
        typer.echo(secret)
    else:
        _say(f"Its hash is in {path}. The secret, which only you can read, is in {secret_file}.")
    if name not in settings.clients:
        _say(
            f"{config} has no table for it, so it may call nothing yet. Add:\n"
            f'\n[clients.{name}]\nallow = ["{next(iter(settings.services))}.*"]\n'
        )


def _write(path: Path, secret: str) -> None:
    """Write a secret where nobody else can read it, nor could a moment before."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(file, "w", encoding="ascii") as opened:
            opened.write(f"{secret}\n")
    except FileExistsError as error:
        raise ConfigurationError(
            f"--secret-file: {path} exists already, and is left as it is: name another file."
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"--secret-file: {path} cannot be written: {error.strerror}."
        ) from error


@app.command("list")
def show(config: ConfigOption = DEFAULT) -> None:
    """Show each client: its secrets by their marks, and what it may call."""
    settings = read(config)
    marks = defaultdict(list)
    for one in read_credentials(credentials_path(settings)):
        marks[one.client].append(f"{one.mark} of {one.made}")
    for name in sorted({*settings.clients, *marks}):
        typer.echo(f"{name}: {', '.join(marks[name]) or 'no secret'}; {_rights(settings, name)}")
    if not settings.clients:
        _say(
            "There are no clients in the settings: anybody who reaches the listener may call "
            "everything."
        )


def _rights(settings: Settings, name: str) -> str:
    table = settings.clients.get(name)
    if table is None:
        return "not in the settings, so it is not let in"
    certificate = f"; certificate {table.certificate}" if table.certificate else ""
    return f"may call {', '.join(table.allow) or 'nothing'}{certificate}"


@app.command()
def remove(
    name: NameArgument,
    mark: Annotated[
        str, typer.Argument(help="The mark of one secret, as list shows it; without it, all.")
    ] = "",
    config: ConfigOption = DEFAULT,
) -> None:
    """Remove secrets: the listener no longer accepts them."""
    path = credentials_path(read(config))
    with changing(path) as known:
        gone = [one for one in known if one.client == name and one.mark.startswith(mark)]
        if not gone:
            which = f"secret {mark!r}" if mark else "secret"
            raise ConfigurationError(f"{name} has no {which}: gateway client list shows them.")
        known[:] = [one for one in known if one not in gone]
    _say(f"{len(gone)} of {name} removed. Running listeners notice within 5 seconds.")


def _say(text: str) -> None:
    """Tell a person; what a program wants is on the standard output alone."""
    typer.echo(text, err=True)
