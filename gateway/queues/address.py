"""From the address of a queue, as settings and programs write it, to the open queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.queue import AdministeredQueue
from gateway.queues.embedded.file import live_folder
from gateway.queues.embedded.queue import SqliteQueue
from gateway.queues.memory.queue import MemoryQueue
from gateway.queues.options import QueueOptions

KNOWN = (
    "use sqlite:///queue.db (a path from this folder), sqlite:////var/lib/gateway/queue.db "
    "(four slashes: absolute), s3://BUCKET/PREFIX, sqs://QUEUE?replies=s3://BUCKET/PREFIX, or "
    "memory: (for tests)"
)


async def open_queue(
    address: str,
    folder: Path,
    options: QueueOptions = QueueOptions(),  # noqa: B008  # frozen
) -> AdministeredQueue:
    """Open the queue at an address; relative paths are taken from ``folder``.

    Raises ConfigurationError with the cure.
    """
    check_kind(address)
    return await _OPENERS[address.partition(":")[0]](address, folder, options)


def check_kind(address: str) -> None:
    """Raise ConfigurationError where no kind of queue has such addresses; nothing is opened."""
    scheme, colon, _ = address.partition(":")
    if not colon or scheme not in _OPENERS:
        raise ConfigurationError(f"queue: {address!r} is no queue this program knows: {KNOWN}.")


def keeps_replies(address: str) -> bool:
    """Tell whether a reply outlives the process that waits for it: not in a queue of its own."""
    if not address.startswith("sqs:"):
        return True
    from gateway.queues.aws.address import parse_sqs

    return parse_sqs(address).replies is not None


def keepsakes(address: str, folder: Path) -> Path | None:
    """Return where programs may keep files beside a queue; None where it has no such place."""
    scheme, _, rest = address.partition(":")
    path = folder / rest.removeprefix("///")
    if scheme != "sqlite" or not path.parent.is_dir():
        return None
    return live_folder(path) / "kept"


async def _open_memory(address: str, folder: Path, options: QueueOptions) -> AdministeredQueue:
    if address not in ("memory:", "memory://"):
        raise ConfigurationError(f"queue: {address!r} has no path: write memory:")
    return MemoryQueue(bounds=options.quarantine)


async def _open_sqlite(address: str, folder: Path, options: QueueOptions) -> AdministeredQueue:
    """Open the embedded queue: three slashes relative, four absolute, as SQLAlchemy has it."""
    rest = address.removeprefix("sqlite:")
    if not rest.startswith("///") or len(rest) == 3:
        raise ConfigurationError(f"queue: {address!r} names no file: {KNOWN}.")
    return await SqliteQueue.open(folder / rest.removeprefix("///"), bounds=options.quarantine)


async def _open_s3(address: str, folder: Path, options: QueueOptions) -> AdministeredQueue:
    # Here, not above: boto3 takes a quarter of a second, and 30 MB, that other queues do without.
    from gateway.queues.aws.address import parse_bucket

    place = parse_bucket(address)
    if place.doorbell:
        from gateway.queues.doorbell.queue import DoorbellQueue

        return await DoorbellQueue.open(place, options)
    from gateway.queues.bucket.queue import S3Queue

    return await S3Queue.open(place, options)


async def _open_sqs(address: str, folder: Path, options: QueueOptions) -> AdministeredQueue:
    from gateway.queues.aws.address import parse_sqs
    from gateway.queues.sqs.queue import SqsQueue

    return await SqsQueue.open(parse_sqs(address), options)


_OPENERS: dict[str, Callable[[str, Path, QueueOptions], Awaitable[AdministeredQueue]]] = {
    "memory": _open_memory,
    "s3": _open_s3,
    "sqlite": _open_sqlite,
    "sqs": _open_sqs,
}
