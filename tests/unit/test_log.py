"""The log: whole lines, in order, none lost, and nothing in them that could break out of a line."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading

import pytest

from gateway.cli.running import GATHER, Gathering, JsonLines, Readable


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


def test_a_failure_carries_its_traceback(log):
    logger, written = log
    try:
        raise ValueError("why")
    except ValueError:
        logger.exception("failed")
    assert "ValueError: why" in written()[0]["traceback"]
