"""The embedded queue under real processes: a clock that is set back."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from deployment import ROOT, end, free_port, log_of, start

from gateway.message import Message
from gateway.queue import State
from gateway.queues.sqlite import SqliteQueue

FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
SOON = 30.0
GET_ORDER = ROOT / "tests" / "golden" / "envelopes" / "get_order_11.xml"
SETTINGS = """\
queue = "sqlite:///queue.db"

[services.warehouse]
wsdl = "{wsdl}"
forward = "http://127.0.0.1:{port}/warehouse"
repeatable = ["GetOrder"]
"""


@contextlib.asynccontextmanager
async def opened(path: Path):
    queue = await SqliteQueue.open(path)
    try:
        yield queue
    finally:
        await queue.aclose()


def request() -> Message:
    return Message(
        body=GET_ORDER.read_bytes(),
        content_type="text/xml; charset=utf-8",
        target_service="warehouse",
        sender="alice",
    )


async def logged(path: Path, text: str) -> None:
    """Wait until a log has a text."""
    async with asyncio.timeout(SOON):
        while text not in path.read_text():
            await asyncio.sleep(0.05)


@pytest.mark.skipif(not FAKETIME, reason="libfaketime is not here: apt-get install libfaketime")
async def test_what_waits_is_carried_out_although_the_clock_is_set_back(tmp_path, monkeypatch):
    clock, settings, port = tmp_path / "clock", tmp_path / "gateway.toml", free_port()
    wsdl = ROOT / "wsdl" / "warehouse.wsdl"
    settings.write_text(SETTINGS.format(wsdl=wsdl, port=port))
    clock.write_text("+0")
    with monkeypatch.context() as faked:
        faked.setenv("LD_PRELOAD", str(FAKETIME[0]))
        faked.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        faked.setenv("FAKETIME_NO_CACHE", "1")
        faked.setenv("FAKETIME_TIMESTAMP_FILE", str(clock))
        serving = start("serve", settings)
    log = log_of(settings)
    try:
        async with opened(tmp_path / "queue.db") as queue:
            await queue.send(sent := request())
            await logged(log, sent.id)  # the service is down: it was given back
            clock.write_text("-2h")
            await logged(log, "the clock of this machine was set back by")
            command = [sys.executable, "-P", "-m", "gateway.demo.legacy", "--port", str(port)]
            legacy = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            try:
                assert (await queue.collect("alice", sent.id, 60.0)).state is State.REPLY
            finally:
                end(legacy)
    finally:
        end(serving)
