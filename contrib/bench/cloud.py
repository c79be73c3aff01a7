"""Where calls through a bucket or SQS take place: a cloud on this machine, and roads to it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import processes
from borrowed import Cloud, servers
from caller import Answered, Call, Calls
from place import address_of
from processes import HERE, Process
from toll import Passed

KINDS = {
    "plain S3": "s3://{bucket}/orders?endpoint_url={url}",
    "doorbell": "s3://{bucket}/orders?doorbell={queue}&endpoint_url={url}",
    "SQS, replies in S3": "sqs://{queue}?replies=s3://{bucket}/orders&endpoint_url={url}",
    "SQS FIFO": "sqs://{queue}?endpoint_url={url}",
}
SETTINGS = """\
queue = "{queue}"

[services.echo]
wsdl = "{wsdl}"
forward = "{backend}"
repeatable = ["Echo"]

[gateway]
concurrency = {concurrency}

[sqs]
# The client reaches the same cloud by another road, so the URLs of its queues differ.
reply_queues = ["{replies}/*"]
"""
ACCOUNT = "000000000000"
CONCURRENCY = 8
LATENCY = 0.02
"""Seconds that each request to the cloud is delayed."""
WARM_UP = 64


class Road:
    """A toll process: what it counted."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.url = address_of(process)

    def passed(self) -> Passed:
        """Return what has passed since the last time."""
        return Passed(**json.loads(told(self._process, "")))


@dataclass(frozen=True, slots=True)
class Queue:
    """A new queue in a cloud: its address, but for the URL that leads to the cloud."""

    kind: str
    bucket: str
    name: str

    def address(self, url: str) -> str:
        return KINDS[self.kind].format(bucket=self.bucket, queue=self.name, url=url)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Gateways on a queue, and a client; each side has a road of its own to the cloud."""

    gateways: Sequence[Process]
    to_gateways: Road
    to_client: Road
    client: Process

    def perform(self, task: Calls) -> Answered:
        """Have calls made. Raises RuntimeError where one did not bring its reply."""
        said = json.loads(told(self.client, json.dumps(asdict(task))))
        return Answered(**{**said, "calls": [Call(**call) for call in said["calls"]]})

    def cpu(self) -> float:
        """Return the seconds of CPU that all gateways have used."""
        return sum(one.cpu() for one in self.gateways)


def told(process: Process, line: str) -> str:
    """Write a line to a script, and return the line that it answers."""
    pipes = process.popen
    assert pipes.stdin is not None  # ``script`` asks for both
    assert pipes.stdout is not None
    pipes.stdin.write(f"{line}\n")
    pipes.stdin.flush()
    answer = pipes.stdout.readline()
    if not answer:
        raise RuntimeError(f"{process.popen.args!r} has ended")
    return answer


@contextlib.contextmanager
def cloud(folder: Path) -> Iterator[Cloud]:
    """Start a cloud of S3 and SQS; programs that are started meanwhile have its key."""
    why = servers.available("ministack")
    if why:
        sys.exit(why)
    with servers.ministack(folder) as started:
        os.environ.update(servers.environment(started))
        yield started


def new_queue(started: Cloud, kind: str) -> Queue:
    """Make a bucket and an SQS queue for a queue of a kind."""
    url = servers.fresh_queue(started, fifo=kind == "SQS FIFO")
    return Queue(kind, servers.fresh_bucket(started), url.rpartition("/")[2])


@contextlib.contextmanager
def road(started: Cloud) -> Iterator[Road]:
    """Start a road to the cloud."""
    with processes.script("toll.py", started.s3, str(LATENCY)) as toll:
        yield Road(toll)


@contextlib.contextmanager
def fleet(
    folder: Path, started: Cloud, queue: Queue, *, gateways: int, takes: float
) -> Iterator[Fleet]:
    """Start gateways, a client, and a backend whose answers take so many seconds."""
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(processes.script("backend.py", "--takes", str(takes)))
        forward = address_of(backend)
        to_gateways = stack.enter_context(road(started))
        to_client = stack.enter_context(road(started))
        running = []
        for number in range(gateways):
            settings = folder / f"{number}" / "gateway.toml"
            own = queue.address(to_gateways.url)
            write_settings(settings, own, forward, f"{to_client.url}/{ACCOUNT}")
            running.append(stack.enter_context(processes.gateway(["serve"], settings, "warning")))
        client = processes.script("caller.py", queue.address(to_client.url))
        made = Fleet(running, to_gateways, to_client, stack.enter_context(client))
        yield made


def write_settings(path: Path, queue: str, backend: str, replies: str) -> None:
    """Write the settings of one gateway; ``replies`` is where reply queues are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        SETTINGS.format(
            queue=queue,
            wsdl=HERE / "echo.wsdl",
            backend=backend,
            concurrency=CONCURRENCY,
            replies=replies,
        )
    )
