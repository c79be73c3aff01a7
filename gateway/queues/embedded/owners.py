"""Who is alive: each opener of an embedded queue holds a lock that dies with its process.

No clock is involved: a process that was killed is known at once, one that is merely stopped keeps
what it holds, and a machine that restarts finds every lock free.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from gateway.message import new_id


class Owner:
    """A name that nobody else ever has, alive until ``close`` or until the process ends."""

    def __init__(self, folder: Path) -> None:
        self.name = new_id()
        self._path = folder / self.name
        # Locked before others can see it, or one of them could take it for a dead one's.
        unseen = folder / f".{self.name}"
        self._file = os.open(unseen, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        keep_from_children(self._file)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        unseen.rename(self._path)

    def close(self) -> None:
        """Die: whatever this owner still holds is free for others."""
        self._path.unlink(missing_ok=True)
        _kept.discard(self._file)
        os.close(self._file)


_kept: set[int] = set()


def keep_from_children(file: int) -> None:
    """Have a locked file closed in children that are forked without exec.

    A lock outlives its taker in whoever shares the open file, and that is such a child.
    """
    if not _kept:
        os.register_at_fork(after_in_child=_close_kept)
    _kept.add(file)


def _close_kept() -> None:
    for file in _kept:
        with contextlib.suppress(OSError):
            os.close(file)


def is_alive(folder: Path, name: str) -> bool:
    """Tell whether the owner of that name still runs; forget it where it does not."""
    path = folder / name
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True  # another user's: it is not for this one to say that it is dead
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
    """Remove what killed processes left behind."""
    for name in os.listdir(folder):
        if not name.startswith("."):
            is_alive(folder, name)
