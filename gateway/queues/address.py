"""From the address of a queue, as settings and programs write it, to the open queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.queue import Queue
from gateway.queues.memory import MemoryQueue
from gateway.queues.sqlite import SqliteQueue
from gateway.queues.sqlite_file import live_folder

KNOWN = (
    "use sqlite:///queue.db (a path from this folder), sqlite:////var/lib/gateway/queue.db "
    "(four slashes: absolute), or memory: (for tests)"
)


async def open_queue(address: str, folder: Path) -> Queue:
    """Open the queue at an address; relative paths are taken from ``folder``.

    Raises ConfigurationError with the cure.
    """
    scheme, colon, rest = address.partition(":")
    opener = _OPENERS.get(scheme) if colon else None
    if opener is None:
        raise ConfigurationError(f"queue: {address!r} is no queue this program knows: {KNOWN}.")
    return await opener(rest, folder)


def keepsakes(address: str, folder: Path) -> Path | None:
    """Return where programs may keep files beside a queue; None where it has no such place."""
    scheme, _, rest = address.partition(":")
    path = folder / rest.removeprefix("///")
    if scheme != "sqlite" or not path.parent.is_dir():
        return None
    return live_folder(path) / "kept"


async def _open_memory(rest: str, folder: Path) -> Queue:
    if rest not in ("", "//"):
        raise ConfigurationError(f"queue: 'memory:{rest}' has no path: write memory:")
    return MemoryQueue()


async def _open_sqlite(rest: str, folder: Path) -> Queue:
    """Open the embedded queue: three slashes relative, four absolute, as SQLAlchemy has it."""
    if not rest.startswith("///") or len(rest) == 3:
        raise ConfigurationError(f"queue: 'sqlite:{rest}' names no file: {KNOWN}.")
    return await SqliteQueue.open(folder / rest.removeprefix("///"))


_OPENERS: dict[str, Callable[[str, Path], Awaitable[Queue]]] = {
    "memory": _open_memory,
    "sqlite": _open_sqlite,
}
