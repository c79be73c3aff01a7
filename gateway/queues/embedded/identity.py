"""Whether the files of an embedded queue are still those that were opened."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from gateway.errors import QueueBroken

EVERY = 0.5
"""Seconds between two looks at the files that are not looked at after each commit."""

Identity = tuple[int, int]
"""Device and number of a file."""


class Files:
    """The queue file, and what belongs to it.

    A file that is removed while it is open goes on without a name: what is written to it is gone
    with the process. Nothing may be told to be on the disk then.
    """

    def __init__(self, path: Path, log: Path, others: Iterable[Path]) -> None:
        """``log`` is where commits are written first (SQLite's -wal); ``others`` must stay too.

        All of them are there now.
        """
        self.path = path
        self._log = log
        self._known = {one: _identity(one) for one in (path, log, *others)}
        self._looked = time.monotonic()

    def check(self) -> None:
        """Look at what a commit is written to, and no other file. Raises QueueBroken."""
        self._check(self.path)
        self._check(self._log)

    def check_now_and_then(self) -> None:
        """Look at all files, unless they were looked at just now. Raises QueueBroken."""
        now = time.monotonic()
        if now - self._looked >= EVERY:
            self.check_all()
            self._looked = now

    def check_all(self) -> None:
        """Look at all files. Raises QueueBroken."""
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
    """Return what a path leads to; None where it leads to nothing, or no longer for this user."""
    try:
        # By its path: to open the file and close it would drop the locks that SQLite has on it.
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
