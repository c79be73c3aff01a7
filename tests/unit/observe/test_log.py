"""An audit log as it is written: after crashes, beside other processes, on a full disk, rotated."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from gateway.errors import ConfigurationError, QueueUnavailable
from gateway.observe.audit import AuditLog
from gateway.observe.audit import log as writing
from gateway.observe.audit.verify import verify

# Writes lines as fast as it can, until it is killed.
VICTIM = """
import asyncio, sys
from pathlib import Path
from gateway.observe.audit import AuditLog

async def main():
    log = await AuditLog.open(Path(sys.argv[1]))
    print("open", flush=True)
    while True:
        log.write({"event": "settled", "id": "x" * 200})

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit.jsonl"


@contextlib.asynccontextmanager
async def opened(path):
    log = await AuditLog.open(path)
    try:
        yield log
    finally:
        await log.aclose()


def lines(path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def events(path) -> list[str]:
    return [str(line["event"]) for line in lines(path)]


async def test_a_line_is_in_the_file_when_write_returns_and_says_when_it_was_written(path):
    async with opened(path) as log:
        log.write({"event": "settled", "id": "a"})
        *_, last = lines(path)
    assert last["id"] == "a"
    assert time.strptime(str(last["time"])[:19], "%Y-%m-%dT%H:%M:%S")
    assert (last["n"], len(str(last["prev"]))) == (2, 64)


async def test_the_file_is_its_owners_alone(path):
    async with opened(path):
        assert path.stat().st_mode & 0o777 == 0o600


async def test_whatever_a_name_holds_stays_on_its_line(path):
    async with opened(path) as log:
        log.write({"event": "settled", "service": "a\nb\x1b[31m\u2028\ud800"})
    assert b"\x1b" not in path.read_bytes()
    assert events(path) == ["start", "settled", "stop"]
    assert verify([path]).is_whole


async def test_a_chain_goes_on_where_it_ended(path):
    for _ in range(3):
        async with opened(path) as log:
            log.write({"event": "settled"})
    found = verify([path])
    assert found.is_whole
    assert found.findings == []
    assert [one.number for one in found.chains.values()] == [9]


@pytest.mark.parametrize("cut", [1, 20, 100])
async def test_a_line_that_was_torn_is_told_of_and_the_chain_goes_on(path, cut):
    async with opened(path) as log:
        log.write({"event": "settled", "id": "x" * 100})
        log.write({"event": "settled", "id": "y" * 100})
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:2]) + whole[2][:-cut])
    async with opened(path) as log:
        log.write({"event": "settled"})
    found = verify([path])
    assert found.is_whole, found.findings
    # Without its end alone, a line is whole: the end is put to it.
    assert len(found.findings) == (0 if cut == 1 else 1)


async def test_processes_beside_each_other_have_a_file_and_a_chain_each(path):
    async with opened(path) as first, opened(path) as second:
        first.write({"event": "settled"})
        second.write({"event": "settled"})
    paths = [path, path.with_name("audit-2.jsonl")]
    found = verify(paths)
    assert found.is_whole
    assert len(found.chains) == 2
    async with opened(path):
        pass
    assert events(path)[-2:] == ["start", "stop"]


@pytest.mark.parametrize("how", ["rename", "remove"])
async def test_a_file_that_is_renamed_or_removed_is_followed_by_a_new_one(path, monkeypatch, how):
    monkeypatch.setattr(writing, "SYNC", 0.02)
    old = path.with_name("audit.jsonl.1")
    async with opened(path) as log:
        log.write({"event": "settled", "id": "a"})
        path.rename(old) if how == "rename" else path.unlink()
        until = time.monotonic() + 10
        while not path.exists() or not path.stat().st_size:
            assert time.monotonic() < until
            await asyncio.sleep(0.01)
        log.write({"event": "settled", "id": "b"})
    assert events(path) == ["continued", "settled", "stop"]
    if how == "rename":
        assert verify([old, path]).is_whole
        assert not verify([path, old]).is_whole


async def test_a_disk_that_is_full_is_told_and_the_chain_goes_on_when_there_is_room(path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    async with opened(path) as log:
        room = path.stat().st_size + 50
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
            with pytest.raises(QueueUnavailable, match="cannot be written whole"):
                log.write({"event": "settled", "id": "a"})
            with pytest.raises(QueueUnavailable, match="File too large"):
                log.write({"event": "settled", "id": "a"})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
        log.write({"event": "settled", "id": "a"})
    found = verify([path])
    assert found.is_whole, found.findings
    assert [one.text for one in found.findings] == ["was not written whole, as the next line says"]
    whole = [json.loads(one) for one in path.read_bytes().splitlines() if one.endswith(b"}")]
    assert [one["event"] for one in whole] == ["start", "recovered", "settled", "stop"]


async def test_a_file_that_cannot_be_written_is_told_with_the_cure(tmp_path):
    with pytest.raises(ConfigurationError, match=r"audit\.file: .*No such file.*make its folder"):
        await AuditLog.open(tmp_path / "nowhere" / "audit.jsonl")


async def test_a_chain_survives_kill_9_at_any_moment(path):
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", VICTIM, path], stdout=subprocess.PIPE, env=os.environ
        )
        assert process.stdout.readline() == b"open\n"
        time.sleep(0.05)
        process.kill()
        process.communicate()
    async with opened(path):  # the next start: a line may have been torn, where it crossed a page
        pass
    found = verify([path])
    assert found.is_whole, found.findings
    assert found.lines > 100
