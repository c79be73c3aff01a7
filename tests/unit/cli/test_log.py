"""The log: whole lines, in order, none lost, and nothing in them that could break out of a line."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
import threading

import pytest

from gateway.cli.log import GATHER, Gathering, JsonLines, LogLevel, Readable
from gateway.errors import ConfigurationError, Unanswered


@pytest.fixture
def log():
    """A logger with a handler of ours, and what it wrote so far."""
    handler = Gathering()
    handler.setFormatter(JsonLines())
    handler.stream = io.StringIO()
    logger = logging.getLogger("test-log")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(handler)
    yield logger, lambda: [json.loads(line) for line in handler.stream.getvalue().splitlines()]
    logger.removeHandler(handler)


async def test_lines_are_written_together_a_moment_later(log):
    logger, written = log
    logger.info("one")
    logger.info("two")
    assert written() == []
    await asyncio.sleep(2 * GATHER)
    assert [line["message"] for line in written()] == ["one", "two"]


async def test_a_warning_is_written_at_once_and_in_its_place(log):
    logger, written = log
    logger.info("one")
    logger.warning("two")
    assert [line["message"] for line in written()] == ["one", "two"]


def test_without_a_loop_every_line_is_written_at_once(log):
    logger, written = log
    logger.info("one")
    assert len(written()) == 1


async def test_no_line_of_many_threads_is_lost(log):
    logger, written = log
    threads = [
        threading.Thread(target=lambda: [logger.info("x") for _ in range(200)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for _ in range(200):
        logger.info("x")
    for thread in threads:
        await asyncio.to_thread(thread.join)
    await asyncio.sleep(2 * GATHER)
    assert len(written()) == 1000


@pytest.mark.parametrize("formatter", [JsonLines(), Readable()])
def test_what_a_text_holds_stays_on_its_line(formatter):
    record = logging.makeLogRecord({"msg": "a\nINFO forged\x1b[31m \x00", "levelname": "INFO"})
    text = formatter.format(record)
    assert not {"\n", "\x1b", "\x00"} & set(text)


@pytest.mark.parametrize("formatter", [JsonLines(), Readable()])
def test_a_failure_carries_its_traceback_and_no_text_of_others(formatter):
    text = formatter.format(failure())
    assert "test_log.py" in text
    assert "in failing" in text
    for kind in ("KeyError", "ValueError", "ExceptionGroup", "ConfigurationError", "Unanswered"):
        assert kind in text
    assert "canary" not in text
    assert "our own words" in text


CANARY = "can" + "ary"  # in no line of code that a traceback shows


def failing(error, cause=None):
    raise error from cause


def failure():
    """Return the record of an error with others in it, and behind it."""
    try:
        try:
            {}[CANARY]
        except KeyError:
            errors = [
                ValueError(CANARY),
                ConfigurationError(CANARY),
                Unanswered("our own words"),
            ]
            failing(ExceptionGroup(CANARY, errors), OSError(CANARY))
    except ExceptionGroup:
        exc_info = sys.exc_info()
    # The cause hides what was being dealt with: raise it once more, without one.
    exc_info[1].__cause__ = None
    exc_info[1].__suppress_context__ = False
    return logging.makeLogRecord({"msg": "failed", "levelname": "ERROR", "exc_info": exc_info})


def test_an_exception_that_nobody_took_shows_no_text():
    text = "Task exception was never retrieved\nfuture: <Task exception=ValueError('canary')>"
    record = logging.makeLogRecord({"msg": text, "levelname": "ERROR", "name": "asyncio"})
    assert "canary" not in JsonLines().format(record)
    assert "never retrieved" in JsonLines().format(record)


@pytest.mark.parametrize("level", LogLevel)
def test_libraries_log_nothing_below_an_error_at_any_level(level):
    script = (
        "import logging, sys; from gateway.cli.log import LogLevel, QUIET, log_to_stderr\n"
        f"log_to_stderr(LogLevel.{level.name})\n"
        "for name in [*QUIET, 'aiohttp.client', 'zeep.wsdl', 'botocore.endpoint']:\n"
        "    logging.getLogger(name).info('canary'); logging.getLogger(name).debug('canary')\n"
        "    if name != 'asyncio': logging.getLogger(name).warning('canary')\n"
        "logging.getLogger('gateway.x').error('seen')\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True
    )
    assert "canary" not in done.stderr
    assert "seen" in done.stderr
