"""The built-in kinds of queues."""

from __future__ import annotations

from pathlib import Path

from gateway.errors import ConfigurationError, shortlist
from gateway.queue import AdministeredQueue
from gateway.queues.aws.address import parse_bucket, parse_sqs
from gateway.queues.embedded.file import live_folder
from gateway.queues.embedded.queue import SqliteQueue
from gateway.queues.kind import Abilities, Kind, Reach
from gateway.queues.memory import MemoryQueue
from gateway.queues.options import QueueOptions

ANY_CLIENT = "*"
"""The client of a listener in ``sqs.senders``."""
SHOWN = 4
"""Names in a line, at most."""


def _of_memory(address: str, folder: Path, options: QueueOptions) -> Abilities:
    if address not in ("memory:", "memory://"):
        raise ConfigurationError(f"queue: {address!r} has no path: write memory:")
    return Abilities(reach=Reach.PROCESS, is_durable=False, callers="this process only")


async def _open_memory(address: str, folder: Path, options: QueueOptions) -> AdministeredQueue:
    _of_memory(address, folder, options)
    return MemoryQueue(lease=options.lease, bounds=options.quarantine)


def _of_file(address: str, folder: Path, options: QueueOptions) -> Abilities:
    path = _path(address, folder)
    return Abilities(
        reach=Reach.MACHINE,
        callers="whoever may write the queue file",
        leases_run_out=False,
        files=live_folder(path) / "kept" if path.parent.is_dir() else None,
    )


async def _open_file(address: str, folder: Path, options: QueueOptions) -> AdministeredQueue:
    return await SqliteQueue.open(_path(address, folder), bounds=options.quarantine)


def _path(address: str, folder: Path) -> Path:
    """Return the path of a queue file: three slashes are relative, four absolute (SQLAlchemy)."""
    rest = address.removeprefix("sqlite:")
    if not rest.startswith("///") or len(rest) == 3:
        raise ConfigurationError(f"queue: {address!r} names no file: write {FILE.form}.")
    return folder / rest.removeprefix("///")


def _of_bucket(address: str, folder: Path, options: QueueOptions) -> Abilities:
    place = parse_bucket(address)
    return Abilities(
        reach=Reach.NETWORK,
        callers="whoever may write requests/ID.CLIENT into the bucket, as that CLIENT",
        is_fair=not place.doorbell,
        counts_exactly=not place.doorbell,
        quarantine=_by_rule(options),
        is_provisioned=True,
        is_paid=True,
    )


async def _open_bucket(address: str, folder: Path, options: QueueOptions) -> AdministeredQueue:
    place = parse_bucket(address)
    # Imported here: boto3 takes a quarter of a second and 30 MB, which other queues do not need.
    if place.doorbell:
        from gateway.queues.doorbell.queue import DoorbellQueue

        return await DoorbellQueue.open(place, options)
    from gateway.queues.bucket.queue import S3Queue

    return await S3Queue.open(place, options)


def _of_sqs(address: str, folder: Path, options: QueueOptions) -> Abilities:
    place = parse_sqs(address)
    dead_letters = "for as long as SQS keeps it, in the dead-letter queue"
    return Abilities(
        reach=Reach.NETWORK,
        callers=_principals(options),
        is_fair=False,
        counts_exactly=False,
        keeps_replies=place.replies is not None,
        quarantine=_by_rule(options) if place.replies else dead_letters,
        is_provisioned=True,
        is_paid=True,
        has_soapjms=True,
        unsafe=("unsafe_duplicates of the queue",) if place.unsafe_duplicates else (),
    )


async def _open_sqs(address: str, folder: Path, options: QueueOptions) -> AdministeredQueue:
    from gateway.queues.sqs.queue import SqsQueue

    return await SqsQueue.open(parse_sqs(address), options)


def _principals(options: QueueOptions) -> str:
    """Say whose messages are accepted; a listener speaks for all its clients."""
    if not options.senders:
        return "ANYONE who may send to it, under any client's name (sqs.senders is empty)"
    names = set(options.senders.values())
    told = [*(["listeners as any client"] if ANY_CLIENT in names else [])]
    told += sorted(names - {ANY_CLIENT})
    return f"{shortlist(told, SHOWN)}, by their credentials"


def _by_rule(options: QueueOptions) -> str:
    return f"{options.quarantine.days} days, by the rule of the bucket (gateway check looks for it)"


MEMORY = Kind(form="memory: (for tests)", abilities=_of_memory, open=_open_memory)
FILE = Kind(
    form="sqlite:///queue.db (a path from this folder) or sqlite:////var/lib/gateway/queue.db "
    "(four slashes: absolute)",
    abilities=_of_file,
    open=_open_file,
)
BUCKET = Kind(form="s3://BUCKET/PREFIX", abilities=_of_bucket, open=_open_bucket)
SQS = Kind(form="sqs://QUEUE?replies=s3://BUCKET/PREFIX", abilities=_of_sqs, open=_open_sqs)

BUILTIN = {"sqlite": FILE, "s3": BUCKET, "sqs": SQS, "memory": MEMORY}
"""The kinds by the scheme of their addresses."""
