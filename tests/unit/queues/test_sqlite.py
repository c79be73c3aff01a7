"""The embedded queue: several processes, crashes, full disks, and files that are no queue."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from holder import stopped

from gateway.errors import (
    ConfigurationError,
    QueueBroken,
    QueueFull,
    QueueHeld,
    QueueUnavailable,
)
from gateway.message import REPLY_RETENTION, Message
from gateway.queue import State
from gateway.queues.embedded import store
from gateway.queues.embedded.group_commit import Periods, described_holder, transaction
from gateway.queues.embedded.owners import is_alive
from gateway.queues.embedded.queue import SqliteQueue
from gateway.queues.embedded.steady_clock import Uptime

REPLY = Message(body=b"<reply/>", content_type="text/xml")

# Takes one request, says so on its standard output, and then sleeps on it.
TAKER = """
import asyncio, sys
from pathlib import Path
from gateway.queues.embedded.group_commit import Periods
from gateway.queues.embedded.queue import SqliteQueue

ONLY_A_RING_WAKES_IT = Periods(look=600.0)

async def main():
    queue = await SqliteQueue.open(Path(sys.argv[1]), periods=ONLY_A_RING_WAKES_IT)
    (delivery,) = await queue.receive(1, 240)
    if sys.argv[2] == "begun":
        await delivery.extend(30)
    print(delivery.message.id, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def request(body: bytes = b"<a/>", **fields: object) -> Message:
    values = {"content_type": "text/xml", "sender": "alice"}
    return Message(body=body, **(values | fields))  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def opened(path: Path, **options):
    queue = await SqliteQueue.open(path, **options)
    try:
        yield queue
    finally:
        await queue.aclose()


@contextlib.contextmanager
def taker(path: Path, how: str = "begun"):
    process = subprocess.Popen([sys.executable, "-c", TAKER, path, how], stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


async def test_what_was_sent_is_there_after_the_sender_is_gone(path):
    async with opened(path) as queue:
        await queue.send(sent := request())
    async with opened(path) as queue:
        (delivery,) = await queue.receive(1, 240)
        assert delivery.message == sent


async def test_a_killed_process_loses_its_lease_at_once(path):
    async with opened(path) as queue:
        await queue.send(sent := request())
        with taker(path) as process:
            assert (await asyncio.to_thread(process.stdout.readline)).strip() == sent.id.encode()
            assert list(await queue.receive(1, 0.1)) == []
            process.kill()
            (delivery,) = await queue.receive(1, 240)
        assert (delivery.message.id, delivery.attempt) == (sent.id, 2)


@pytest.mark.parametrize(("how", "interrupted"), [("begun", True), ("taken", False)])
async def test_a_request_is_interrupted_only_where_its_work_had_begun(path, how, interrupted):
    async with opened(path) as queue:
        await queue.send(request())
        with taker(path, how) as process:
            await asyncio.to_thread(process.stdout.readline)
        (delivery,) = await queue.receive(1, 240)
        assert delivery.message.interrupted is interrupted


async def test_what_was_let_go_is_free_once_the_file_takes_writes_and_holds_nobody_up(
    path, monkeypatch
):
    async with opened(path) as queue:
        await queue.send(sent := request())
        (delivery,) = await queue.receive(1, 240)
        await delivery.extend(30)
        well = store.let_go

        def no_room(*about: object, **more: object) -> None:
            raise QueueUnavailable("no room")

        monkeypatch.setattr(store, "let_go", no_room)
        delivery.let_go()
        assert list(await queue.receive(1, 1.2)) == []
        assert (await queue.collect("alice", sent.id, 0)).state is State.WORKING
        await queue.send(other := request())
        (received,) = await queue.receive(1, 240)
        assert received.message.id == other.id
        monkeypatch.setattr(store, "let_go", well)
        (again,) = await queue.receive(1, 240)
        assert (again.message.id, again.attempt, again.message.interrupted) == (sent.id, 2, True)


async def test_an_interruption_is_not_forgotten_when_the_request_is_given_back_later(path):
    async with opened(path) as queue:
        await queue.send(request())
        with taker(path) as process:
            await asyncio.to_thread(process.stdout.readline)
        (delivery,) = await queue.receive(1, 240)
        await delivery.retry(0)
        (again,) = await queue.receive(1, 240)
        assert again.message.interrupted


async def test_a_stopped_process_keeps_what_it_holds(path):
    async with opened(path) as queue:
        await queue.send(request())
        with taker(path) as process:
            await asyncio.to_thread(process.stdout.readline)
            process.send_signal(signal.SIGSTOP)
            assert list(await queue.receive(1, 1.5)) == []


async def test_closing_gives_back_what_is_held(path):
    async with opened(path) as second:
        async with opened(path) as first:
            await first.send(request())
            await first.receive(1, 1)
        (delivery,) = await second.receive(1, 240)
        assert delivery.attempt == 2


async def test_takers_in_several_processes_share_the_work_and_wake_each_other(path):
    async with opened(path) as queue:
        with taker(path) as one, taker(path) as two:
            await asyncio.sleep(1.0)  # both wait
            first, second = request(), request()
            await queue.send(first)
            await queue.send(second)
            lines = await asyncio.gather(
                *(asyncio.to_thread(process.stdout.readline) for process in (one, two))
            )
            assert {line.strip().decode() for line in lines} == {first.id, second.id}


async def test_no_reply_is_missed_however_soon_it_comes(path):
    answering = """
import asyncio, sys
from pathlib import Path
from gateway.message import Message
from gateway.queues.embedded.queue import SqliteQueue

async def main():
    queue = await SqliteQueue.open(Path(sys.argv[1]))
    reply = Message(body=b"<reply/>", content_type="text/xml")
    while True:
        deliveries = await queue.receive(16, 10)
        await asyncio.gather(*(delivery.answer(reply) for delivery in deliveries))

asyncio.run(main())
"""
    async with opened(path, periods=Periods(look=600.0)) as queue:

        async def caller() -> None:
            for _ in range(40):
                await queue.send(sent := request())
                assert (await queue.collect("alice", sent.id, 240)).state is State.REPLY

        answerers = [subprocess.Popen([sys.executable, "-c", answering, path]) for _ in range(2)]
        try:
            await queue.send(first := request())
            assert (await queue.collect("alice", first.id, 240)).state is State.REPLY
            await asyncio.gather(*(caller() for _ in range(16)))
        finally:
            for process in answerers:
                process.kill()
                process.wait()


async def test_two_processes_may_open_a_new_queue_at_once(tmp_path):
    opening = (
        "import asyncio,sys;from pathlib import Path;from gateway.queues.embedded.queue import *;"
    )
    opening += "asyncio.run(SqliteQueue.open(Path(sys.argv[1])))"
    for n in range(5):
        path = tmp_path / f"{n}.db"
        processes = [subprocess.Popen([sys.executable, "-c", opening, path]) for _ in range(3)]
        assert [process.wait() for process in processes] == [0, 0, 0]


async def test_nothing_is_left_behind_by_who_was_killed(path):
    async with opened(path) as queue:
        await queue.send(request())
        with taker(path) as process:
            await asyncio.to_thread(process.stdout.readline)
        (delivery,) = await queue.receive(1, 240)
        await delivery.answer(None)
        await queue.send(request())
    live = path.with_name("queue.db.live")
    assert [p for kind in ("owners", "requests", "replies") for p in (live / kind).iterdir()] == []


async def test_a_large_reply_leaves_the_file_when_it_is_swept(path, monkeypatch):
    now = [time.time()]
    uptime = Uptime("boot", lambda: now[0])
    async with opened(path, clock=lambda: now[0], uptime=uptime) as queue:
        await queue.send(old := request())
        await (await queue.receive(1, 240))[0].answer(replace(REPLY, body=b"x" * 900_000))
        for _ in range(2):
            now[0] += REPLY_RETENTION
            queue._tidying.swept = queue._tidying.looked = float("-inf")
            await queue.receive(1, 0)
        assert (await queue.collect("alice", old.id, 0)).state is State.UNKNOWN
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM reply_bodies").fetchone() == (0,)


async def test_who_is_alive_is_looked_up_beside_the_loop(path, monkeypatch):
    asked = []

    def noted(folder, name):
        asked.append(threading.current_thread())
        return is_alive(folder, name)

    monkeypatch.setattr("gateway.queues.embedded.file.is_alive", noted)
    async with opened(path) as queue, opened(path) as other:
        await queue.send(request())
        (held,) = await other.receive(1, 240)
        queue._tidying.looked = float("-inf")
        assert await queue.receive(1, 0) == []
        assert asked
        assert threading.main_thread() not in asked
        await held.answer(REPLY)


async def test_many_jobs_share_a_commit(path, monkeypatch):
    commits = []

    def counted(connection, kind):
        commits.append(kind)
        return transaction(connection, kind)

    async with opened(path) as queue:
        monkeypatch.setattr("gateway.queues.embedded.group_commit.transaction", counted)
        await asyncio.gather(*(queue.send(request()) for _ in range(200)))
        assert 0 < len(commits) < 100


async def test_a_wait_is_served_although_the_ring_is_lost(path):
    async with opened(path) as queue, opened(path) as deaf:
        await queue.send(sent := request())
        waiting = asyncio.create_task(deaf.collect("alice", sent.id, 5))
        await asyncio.sleep(0.1)
        for bell in (path.with_name("queue.db.live") / "replies").iterdir():
            bell.unlink()
        await (await queue.receive(1, 240))[0].answer(REPLY)
        assert (await waiting).state is State.REPLY


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
async def test_a_full_disk_refuses_requests_loses_none_and_recovers(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", disk], check=True)
    try:
        async with opened(disk / "queue.db") as queue:
            accepted: list[str] = []
            with pytest.raises(QueueUnavailable, match="full"):
                await _send_until_refused(queue, accepted)
            assert accepted
            with pytest.raises(QueueFull, match="make room"):
                await queue.check()
            assert (await queue.collect("alice", accepted[-1], 0)).state is State.PENDING
            subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
            await queue.check()
            await queue.send(sent := request(b"there is room"))
            received = [d.message.id for d in await queue.receive(200, 240)]
            assert received == [*accepted, sent.id]
    finally:
        subprocess.run(["umount", disk], check=True)


async def _send_until_refused(queue: SqliteQueue, accepted: list[str]) -> None:
    for _ in range(100):
        await queue.send(sent := request(b"x" * 50_000))
        accepted.append(sent.id)


async def test_a_job_that_cannot_be_stored_takes_no_other_with_it(path, monkeypatch):
    async with opened(path) as queue:
        poison = request(sender="bob")
        monkeypatch.setattr("gateway.queues.embedded.store.digest", _unstorable_for_bob)
        outcomes = await asyncio.gather(
            queue.send(request()), queue.send(poison), queue.send(request()), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [type(None), QueueUnavailable, type(None)]
        assert len(await queue.receive(5, 1)) == 2


def _unstorable_for_bob(message: Message) -> object:
    """Return a value of a type that SQLite cannot store."""
    return object() if message.sender == "bob" else b"digest"


async def test_a_bug_in_a_job_reaches_its_caller_and_stops_nothing_else(path, monkeypatch):
    async with opened(path) as queue:
        with monkeypatch.context() as patched:
            patched.setattr("gateway.queues.embedded.store.add", _buggy)
            with pytest.raises(ZeroDivisionError):
                await queue.send(request())
        await queue.send(sent := request())
        assert [d.message.id for d in await queue.receive(5, 240)] == [sent.id]


def _buggy(connection: sqlite3.Connection, **arguments: object) -> None:
    raise ZeroDivisionError


async def test_a_damaged_file_is_told_and_nothing_more_is_written(path):
    async with opened(path) as queue:
        for _ in range(200):
            await queue.send(request(b"x" * 2000))
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = path.stat().st_size
        with path.open("r+b") as file:
            for page in range(1, size // 4096):
                file.seek(page * 4096)
                file.write(b"\xff" * 4096)
        with pytest.raises((QueueBroken, QueueUnavailable)):
            await queue.receive(10, 1)


async def test_a_file_that_is_no_queue_is_refused(path):
    path.write_text("hello, this is a text of mine, and long enough to be looked at" * 20)
    with pytest.raises(ConfigurationError, match="cannot be opened as a queue"):
        await SqliteQueue.open(path)


async def test_a_database_of_something_else_is_refused_and_left_alone(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine(a)")
        connection.commit()
    with pytest.raises(ConfigurationError, match="not a queue"):
        await SqliteQueue.open(path)


async def test_a_queue_of_another_version_is_refused(path):
    async with opened(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(ConfigurationError, match="version 99"):
        await SqliteQueue.open(path)


async def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="there is no folder"):
        await SqliteQueue.open(tmp_path / "nowhere" / "queue.db")


async def test_a_folder_in_the_place_of_a_file_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="is a folder"):
        await SqliteQueue.open(tmp_path)


async def test_the_files_of_a_queue_are_for_its_user_alone(path):
    async with opened(path):
        assert path.stat().st_mode & 0o077 == 0
        assert path.with_name("queue.db.live").stat().st_mode & 0o077 == 0


async def test_a_busy_queue_frees_what_a_dead_process_held(path):
    async with opened(path) as queue:
        await queue.send(held := request())
        with taker(path) as process:
            await asyncio.to_thread(process.stdout.readline)
        until = time.monotonic() + 8
        received: list[str] = []
        while held.id not in received:
            assert time.monotonic() < until, "traffic kept the dead process's request from others"
            await queue.send(request())
            received += [delivery.message.id for delivery in await queue.receive(8, 0.3)]
            await asyncio.sleep(0.1)


async def test_a_queue_opened_twice_in_a_process_loses_nothing_when_another_closes_it(path):
    visiting = (
        "import asyncio,sys;from pathlib import Path;from gateway.queues.embedded.queue import *\n"
    )
    visiting += "async def main():\n q=await SqliteQueue.open(Path(sys.argv[1]));await q.aclose()\n"
    visiting += "asyncio.run(main())"
    async with opened(path) as first, opened(path):
        await first.send(request())
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", visiting, path], check=True)
        await first.send(request())
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(*) FROM requests").fetchone() == (2,)


async def test_those_who_wait_for_one_turn_fail_together_and_are_told_who_holds_it(path, caplog):
    async with opened(path, periods=Periods(busy=0.5)) as queue:
        with stopped(path) as process:
            sending = (queue.send(request()) for _ in range(300))
            outcomes = await asyncio.gather(*sending, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {QueueHeld}
            assert len({id(outcome) for outcome in outcomes}) == 1  # one turn was waited for
            assert f"process {process.pid} holds the queue file and is stopped" in str(outcomes[0])
            assert (await queue.collect("alice", request().id, 0)).state is State.UNKNOWN
            process.send_signal(signal.SIGCONT)
            process.wait()
        await queue.send(sent := request())
        assert [d.message.id for d in await queue.receive(500, 240)] == [sent.id]


async def test_those_who_wait_for_a_foreign_writer_fail_together(path):
    async with opened(path, periods=Periods(busy=3.0)) as queue:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            sending = [asyncio.ensure_future(queue.send(request())) for _ in range(300)]
            await asyncio.sleep(0.1)  # the writer waits by now, and these come in meanwhile
            sending += [asyncio.ensure_future(queue.send(request())) for _ in range(300)]
            outcomes = await asyncio.gather(*sending, return_exceptions=True)
        assert len({id(outcome) for outcome in outcomes}) == 1
        await queue.send(request())


async def test_the_health_of_a_queue_is_that_of_its_turns(path):
    async with opened(path, periods=Periods(probe=0.3)) as queue:
        await queue.check()
        with stopped(path) as process, pytest.raises(QueueHeld, match=str(process.pid)):
            await queue.check()
        await queue.check()


async def test_a_disk_that_stands_still_is_told_and_looked_at_once_at_a_time(path, monkeypatch):
    looks, ends = [], threading.Event()

    def hang(folder: Path) -> None:
        looks.append(folder)
        ends.wait(240)

    monkeypatch.setattr("gateway.queues.embedded.file._check_room", hang)
    async with opened(path, periods=Periods(probe=0.5)) as queue:
        try:
            for _ in range(2):
                with pytest.raises(QueueHeld, match=r"the disk of .* does not answer"):
                    await queue.check()
        finally:
            ends.set()
    assert len(looks) == 1


async def test_while_the_disk_takes_no_write_new_requests_are_refused_and_held_ones_are_not(
    path, monkeypatch
):
    """What waits for the disk is in memory, and others may send without end."""
    ends = threading.Event()
    async with opened(path, periods=Periods(busy=0.5)) as queue:
        await queue.send(held := request())
        (delivery,) = await queue.receive(1, 240)
        with monkeypatch.context() as patched:
            files = "gateway.queues.embedded.identity.Files.check"
            patched.setattr(files, lambda self: ends.wait(240))  # after the commit, in its place
            early = asyncio.ensure_future(queue.send(request()))
            await asyncio.sleep(1.5)
            with pytest.raises(QueueHeld, match=r"has taken no write for \d+ s: check whether its"):
                await queue.send(refused := request())
            answering = asyncio.ensure_future(delivery.answer(REPLY))
            ends.set()
            await asyncio.gather(early, answering)
        assert (await queue.collect("alice", held.id, 0)).state is State.REPLY
        assert (await queue.collect("alice", refused.id, 0)).state is State.UNKNOWN
        await queue.send(refused)


async def test_a_holder_of_whom_nothing_is_known_is_another_process(path, tmp_path):
    with (tmp_path / "lock").open("w") as file:
        assert described_holder(file.fileno()) == "another process holds the queue file"
        fcntl.flock(file, fcntl.LOCK_EX)
        assert described_holder(file.fileno()).startswith("this process itself")


async def test_an_error_that_nobody_knows_breaks_the_queue_instead_of_its_writer(path, monkeypatch):
    def failing(lock: int) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    async with opened(path) as queue:
        with monkeypatch.context() as patched:
            patched.setattr("gateway.queues.embedded.group_commit._taken", failing)
            sending = (queue.send(request()) for _ in range(20))
            outcomes = await asyncio.gather(*sending, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {QueueBroken}
        assert "No locks available" in str(outcomes[0])
        for broken in (queue.send(request()), queue.receive(1, 0), queue.check()):
            with pytest.raises(QueueBroken):
                await broken


async def test_a_forked_child_does_not_keep_a_dead_owner_alive(path):
    forking = TAKER.replace("await asyncio.sleep(60)", "os.fork() or time.sleep(30)")
    forking = f"import os, time\n{forking}"
    async with opened(path) as queue:
        await queue.send(request())
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", forking, path, "begun"],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            await asyncio.to_thread(process.stdout.readline)
            await asyncio.sleep(0.3)
            process.kill()  # the parent alone
            process.wait()
            (delivery,) = await queue.receive(1, 240)
            assert delivery.message.interrupted
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.stdout.close()


async def test_a_file_from_before_clients_took_turns_is_opened_and_has_turns(tmp_path):
    path = tmp_path / "queue.db"
    await (await SqliteQueue.open(path)).aclose()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute("DROP INDEX turns")
        old.execute("CREATE INDEX waiting ON requests(due, seq) WHERE owner IS NULL")
    queue = await SqliteQueue.open(path)
    await queue.send(request())
    assert len(await queue.receive(1, 1.0)) == 1
    await queue.aclose()
    with contextlib.closing(sqlite3.connect(path)) as now:
        indexes = {name for (name,) in now.execute("SELECT name FROM sqlite_master")}
    assert "turns" in indexes
    assert "waiting" not in indexes


@pytest.mark.parametrize(
    "written", ["{}", '{"gateway-arrived": "x"}', '{"gateway-arrived": "nan"}']
)
async def test_a_request_that_another_program_added_need_not_tell_when(path, written):
    """Then nobody knows: whoever needs the time takes that of his own look."""
    async with opened(path) as queue:
        await queue.send(request())
        with sqlite3.connect(path) as other:
            other.execute("UPDATE requests SET properties=?", (written,))
        other.close()
        (delivery,) = await queue.receive(1, 240)
        assert delivery.message.arrived is None


def removed(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    other = path.with_name("other.db")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(other),))
    other.rename(path)


def log_removed(path: Path) -> None:
    """Remove what the last commits are in: SQLite goes on writing into it, and a kill loses it."""
    path.with_name(f"{path.name}-wal").unlink()


def folder_moved(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


@pytest.mark.parametrize("lose", [removed, replaced, log_removed, folder_moved])
async def test_nothing_is_accepted_into_a_file_that_has_lost_its_name(path, lose):
    # Nor does it depend on the look that is made every now and then.
    async with opened(path, periods=Periods(files=math.inf)) as queue:
        await queue.send(request())
        lose(path)
        with pytest.raises(QueueBroken, match="removed or replaced") as told:
            await queue.send(request())
        assert str(told.value).count("was removed") == 1
        for end in (queue.receive(1, 0), queue.check()):
            with pytest.raises(QueueBroken):
                await end


@pytest.mark.parametrize("name", ["queue.db", "queue.db-wal", "queue.db-shm", "queue.db.live"])
async def test_who_only_waits_notices_that_a_file_of_the_queue_is_gone(path, name):
    async with opened(path, periods=Periods(files=0.0)) as queue:
        await queue.send(sent := request())
        waiting = asyncio.create_task(queue.collect("alice", sent.id, 30))
        await asyncio.sleep(0.1)
        gone = path.with_name(name)
        gone.rename(gone.with_name("gone"))
        with pytest.raises(QueueBroken, match=name):
            await waiting


async def test_a_file_that_was_removed_is_made_anew_by_who_starts_anew(path):
    async with opened(path) as queue:
        await queue.send(request())
        path.unlink()
        with pytest.raises(QueueBroken):
            await queue.check()
    async with opened(path) as queue:
        await queue.send(sent := request())
        assert [d.message.id for d in await queue.receive(5, 240)] == [sent.id]
