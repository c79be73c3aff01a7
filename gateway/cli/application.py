"""The commands, under one name. Each is loaded when it is asked for: all of them take seconds."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gateway.cli import outcome

COMMANDS = {
    "demo": "commands.demo:demo",
    "new": "commands.new:new",
    "up": "commands.daemons:up",
    "serve": "commands.daemons:serve",
    "listen": "commands.daemons:listen",
    "call": "call.command:call",
    "check": "commands.check:check",
    "status": "commands.status:status",
    "fault": "commands.fault:fault",
    "stubs": "commands.stubs:stubs",
    "provision": "commands.provision:provision",
    "policy": "commands.policy:policy",
    "grant": "commands.grant:grant",
    "publish": "commands.publish:publish",
    "audit": "commands.audit:app",
    "client": "commands.client:app",
    "quarantine": "quarantine.commands:app",
}
"""The module of each command, and its function there, or the group of commands that it is."""


class _Commands(Mapping[str, Any]):
    """The commands by their names."""

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = COMMANDS[name].partition(":")
        try:
            found = getattr(importlib.import_module(f"gateway.cli.{module}"), attribute)
        except KeyboardInterrupt:
            # The library would say that it was aborted.
            raise SystemExit(outcome.INTERRUPTED) from None
        except KeyError as error:  # a mapping would take it for a name that is not there
            raise ImportError(f"gateway {name} cannot be loaded: KeyError {error}") from error
        if isinstance(found, typer.Typer):
            built: Any = typer.main.get_group(found)
            built.name = name
            return built
        alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
        alone.command(name)(found)
        return typer.main.get_command(alone)


class _LazyGroup(TyperGroup):
    """What loads a command only when somebody asks for it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)


app = typer.Typer(
    cls=_LazyGroup,
    help="Carry SOAP over a queue: call a service that is not reachable.",
    epilog="Start with: gateway demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"soap-queue-gateway {version('soap-queue-gateway')}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    tracebacks: Annotated[
        bool, typer.Option("--traceback", help="Show where a defect is, to report it.")
    ] = False,
) -> None:
    """The options of every command."""
    if tracebacks:
        outcome.show_tracebacks()
