"""A thread that writes to an SQLite file: jobs of many tasks share a commit, and its fsync."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import math
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gateway.errors import GatewayError, QueueBroken, QueueHeld, QueueUnavailable
from gateway.queues.embedded.identity import Files
from gateway.queues.embedded.wake_up import ring_all

log = logging.getLogger(__name__)

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

NAP = 0.001
"""Seconds between two attempts to take a turn: about a commit. Less costs more CPU."""
MOST_JOBS = 256
"""Jobs in one transaction, at most: it bounds how long the first waits for the last."""

# SQLite's result codes for a file that can no longer be trusted: a failed fsync may have dropped
# pages that were reported as written, so going on would break promises.
BROKEN = ("SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC", "SQLITE_CORRUPT", "SQLITE_NOTADB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """How often an embedded queue looks for what, and how long it waits, in seconds."""

    look: float = 0.5
    """Between two looks of who waits, rung or not: a ring is only a hint."""
    busy: float = 5.0
    """For others who hold the file, at most."""
    probe: float = 3.0
    """For a turn to write, in a look at health: others wait for what it says."""
    files: float = 0.5
    """Between two looks at the files that are not looked at after each commit."""
    dead: float = 0.5
    """Between two looks for dead processes."""
    sweep: float = 60.0
    """Between two sweeps of old replies."""


USUAL = Periods()


@dataclass(frozen=True, slots=True)
class _Entry:
    job: Job[Any]
    durable: bool
    ring: Path | None
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Outcome:
    result: Any = None
    error: Exception | None = None


def connect(path: Path, busy: float, *, synchronous: str) -> sqlite3.Connection:
    """Open a connection for one thread at a time; its user begins and ends transactions."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=busy)
    try:
        connection.execute(f"PRAGMA synchronous={synchronous}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into the gateway's, each with its cure."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(BROKEN):
            raise QueueBroken(
                f"the queue file {path} cannot be trusted any more: {error}"
            ) from error
        raise QueueUnavailable(f"the queue file {path} cannot be used now: {error}") from error


class Writer:
    """The one writer of this process; others on the same file take turns with it.

    Jobs run in the order of their submission. A durable one is on the disk when its result comes;
    the others are visible to all at once, and survive everything but a power cut.
    """

    def __init__(self, files: Files, lock: int, busy: float) -> None:
        """``lock`` is an open file, for ``turn``; the writer closes it at the end."""
        self._files = files
        self._busy = busy
        self._turn = lock
        self._full = connect(files.path, busy, synchronous="FULL")
        self._normal = connect(files.path, busy, synchronous="NORMAL")
        self._entries: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._broken: QueueBroken | None = None
        self._began = math.inf
        """When the current round began, by ``time.monotonic``."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="queue-writer", daemon=True)
        self._thread.start()

    def submit(
        self, job: Job[T], *, durable: bool, ring: Path | None = None, is_new: bool = False
    ) -> asyncio.Future[T]:
        """Run a job; then ring the bells in a folder, once for a whole commit.

        Cancelling the future does not undo the job. A job that ``is_new`` is refused at once while
        the disk hangs, longer than a turn and a foreign writer take: waiting jobs are in memory,
        and senders may never stop. The future raises what the job raises, QueueUnavailable or
        QueueBroken; then nothing was changed.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if is_new and (still := time.monotonic() - self._began) > 2 * self._busy:
            future.set_exception(
                QueueHeld(
                    f"the queue file {self._files.path} has taken no write for {still:.0f} s: "
                    "check whether its disk hangs"
                )
            )
        else:
            self._entries.put(_Entry(job, durable, ring, future))
        return future

    def described_holder(self) -> str:
        """Describe the process that has the turn now, and what to do about it."""
        return described_holder(self._turn)

    async def aclose(self) -> None:
        """Finish submitted jobs, then close the file."""
        self._entries.put(None)
        await asyncio.to_thread(self._thread.join)
        self._full.close()
        self._normal.close()
        os.close(self._turn)

    def _work(self) -> None:
        while (first := self._entries.get()) is not None:
            self._began = time.monotonic()
            batch, outcomes = self._round(first)
            self._began = math.inf
            for folder in {entry.ring for entry in batch if entry.ring is not None}:
                _ring(folder)
            self._loop.call_soon_threadsafe(_resolve, batch, outcomes)

    def _round(self, first: _Entry) -> tuple[list[_Entry], list[_Outcome]]:
        """Do the waiting jobs in one turn; if that cannot be had, all of them fail together."""
        batch = [first]
        failure: QueueUnavailable | QueueBroken
        try:
            with turn(self._turn, self._busy):
                # Only now, with the turn taken: jobs that came in meanwhile join in.
                batch += self._waiting(MOST_JOBS - 1)
                return batch, self._commit(batch)
        except QueueUnavailable as error:
            failure = error
        except Exception as error:  # noqa: BLE001  # it is unknown what was written: the end
            failure = self._broken = QueueBroken(
                f"the writer of the queue file {self._files.path} failed: {error!r}"
            )
        # Otherwise they would wait one after another, each as long as the first.
        batch += self._waiting(math.inf)
        return batch, [_Outcome(error=failure)] * len(batch)

    def _waiting(self, most: float) -> list[_Entry]:
        """Return up to ``most`` entries that are there, or those before the end."""
        entries: list[_Entry] = []
        while len(entries) < most and not self._entries.empty():
            entry = self._entries.get()
            if entry is None:
                self._entries.put(None)  # the end is for the next round: earlier jobs come first
                break
            entries.append(entry)
        return entries

    def _commit(self, batch: Sequence[_Entry]) -> list[_Outcome]:
        """Run a batch in one transaction; return each job's result or error.

        Raises QueueUnavailable where nothing was done, and each job alone would fail as well.
        """
        if self._broken is not None:
            return [_Outcome(error=self._broken)] * len(batch)
        try:
            return self._transact(batch)
        except QueueBroken as error:
            self._broken = error
            return [_Outcome(error=error)] * len(batch)
        except Exception as error:  # the waiter of the job gets it
            if _concerns_all(error):
                raise
            if len(batch) == 1:
                return [_Outcome(error=error)]
        # One job may be the cause, by its size for instance: it must not fail the others.
        return [self._alone(entry) for entry in batch]

    def _alone(self, entry: _Entry) -> _Outcome:
        try:
            return self._commit([entry])[0]
        except QueueUnavailable as error:
            return _Outcome(error=error)

    def _transact(self, batch: Sequence[_Entry]) -> list[_Outcome]:
        is_durable = any(entry.durable for entry in batch)
        connection = self._full if is_durable else self._normal
        with translated(self._files.path), transaction(connection, "IMMEDIATE"):
            outcomes = [_run(entry.job, connection) for entry in batch]
        if is_durable:  # before results go out: what is in an unlinked file is not durable
            self._files.check()
        return outcomes


@contextlib.contextmanager
def turn(lock: int, busy: float) -> Iterator[None]:
    """Hold the lock by which processes take turns on a file, each for about a commit.

    SQLite's own lock makes waiters sleep longer and longer. Raises QueueHeld after ``busy``
    seconds: a process that is stopped in the middle of a commit must not stop all others.
    """
    until = time.monotonic() + busy
    while not _taken(lock):
        if time.monotonic() > until:
            raise QueueHeld(f"no turn to write in {busy:g} s: {described_holder(lock)}")
        time.sleep(NAP)
    try:
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    """Commit the block's changes; roll them back if it raises."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _concerns_all(error: Exception) -> bool:
    """Tell whether each job, tried alone, would fail the same way after the same wait."""
    return getattr(error.__cause__, "sqlite_errorname", "").startswith("SQLITE_BUSY")


def _run(job: Job[Any], connection: sqlite3.Connection) -> _Outcome:
    """Return a job's result, or its refusal: others in the same transaction go on."""
    try:
        return _Outcome(result=job(connection))
    except GatewayError as refusal:
        return _Outcome(error=refusal)


def _ring(folder: Path) -> None:
    """Ring; if that fails, the waiters look by themselves, as after any lost ring."""
    try:
        ring_all(folder)
    except OSError as error:
        log.warning("bells in %s cannot be rung: %s", folder, error)


def _resolve(batch: Sequence[_Entry], outcomes: Sequence[_Outcome]) -> None:
    for entry, outcome in zip(batch, outcomes, strict=True):
        if entry.future.cancelled():
            continue
        if outcome.error is not None:
            entry.future.set_exception(outcome.error)
        else:
            entry.future.set_result(outcome.result)


_STOPPED = ("T", "t")
"""Of the states of a process (proc(5)): stopped by a signal, or by a debugger."""


def described_holder(file: int) -> str:
    """Describe the process that has a ``flock`` on an open file, and what to do about it."""
    pid = _holder(file)
    if pid is None:
        return "another process holds the queue file"
    if pid == os.getpid():
        return "this process itself is still writing: its disk is slow, or hangs"
    if _state(pid) in _STOPPED:
        return (
            f"process {pid} holds the queue file and is stopped: let it go on (kill -CONT {pid}), "
            f"or end it (kill -KILL {pid})"
        )
    return f"process {pid} holds the queue file"


def _holder(file: int) -> int | None:
    """Return the process that has a lock; None where that cannot be known.

    By the file's inode alone, since some file systems list the lock under another device than
    ``fstat`` gives.
    """
    inode = str(os.fstat(file).st_ino)
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text("ascii").splitlines():
            # In the lines of waiters, "->" follows the number.
            _, kind, _, _, pid, place, *_ = line.split()
            if kind == "FLOCK" and place.rpartition(":")[2] == inode and int(pid) > 0:
                return int(pid)
    return None


def _state(pid: int) -> str:
    """Return the state of a process, a letter; empty if it is gone or hidden."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[0]
