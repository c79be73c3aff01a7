"""``gateway status``: how many requests are in the queue, once or again and again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live
from rich.markup import escape

from gateway import assembly
from gateway.cli import streams
from gateway.cli.running import ConfigOption, run
from gateway.queue import QueueStatus
from gateway.queues.registry import open_queue
from gateway.settings import Settings, read

PAUSE = 2.0
"""Seconds between two looks."""
PAID_PAUSE = 5.0
"""The same where each look costs money."""
UNITS = ((2 * 86400.0, 86400.0, "days"), (3600.0, 3600.0, "h"), (60.0, 60.0, "min"))
"""From how many seconds on an age is told in a unit, and the unit's length."""

Show = Callable[[QueueStatus], None]


def status(
    config: ConfigOption = Path("gateway.toml"),
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Look again every 2 s until Ctrl-C; on S3 and SQS every 5 s: each look costs.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Show each look as one line of JSON.")
    ] = False,
) -> None:
    """Show how many requests wait, are in flight, and are in quarantine."""
    settings = read(config)
    pause = PAID_PAUSE if assembly.queue_abilities(settings).is_paid else PAUSE
    is_ended_by_hand = contextlib.suppress(KeyboardInterrupt) if watch else contextlib.nullcontext()
    with is_ended_by_hand, _display(settings.queue, watch, as_json) as show:
        run(_look(settings, show, pause if watch else None))


async def _look(settings: Settings, show: Show, pause: float | None) -> None:
    """Show the status of the queue; again after each pause, where there is one."""
    opening = open_queue(settings.queue, settings.folder, assembly.queue_options(settings))
    async with contextlib.aclosing(await opening) as queue:
        show(await queue.status())
        while pause is not None:
            await asyncio.sleep(pause)
            show(await queue.status())


@contextlib.contextmanager
def _display(address: str, watch: bool, as_json: bool) -> Iterator[Show]:
    """Give what shows each look: in place at a terminal, else line after line."""
    console = streams.console()
    if as_json:
        yield lambda found: typer.echo(_as_json(found))
    elif not watch:
        yield lambda found: console.print(_table(address, found))
    elif console.is_interactive:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda found: live.update(_table(address, found), refresh=True)
    else:
        yield lambda found: console.print(_line(found))


def _as_json(found: QueueStatus) -> str:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return json.dumps({"time": moment, "depth": found.depth, **asdict(found)})


def _table(address: str, found: QueueStatus) -> str:
    rows = [("queue", escape(address)), *_cells(found)]
    if found.quarantined:
        rows[-1] = ("quarantine", f"[yellow]{rows[-1][1]}[/]")
    return "\n".join(f"{name:10}  {text}" for name, text in rows)


def _line(found: QueueStatus) -> str:
    cells = ", ".join(f"{name} {text}" for name, text in _cells(found))
    return f"{time.strftime('%H:%M:%S')}  {cells}"


def _cells(found: QueueStatus) -> list[tuple[str, str]]:
    """Return the names and values that a person is shown; the quarantine is the last."""
    about = "" if found.is_exact else "about "
    oldest = "none" if not found.depth else "not known" if found.oldest is None else None
    return [
        ("waiting", f"{about}{found.waiting}"),
        ("in flight", "not known" if found.in_flight is None else f"{about}{found.in_flight}"),
        ("oldest", oldest or _age(found.oldest or 0.0)),
        ("quarantine", "not known" if found.quarantined is None else f"{found.quarantined}"),
    ]


def _age(seconds: float) -> str:
    """Return an age as a person says it."""
    for least, unit, name in UNITS:
        if seconds >= least:
            return f"{seconds // unit:.0f} {name}"
    return f"{seconds // 1:.0f} s"
