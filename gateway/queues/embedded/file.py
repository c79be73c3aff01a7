"""An open queue file: a thread that writes, one that reads, and the folder of its openers."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gateway.errors import ConfigurationError, QueueFull, QueueHeld, QueueUnavailable
from gateway.message import Clock
from gateway.queues.embedded import store
from gateway.queues.embedded.group_commit import (
    USUAL,
    Job,
    Periods,
    Writer,
    connect,
    transaction,
    translated,
    turn,
)
from gateway.queues.embedded.identity import Files
from gateway.queues.embedded.owners import Owner, forget_dead, is_alive, keep_from_children
from gateway.queues.embedded.steady_clock import Steady, Uptime, begin
from gateway.queues.embedded.wake_up import WakeUp

T = TypeVar("T")

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
ROOM = 256 << 10
"""Bytes that must be free on its disk for a queue to be healthy: a few small requests."""
REQUESTS, REPLIES = "requests", "replies"
"""The two kinds of bells: who takes requests, and who waits for replies."""


class QueueFile:
    """A queue file that this process has open, as a named owner. Make it with ``open``."""

    def __init__(
        self, path: Path, live: Path, clock: Clock, uptime: Uptime, periods: Periods
    ) -> None:
        self.periods = periods
        self._live = live
        self._bells = {kind: live / kind for kind in (REQUESTS, REPLIES)}
        self._connection, lock, self.steady = _prepared(
            path, live / "turn", clock, uptime, periods.busy
        )
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="queue-reader")
        forget_dead(live / "owners")
        self._owner = Owner(live / "owners")
        self._room = _Room(live)
        wal, shm = (path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm"))
        others = [shm, live / "turn", live / "owners" / self.owner]
        self._files = Files(path, wal, others, periods.files)
        self._writer = Writer(self._files, lock, periods.busy)

    @classmethod
    async def open(
        cls, path: Path, clock: Clock, uptime: Uptime, periods: Periods = USUAL
    ) -> QueueFile:
        """Open a queue file; create it if missing. Raises ConfigurationError with the cure."""
        live = live_folder(path)
        _check_usable(path)
        try:
            for folder in (live, live / "owners", live / REQUESTS, live / REPLIES):
                folder.mkdir(mode=0o700, exist_ok=True)
            _make_private(path)
            return cls(path, live, clock, uptime, periods)
        except (sqlite3.Error, OSError) as error:
            raise ConfigurationError(
                f"queue: {path} cannot be opened as a queue ({error}): name another file."
            ) from error

    @property
    def owner(self) -> str:
        """The name under which this process holds requests."""
        return self._owner.name

    async def read(self, job: Job[T]) -> T:
        """Do a job that only reads. Raises QueueUnavailable, QueueBroken."""

        def run() -> T:
            self._files.check_now_and_then()
            # In one transaction: otherwise a job could miss a row that moves between tables.
            with translated(self._files.path), transaction(self._connection, "DEFERRED"):
                return job(self._connection)

        return await asyncio.get_running_loop().run_in_executor(self._reader, run)

    def write(
        self, job: Job[T], *, durable: bool = False, ring: str | None = None, is_new: bool = False
    ) -> asyncio.Future[T]:
        """Do a job that writes; then ring bells of one kind. See ``Writer.submit``."""
        folder = None if ring is None else self._bells[ring]
        return self._writer.submit(job, durable=durable, ring=folder, is_new=is_new)

    async def check(self) -> None:
        """Check that writes are possible, and that the disk has room.

        Raises QueueUnavailable, QueueBroken.
        """
        probe = self.periods.probe
        until = asyncio.get_running_loop().time() + probe
        try:
            async with asyncio.timeout_at(until):
                await self.write(_nothing)
        except TimeoutError as error:
            holder = self._writer.described_holder()
            raise QueueHeld(f"no turn to write in {probe:g} s: {holder}") from error
        self._files.check_all()
        try:
            async with asyncio.timeout_at(until):
                await self._room.check()
        except TimeoutError as error:
            text = (
                f"the disk of {self._live} does not answer in {probe:g} s: check that it is healthy"
            )
            raise QueueHeld(text) from error

    def bell(self, kind: str) -> WakeUp:
        """Return a new bell of this process, of one kind. Raises QueueUnavailable, QueueBroken."""
        try:
            return WakeUp(self._bells[kind], self.owner)
        except OSError as error:
            self._files.check_all()  # the folder may be gone
            raise QueueUnavailable(f"no bell can be hung in {self._live}: {error}") from error

    def is_alive(self, owner: str) -> bool:
        """Tell whether another opener still runs."""
        try:
            return owner == self.owner or is_alive(self._live / "owners", owner)
        except OSError as error:
            raise QueueUnavailable(f"{self._live} cannot be read: {error}") from error

    async def aclose(self) -> None:
        """Finish submitted jobs; requests still held by this opener are free for others."""
        await self._writer.aclose()
        self._reader.shutdown()
        self._connection.close()
        self._owner.close()


class _Room:
    """The room on a disk, checked once at a time: a disk that hangs keeps the thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looking: asyncio.Future[None] | None = None

    async def check(self) -> None:
        """Raise QueueFull where there is none. A check under way serves all callers."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(asyncio.to_thread(_check_room, self._folder))
            # The caller may be gone.
            self._looking.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(self._looking)


def _check_room(folder: Path) -> None:
    """Raise QueueFull where the disk, or a quota, has no room for new requests."""
    try:
        # Allocated and freed: figures about the whole disk do not include quotas.
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, ROOM)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise QueueUnavailable(f"{folder} cannot be written to: {error}") from error
        raise QueueFull(
            f"there are no {ROOM >> 10} KiB free on the disk of {folder} ({error.strerror}): make "
            "room there. What is in the queue stays, and requests are taken again after that"
        ) from error


def _nothing(connection: sqlite3.Connection) -> None:
    """Do nothing: that takes a turn to write, but no fsync."""


def _prepared(
    path: Path, lock: Path, clock: Clock, uptime: Uptime, busy: float
) -> tuple[sqlite3.Connection, int, Steady]:
    """Create or check the tables; return a connection, the open lock and the file's clock."""
    with contextlib.ExitStack() as undo:
        file = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        undo.callback(os.close, file)
        keep_from_children(file)
        connection = undo.enter_context(
            contextlib.closing(connect(path, busy, synchronous="NORMAL"))
        )
        with turn(file, busy):  # others may be opening the same new file
            with transaction(connection, "EXCLUSIVE"):
                store.prepare(connection, path)
                steady = begin(connection, uptime, clock())
            connection.execute("PRAGMA journal_mode=WAL")  # stays with the file
            # The first read makes the files beside it; they stay for as long as this is open.
            connection.execute("SELECT 1 FROM requests LIMIT 1").fetchone()
        undo.pop_all()
    return connection, file, steady


def _make_private(path: Path) -> None:
    """Create an empty file for its owner alone, if there is none.

    An existing one is not touched: closing any descriptor of it would drop the locks that SQLite
    holds on it in this process (SQLite, "How To Corrupt An SQLite Database File", 2.2).
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def live_folder(path: Path) -> Path:
    """Return the folder beside a queue file for all that is not a message."""
    return path.with_name(path.name + ".live")


def _check_usable(path: Path) -> None:
    """Raise ConfigurationError, with the cure, where there can be no queue at that path."""
    if not path.parent.is_dir():
        raise ConfigurationError(
            f"queue: there is no folder {path.parent}: make it, or name another."
        )
    if path.is_dir():
        raise ConfigurationError(f"queue: {path} is a folder: name a file in it.")
    for place in (path.parent, path):
        if place.exists() and not os.access(place, os.W_OK):
            raise ConfigurationError(
                f"queue: {place} is read-only here: let this user write to it, or name another."
            )
