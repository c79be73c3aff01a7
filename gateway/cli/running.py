"""Running a coroutine as a daemon does: fast loop, signals, log lines."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import json
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TextIO, TypeVar

import typer
from uvloop import new_event_loop

from gateway.assembly import Asked
from gateway.cli.plain_log import plain_text, plain_traceback
from gateway.cli.signals import STOPPING, Signals, end_by
from gateway.errors import StoppedEarly

T = TypeVar("T")

log = logging.getLogger(__name__)

GATHER = 0.1
"""Seconds that a line about a request may wait for others, to be written with them."""

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The settings.", metavar="gateway.toml")
]


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


LogOption = Annotated[
    LogLevel, typer.Option("--log-level", help="info has a line for each request.")
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


class JsonLines(logging.Formatter):
    """One JSON object on each line, whatever its text holds."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": plain_text(record),
        }
        if record.exc_info and record.exc_info[1]:
            entry["traceback"] = plain_traceback(record.exc_info[1])
        return json.dumps(entry)


class Readable(logging.Formatter):
    """One line for a person at a terminal, control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        text = plain_text(record).encode("unicode_escape").decode()
        line = f"{moment} {record.levelname.lower():7} {text}"
        error = record.exc_info[1] if record.exc_info else None
        return f"{line}\n{plain_traceback(error)}" if error else line


def _moment(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


class Gathering(logging.StreamHandler[TextIO]):
    """Writes lines together, a moment later; from warnings on at once.

    Every write lets another thread have the interpreter, which costs a call more than its line.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        atexit.register(self.flush)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record))
        except Exception:  # noqa: BLE001  # as every handler does: a line must not end a call
            self.handleError(record)
        if record.levelno >= logging.WARNING or not self._is_later():
            self.flush()

    def flush(self) -> None:
        self.acquire()  # as it is in emit: lines come from several threads
        try:
            lines, self._lines = self._lines, []
            with contextlib.suppress(OSError, ValueError):  # a full disk, a closed pipe
                self.stream.write("\n".join([*lines, ""]))
                super().flush()
        finally:
            self.release()

    def _is_later(self) -> bool:
        """Have what was gathered written soon; tell whether there is a loop to do it."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        if len(self._lines) == 1:
            loop.call_later(GATHER, self.flush)
        return True


QUIET = {
    "asyncio": logging.WARNING,
    "zeep": logging.ERROR,
    "urllib3": logging.ERROR,
    "requests": logging.ERROR,
    "aiohttp": logging.ERROR,
    "boto3": logging.ERROR,
    "botocore": logging.ERROR,
    "s3transfer": logging.ERROR,
}
"""Loggers of libraries, and their lowest level: below it they log messages, addresses, cookies."""


def log_to_stderr(level: LogLevel) -> None:
    """Log readable lines to a terminal, JSON lines to anything else."""
    handler = Gathering()
    handler.setFormatter(Readable() if sys.stderr.isatty() else JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, lowest in QUIET.items():
        logging.getLogger(name).setLevel(max(lowest, logging.getLevelNamesMapping()[level.upper()]))
