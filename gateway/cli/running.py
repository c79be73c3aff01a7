"""Running a coroutine as a daemon does: on a fast loop, until a signal."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from uvloop import new_event_loop

from gateway.assembly import Asked
from gateway.cli.signals import STOPPING, Signals, end_by
from gateway.errors import StoppedEarly

T = TypeVar("T")

log = logging.getLogger(__name__)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The settings.", metavar="gateway.toml")
]


def run_until_stopped(
    daemon: Callable[[Asked], Awaitable[None]],
    signals: Signals | None = None,
    sentinel: int | None = None,
) -> None:
    """Run a daemon until a signal asks it to stop; a second signal ends it at once.

    So does a ``sentinel``, a file that becomes readable when the parent process is gone. One that
    was asked to stop before it was ready has not done what it was started for: it ends by the
    signal itself.

    Raises what the daemon raises.
    """
    signals = signals or Signals(STOPPING)

    async def main() -> None:
        asked = Asked()
        signals.listen(asked)
        if sentinel is not None:
            loop = asyncio.get_running_loop()
            loop.add_reader(sentinel, _orphaned, loop, sentinel, asked.stop)
        await daemon(asked)

    try:
        run(main())
    except StoppedEarly as early:
        log.warning("%s", early)
        end_by(signals.stopped_by or signal.SIGTERM)


def _orphaned(loop: asyncio.AbstractEventLoop, sentinel: int, stop: asyncio.Event) -> None:
    loop.remove_reader(sentinel)  # it stays readable
    stop.set()


def run(main: Awaitable[T]) -> T:
    """Run a coroutine on the fastest loop there is."""

    # What is there now stays; a collection that looks at it all again and again costs a call in
    # twenty. Rarer ones are cheap: what a call leaves behind in cycles is small.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)

    async def whole() -> T:
        return await main

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(whole())
