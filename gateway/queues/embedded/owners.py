"""Which owners are alive: each opener of an embedded queue holds a lock that ends with its process.

No clock is involved: a killed process is noticed at once, one that is merely stopped keeps what it
holds, and after a restart of the machine every lock is free.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from gateway.message import new_id


class Owner:
    """A unique name, alive until ``close`` or until the process ends."""

    def __init__(self, folder: Path) -> None:
        self.name = new_id()
        self._path = folder / self.name
        # Locked before others can see it: one of them could take it for a dead owner's.
        unseen = folder / f".{self.name}"
        self._file = os.open(unseen, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        keep_from_children(self._file)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        unseen.rename(self._path)

    def close(self) -> None:
        """Stop being alive: requests that this owner still holds are free for others."""
        self._path.unlink(missing_ok=True)
        _kept.discard(self._file)
        os.close(self._file)


_kept: set[int] = set()


def keep_from_children(file: int) -> None:
    """Close a locked file in children that are forked without exec.

    A lock lives as long as any process shares the open file, which such a child does.
    """
    if not _kept:
        os.register_at_fork(after_in_child=_close_kept)
    _kept.add(file)


def _close_kept() -> None:
    for file in _kept:
        with contextlib.suppress(OSError):
            os.close(file)


def is_alive(folder: Path, name: str) -> bool:
    """Tell whether the owner of that name still runs; remove its file if not."""
    path = folder / name
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True  # another user's: this process cannot tell that it is dead
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(file)


def forget_dead(folder: Path) -> None:
    """Remove the files that killed processes left behind."""
    for name in os.listdir(folder):
        if not name.startswith("."):
            is_alive(folder, name)
