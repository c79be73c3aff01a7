"""``gateway status``: what a person and a program are shown, and how watching ends."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import forks
import pytest

from gateway.cli.commands import status
from gateway.message import Message
from gateway.queue import QueueStatus
from gateway.queues.embedded.queue import SqliteQueue

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-P", "-m", "gateway", "status", "-c"]
PATIENCE = 240.0


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard():
    """Have Ctrl-C end what is started: a shell has what it starts behind itself ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """The settings of a queue in which two requests wait, and one is in quarantine."""
    (tmp_path / "warehouse.wsdl").write_bytes((ROOT / "wsdl" / "warehouse.wsdl").read_bytes())
    path = tmp_path / "gateway.toml"
    path.write_text('queue = "sqlite:///queue.db"\n[services.a]\nwsdl = "warehouse.wsdl"\n')

    async def fill() -> None:
        queue = await SqliteQueue.open(tmp_path / "queue.db")
        for _ in range(3):
            await queue.send(Message(body=b"<a/>", content_type="text/xml", sender="alice"))
        (delivery,) = await queue.receive(1, 240)
        await delivery.quarantine("refused", None)
        await queue.aclose()

    asyncio.run(fill())
    return path


def test_a_person_is_shown_a_line_for_each_number(settings):
    done = forks.run(["status", "-c", settings], settings.parent)
    assert (done.returncode, done.stderr) == (0, "")
    names = [line[:12].strip() for line in done.stdout.splitlines()]
    values = [line[12:] for line in done.stdout.splitlines()]
    assert names == ["queue", "waiting", "in flight", "oldest", "quarantine"]
    assert values[0:3] == ["sqlite:///queue.db", "2", "0"]
    assert values[3].endswith(" s")
    assert values[4] == "1"


def test_a_program_is_shown_an_object(settings):
    done = forks.run(["status", "-c", settings, "--json"], settings.parent)
    shown = json.loads(done.stdout)
    assert 0 <= shown.pop("oldest") < PATIENCE
    assert time.strptime(shown.pop("time"), "%Y-%m-%dT%H:%M:%SZ")
    assert shown == {
        "depth": 2,
        "waiting": 2,
        "in_flight": 0,
        "quarantined": 1,
        "is_exact": True,
    }


@pytest.mark.parametrize("option", ["--json", "--watch"])
def test_watching_shows_a_line_for_each_look_until_ctrl_c(settings, option):
    process = subprocess.Popen(
        [*COMMAND, settings, "--watch", option],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, rest, errors) == (0, "", "")
    for line in lines:
        if option == "--json":
            assert json.loads(line)["waiting"] == 2
        else:
            assert "waiting 2, in flight 0" in line


def test_watching_at_a_terminal_shows_each_look_in_the_place_of_the_last(settings):
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(
        [*COMMAND, settings, "--watch"], stdout=theirs, stderr=theirs, env=environ
    )
    os.close(theirs)
    printed = read_until(ours, lambda shown: shown.count(b"waiting") == 2)
    process.send_signal(signal.SIGINT)
    printed += read_until(ours, lambda shown: False)
    os.close(ours)
    assert process.wait(PATIENCE) == 0
    assert printed.count(b"\x1b[1A") >= 4  # one up for each line but the first
    assert b"Traceback" not in printed
    assert b"\x1b[?25h" in printed  # the cursor is shown again


def read_until(file: int, is_enough) -> bytes:
    """Read a terminal until enough is there, or its program has ended."""
    shown = b""
    while not is_enough(shown):
        try:
            part = os.read(file, 65536)
        except OSError:  # how the end of a terminal is told
            break
        if not part:
            break
        shown += part
    return shown


def test_a_queue_that_cannot_be_opened_is_told_in_a_line(settings):
    settings.write_text(settings.read_text().replace("queue.db", "nowhere/queue.db"))
    done = forks.run(["status", "-c", settings], settings.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "there is no folder" in done.stderr


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0 s"),
        (59.4, "59 s"),
        (59.9, "59 s"),
        (60.0, "1 min"),
        (3599.0, "59 min"),
        (3600.0, "1 h"),
        (47.5 * 3600, "47 h"),
        (3.5 * 86400, "3 days"),
    ],
)
def test_an_age_is_told_in_the_unit_that_a_person_would_choose(seconds, said):
    found = QueueStatus(waiting=1, in_flight=0, oldest=seconds, quarantined=0)
    assert dict(status._cells(found))["oldest"] == said


def test_what_a_queue_cannot_tell_is_said_to_be_unknown():
    found = QueueStatus(waiting=7, in_flight=None, oldest=None, quarantined=None, is_exact=False)
    assert dict(status._cells(found)) == {
        "waiting": "about 7",
        "in flight": "not known",
        "oldest": "not known",
        "quarantine": "not known",
    }


def test_nothing_is_the_oldest_in_an_empty_queue():
    found = QueueStatus(waiting=0, in_flight=0, oldest=None, quarantined=0)
    assert dict(status._cells(found))["oldest"] == "none"
