"""The log of a command: its lines, and what they may say of errors."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import logging
import sys
import time
import traceback
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, TextIO

import typer

from gateway.errors import cause_of, kind_of

GATHER = 0.1
"""Seconds that a line about a request may wait for others, to be written with them."""
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


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


LogOption = Annotated[
    LogLevel, typer.Option("--log-level", help="info has a line for each request.")
]


def log_to_stderr(level: LogLevel) -> None:
    """Log readable lines to a terminal, JSON lines to anything else."""
    handler = Gathering()
    handler.setFormatter(Readable() if sys.stderr.isatty() else JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, lowest in QUIET.items():
        logging.getLogger(name).setLevel(max(lowest, logging.getLevelNamesMapping()[level.upper()]))


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


class JsonLines(logging.Formatter):
    """One JSON object on each line, whatever its text holds."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _text_of(record),
        }
        if record.exc_info and record.exc_info[1]:
            entry["traceback"] = _traceback(record.exc_info[1])
        return json.dumps(entry)


class Readable(logging.Formatter):
    """One line for a person at a terminal, control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        text = _text_of(record).encode("unicode_escape").decode()
        line = f"{moment} {record.levelname.lower():7} {text}"
        error = record.exc_info[1] if record.exc_info else None
        return f"{line}\n{_traceback(error)}" if error else line


def _moment(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def _text_of(record: logging.LogRecord) -> str:
    """Return the text of a record; of asyncio's its first line: the others show exceptions."""
    text = record.getMessage()
    return text.partition("\n")[0] if record.name == "asyncio" else text


def _traceback(error: BaseException) -> str:
    """Return a traceback without the texts of other people's exceptions.

    These quote what they failed on: a piece of a message, a header, the name of a host.
    """
    lines = [line for one in _chain(error) for line in _told(one)]
    return "\n".join(lines)


def _chain(error: BaseException | None) -> list[BaseException]:
    """Return an error and what led to it, the first one first."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.insert(0, error)
        error = cause_of(error)
    return chain


def _told(error: BaseException) -> Iterator[str]:
    yield "Traceback (most recent call last):"
    yield from (line.rstrip() for line in traceback.format_tb(error.__traceback__))
    yield kind_of(error)
    inside = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    yield from (_traceback(one) for one in inside)
