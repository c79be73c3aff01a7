"""``gateway provision``: makes in AWS what the queue's address needs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from gateway.cli import streams
from gateway.cli.running import ConfigOption
from gateway.errors import ConfigurationError
from gateway.provision.desired import Desired, desire
from gateway.provision.pieces import Action, Step, carry_out, look
from gateway.provision.plan import pieces, remember
from gateway.provision.templates import cloudformation, refuse_other_clouds
from gateway.provision.terraform import terraform
from gateway.settings import Settings, read

_COLORS = {
    Action.CREATE: "green",
    Action.CHANGE: "yellow",
    Action.KEEP: "dim",
    Action.SKIP: "dim",
}


class Template(StrEnum):
    """For whom a template is written."""

    CLOUDFORMATION = "cloudformation"
    TERRAFORM = "terraform"


def provision(
    config: ConfigOption = Path("gateway.toml"),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: Annotated[
        Template | None, typer.Option(help="Write a template instead; AWS is not asked.")
    ] = None,
) -> None:
    """Make the bucket and the queues that the settings name; what is right already is kept."""
    desired = desired_by(read(config))
    if output is not None:
        refuse_other_clouds(desired)
        make = terraform if output is Template.TERRAFORM else cloudformation
        typer.echo(json.dumps(make(desired), indent=2))
        return
    console = streams.console()
    steps = look(pieces(desired))
    _show(steps, console)
    if not any(step.is_change for step in steps):
        console.print("nothing to do")
        return
    if not yes:
        _ask()
    remember(desired, _carry_out(steps, console))


def desired_by(settings: Settings) -> Desired:
    """The pieces that the settings need. Raises ConfigurationError where nothing is on AWS."""
    return desire(settings.queue, settings.provision, settings.quarantine)


def _show(steps: Sequence[Step], console: Console) -> None:
    """Print the plan, a line for each piece: its width is the reader's affair."""
    width = max(len(step.piece.subject) for step in steps)
    for step in steps:
        action = f"[{_COLORS[step.action]}]{step.action:7}[/]"
        subject = escape(f"{step.piece.subject:{width}}")
        console.print(f"{action} {subject}  {escape(step.text)}")


def _ask() -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError("there is no terminal to ask on: add --yes to carry this out.")
    typer.confirm("Carry this out?", abort=True)


def _carry_out(steps: Sequence[Step], console: Console) -> list[Step]:
    """Do what is to be done, a line for each, and return it; the first that fails ends it."""
    tried = []
    for step in steps:
        done = carry_out(step)
        if step.is_change:
            tried.append(done)
            mark = "[yellow]![/]" if done.action is Action.SKIP else "[green]✓[/]"
            subject = escape(step.piece.subject.strip())
            console.print(f"{mark} {subject}  {escape(done.text)}")
    return tried
