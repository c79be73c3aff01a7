"""Who holds a lock that does not come free: what Linux tells of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_STOPPED = ("T", "t")
"""Of the states of a process (proc(5)): stopped by a signal, or by a debugger."""


def described_holder(file: int) -> str:
    """Return who has a ``flock`` on an open file, and what to do about it."""
    pid = _holder(file)
    if pid is None:
        return "another process holds the queue file"
    if pid == os.getpid():
        return "this process itself still writes: its disk is slow, or stands still"
    if _state(pid) in _STOPPED:
        return (
            f"process {pid} holds the queue file and is stopped: let it go on (kill -CONT {pid}), "
            f"or end it (kill -KILL {pid})"
        )
    return f"process {pid} holds the queue file"


def _holder(file: int) -> int | None:
    """Return the process that has a lock; None where that cannot be known.

    By the number of the file alone, since some file systems have the lock on another device than
    ``fstat`` tells.
    """
    inode = str(os.fstat(file).st_ino)
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text("ascii").splitlines():
            # Of those who wait for a lock, "->" follows the number.
            _, kind, _, _, pid, place, *_ = line.split()
            if kind == "FLOCK" and place.rpartition(":")[2] == inode and int(pid) > 0:
                return int(pid)
    return None


def _state(pid: int) -> str:
    """Return the state of a process, a letter; nothing of one that is gone or hidden."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[0]
