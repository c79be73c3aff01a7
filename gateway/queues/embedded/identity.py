"""Whether the files of an embedded queue are still those that were opened."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from gateway.errors import QueueBroken

Identity = tuple[int, int]
"""Device and number of a file."""


class Files:
    """The queue file, and the files that belong to it.

    A file that is removed while it is open stays writable, without a name: what is written to it is
    lost with the process. Nothing may be reported as durable then.
    """

    def __init__(self, path: Path, log: Path, others: Iterable[Path], every: float) -> None:
        """``log`` is SQLite's write-ahead log (-wal); ``others`` must not be replaced either.

        Those that are not checked after each commit are checked every so many seconds.

        All of them exist now.
        """
        self.path = path
        self._log = log
        self._known = {one: _identity(one) for one in (path, log, *others)}
        self._every = every
        self._looked = time.monotonic()

    def check(self) -> None:
        """Check the files that a commit writes to. Raises QueueBroken."""
        self._check(self.path)
        self._check(self._log)

    def check_now_and_then(self) -> None:
        """Check all files, at most once in ``every`` seconds. Raises QueueBroken."""
        now = time.monotonic()
        if now - self._looked >= self._every:
            self.check_all()
            self._looked = now

    def check_all(self) -> None:
        """Check all files. Raises QueueBroken."""
        for path in self._known:
            self._check(path)

    def _check(self, path: Path) -> None:
        if _identity(path) != self._known[path]:
            beside = "" if path == self.path else f", which belongs to {self.path},"
            raise QueueBroken(
                f"the queue file {path}{beside} was removed or replaced while it was open: what is "
                "written now would be lost. Put the right file there (a backup, where there is "
                "one) and start again; where none is, a new queue is made"
            )


def _identity(path: Path) -> Identity | None:
    """Return the identity of the file at a path; None where this user finds none."""
    try:
        # By its path: opening and closing the file would drop the locks that SQLite has on it.
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
