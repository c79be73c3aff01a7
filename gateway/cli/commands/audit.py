"""``gateway audit``: looks whether an audit log was changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.streams import plain
from gateway.errors import ConfigurationError
from gateway.observe.audit.verify import AuditFinding, Verification
from gateway.observe.audit.verify import verify as verified

app = typer.Typer(
    help="The audit log: verify that nobody changed it.",
    no_args_is_help=True,
)


@app.callback()
def common() -> None:
    """Make a group of it, though there is one command."""


@app.command()
def verify(
    files: Annotated[
        list[Path], typer.Argument(help="The files, the oldest first.", metavar="FILE...")
    ],
    holds: Annotated[
        str, typer.Option(help="The hash of a line that must be there, as the log named it.")
    ] = "",
) -> None:
    """Follow the chain of hashes through the lines, and say where it breaks."""
    for path in files:
        _check_is_log(path)
    found = verified(files, holds.strip().lower())
    for finding in found.findings:
        typer.echo(_line(finding), err=finding.is_break)
    if holds and not found.is_wanted_here:
        typer.echo(
            f"{holds}: no line has this hash: it was changed, or the end is cut off", err=True
        )
    for chain, last in found.chains.items():
        typer.echo(f"chain {plain(chain)}: ends with number {last.number}, {last.hash}")
    typer.echo(_summary(found))
    if not found.is_whole:
        raise typer.Exit(1)


def _check_is_log(path: Path) -> None:
    """Raise ConfigurationError for a file without a line that was ever one of a log."""
    try:
        with path.open("rb") as lines:
            is_log = path.stat().st_size == 0 or any(line.startswith(b"{") for line in lines)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    if not is_log:
        raise ConfigurationError(
            f"{path} is not an audit log: name the file that audit.file names."
        )


def _line(finding: AuditFinding) -> str:
    mark = "" if finding.is_break else "note: "
    return f"{mark}{finding.path}, line {finding.line} {finding.text}"


def _summary(found: Verification) -> str:
    if not found.lines:
        return "no lines: nothing was written yet, or all of it is gone"
    lines = "1 line" if found.lines == 1 else f"{found.lines} lines"
    return f"{lines}: {'every chain is whole' if found.is_whole else 'NOT WHOLE'}"
