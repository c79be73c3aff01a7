"""The commands, under one name."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from gateway.cli import outcome
from gateway.cli.audit import app as audit
from gateway.cli.call import call
from gateway.cli.check import check
from gateway.cli.client import app as client
from gateway.cli.daemons import listen, serve, up
from gateway.cli.demo import demo
from gateway.cli.fault import fault
from gateway.cli.grant import grant
from gateway.cli.new import new
from gateway.cli.policy import policy
from gateway.cli.provision import provision
from gateway.cli.publish import publish
from gateway.cli.quarantine import app as quarantine
from gateway.cli.status import status
from gateway.cli.stubs import stubs

app = typer.Typer(
    help="Carry SOAP over a queue: a service is called without ever being reachable.",
    epilog="Begin with: gateway demo",
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
    """What every command takes."""
    if tracebacks:
        outcome.show_tracebacks()


COMMANDS = (
    *(demo, new, up, serve, listen, call, check, status, fault, stubs),
    *(provision, policy, grant, publish),
)
for command in COMMANDS:
    app.command()(command)

app.add_typer(audit, name="audit", no_args_is_help=True)
app.add_typer(client, name="client", no_args_is_help=True)
app.add_typer(quarantine, name="quarantine", no_args_is_help=True)
