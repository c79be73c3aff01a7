"""Remarks on a contract, for a terminal: similar ones together, or each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from gateway.generate.model import Model
from gateway.generate.python import describing

VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Show each remark by itself, for however many operations it is."
    ),
]
HINT = "--verbose shows each of these by itself"


def of_model(model: Model, *, verbose: bool) -> Sequence[str]:
    """The remarks on a port's contract and its stub, and how to see the rest."""
    every = [*model.all_notes, *describing.gaps(model, as_list=False)]
    short = [*model.notes, *describing.grouped_gaps(model)]
    return chosen(short, every, verbose=verbose)


def chosen(short: Sequence[str], every: Sequence[str], *, verbose: bool) -> Sequence[str]:
    """Return the remarks to show; where they are not all, the last one says how to see them."""
    if verbose:
        return every
    return [*short, HINT] if len(short) < len(every) else short


def show(remarks: Sequence[str], console: Console) -> None:
    """Print remarks, a line each."""
    for one in remarks:
        console.print(f"[yellow]![/] {escape(one)}")
