"""Writing an audit log: one chain for each process, in a separate file.

A line is handed to the system before its request is settled, and is on the disk within SYNC
seconds: a killed process leaves no answered request without its line, and a power cut may take the
lines of the last second. A renamed or removed file is noticed within the same time, and the chain
continues in a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
import time
from pathlib import Path

from gateway.errors import ConfigurationError, QueueUnavailable
from gateway.message import Clock
from gateway.observe.audit.chain import Link, Values, appended, end_of, hashed, parsed

log = logging.getLogger(__name__)

SYNC = 1.0
"""Seconds between two checks for lines to sync, and for a file that was renamed or removed."""
MOST = 256
"""Processes that may write at the same time, at most."""


class AuditLog:
    """Appends lines. Make it with ``open``, inside a running loop."""

    def __init__(self, path: Path, file: int, link: Link, clock: Clock) -> None:
        self._path = path
        self._file = file
        self._link = link
        self._clock = clock
        self._torn = b""
        self._is_dirty = False
        self._closing = asyncio.Event()
        self._keeping = asyncio.create_task(self._keep())

    @classmethod
    async def open(cls, path: Path, clock: Clock = time.time) -> AuditLog:
        """Open the first of ``path``, ``NAME-2.EXTENSION`` ... that no other process writes to.

        Its chain continues where it ended. Raises ConfigurationError.
        """
        try:
            file, own = _opened(path)
        except OSError as error:
            raise ConfigurationError(
                f"audit.file: {path} cannot be written: {error.strerror}: make its folder, and let "
                "this user write to it."
            ) from error
        link, torn = _tail(file)
        opened = cls(own, file, link or Link(secrets.token_hex(8)), clock)
        opened._torn = torn
        opened.write({"event": "start", "pid": os.getpid()})
        log.info("the audit log is %s, line %d, %s", own, opened._link.number, opened._link.hash)
        return opened

    def write(self, values: Values) -> None:
        """Append a line. Raises QueueUnavailable where it cannot be written whole."""
        if self._torn:
            self._recover()
        line, link = appended(self._link, _moment(self._clock()), values)
        self._put(line)
        self._link = link

    async def aclose(self) -> None:
        """Write the stop line, and sync."""
        self._closing.set()
        await self._keeping
        with contextlib.suppress(QueueUnavailable):
            self.write({"event": "stop"})
        await asyncio.to_thread(_synced, self._file)
        os.close(self._file)
        self._file = -1  # the number may belong to another file by now
        log.info("the audit log ends at line %d, %s", self._link.number, self._link.hash)

    def _recover(self) -> None:
        """End a torn line, and record that in the next one."""
        torn = self._torn
        told: Values = {"event": "recovered", "torn": len(torn), "torn_sha256": hashed(torn)}
        line, link = appended(self._link, _moment(self._clock()), told)
        self._put(b"\n" + line)
        self._link, self._torn = link, b""

    def _put(self, line: bytes) -> None:
        try:
            written = os.write(self._file, line)
        except OSError as error:
            raise QueueUnavailable(
                f"the audit log {self._path} cannot be written: {error.strerror}"
            ) from error
        self._is_dirty = True
        if written < len(line):  # the disk is full
            # An earlier torn line may have been completed: read the file itself.
            self._torn = end_of(self._file)[1]
            raise QueueUnavailable(f"the audit log {self._path} cannot be written whole")

    async def _keep(self) -> None:
        """Sync written lines, and follow the file's name, until the log is closed."""
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SYNC):
                    await self._closing.wait()
            if self._is_dirty:
                self._is_dirty = False
                await asyncio.to_thread(_synced, self._file)
            if not _is_at(self._path, self._file):
                self._move_on()

    def _move_on(self) -> None:
        """Continue in a new file: the old one was renamed or removed."""
        try:
            file, own = _opened(self._path)
        except OSError as error:
            log.error("the audit log cannot be written to a new file: %s", error.strerror)
            return
        _synced(self._file)
        os.close(self._file)
        self._file, self._path, self._torn = file, own, _tail(file)[1]
        with contextlib.suppress(QueueUnavailable):  # the next line tries again
            self.write({"event": "continued"})
        log.info("the audit log goes on in %s, line %d", own, self._link.number)


def _opened(path: Path) -> tuple[int, Path]:
    """Open and lock the first file that no other process writes to. Raises OSError."""
    flags = os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_CLOEXEC
    for own in (path, *(path.with_stem(f"{path.stem}-{n}") for n in range(2, MOST + 1))):
        file = os.open(own, flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        if _is_at(own, file):
            return file, own
        os.close(file)  # it was renamed just now
    raise OSError(0, f"{MOST} processes write to it and its numbered copies already")


def _tail(file: int) -> tuple[Link | None, bytes]:
    """Return the last line of a file, and a torn end. A line that lacks only a newline gets it."""
    link, torn = end_of(file)
    said = parsed(torn)
    if said is None:
        return link, torn
    os.write(file, b"\n")
    return Link(said["chain"], said["n"], hashed(torn)), b""


def _is_at(path: Path, file: int) -> bool:
    """Tell whether an open file is the one at a path."""
    try:
        there, here = os.stat(path), os.fstat(file)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _synced(file: int) -> None:
    try:
        os.fdatasync(file)
    except OSError as error:
        log.error("the audit log cannot be synced: %s", error.strerror)


def _moment(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"
