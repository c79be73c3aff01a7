"""How long one request waits behind thousands of another client: ``python contrib/bench/turns.py``.

A gateway of eight concurrent calls to a backend of so many seconds, in this process, on servers of
this machine; none of them has the fair queues of AWS.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from borrowed import Cloud, servers
from cloud import CONCURRENCY, KINDS, cloud, new_queue
from report import table

from gateway.contract.operations import Operation
from gateway.endpoint import Begin, Call, unmarked
from gateway.message import Message
from gateway.queue import Queue, State
from gateway.queues.options import QueueOptions
from gateway.queues.registry import open_queue
from gateway.serving.loop import Gateway
from gateway.serving.settings import GatewaySettings
from gateway.soap.envelope import SoapVersion, parse

BUSY = 3.0
"""Seconds that the gateway works for the one client before the other sends its request."""
FILLING = 64
"""Requests that are sent at a time."""
PATIENCE = 600.0
ENVELOPE = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/></e:Envelope>'
ANY = Operation(
    name="Any",
    service="",
    port="",
    version=SoapVersion.V11,
    soap_action="",
    body=None,
    one_way=False,
    encoded=False,
    address="",
)


def main() -> None:
    """Measure one kind of queue after the other, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, default=2000, help="requests of the one client")
    parser.add_argument("--takes", type=float, default=0.1, help="seconds of the backend")
    parser.add_argument("--kind", choices=["embedded", *KINDS, *ELASTIC], action="append")
    options = parser.parse_args()
    rows: list[Sequence[str]] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name, cloud(Path(name)) as started:
        for kind, address in _addresses(Path(name), started, options.kind):
            waited, drained = asyncio.run(
                _measure(address, Path(name), options.waiting, options.takes)
            )
            rows.append((kind, f"{options.waiting}", f"{waited:.1f}", f"{drained:.0f}"))
            print(rows[-1], flush=True)
    columns = ("queue", "waiting of one", "the other waits, s", "it would in order, s")
    print("\n".join(table(columns, rows)))


ELASTIC: Mapping[str, str] = {
    "SQS of ElasticMQ": "sqs://{queue}?replies=s3://{bucket}/orders"
    "&s3_endpoint_url={s3}&sqs_endpoint_url={sqs}",
    "doorbell of ElasticMQ": "s3://{bucket}/orders?doorbell={queue}"
    "&s3_endpoint_url={s3}&sqs_endpoint_url={sqs}",
}


def _addresses(
    folder: Path, started: Cloud, wanted: Sequence[str] | None
) -> Iterator[tuple[str, str]]:
    for kind in wanted or ["embedded", *KINDS, *ELASTIC]:
        if kind == "embedded":
            yield kind, "sqlite:///queue.db"
        elif kind in ELASTIC:
            (home := folder / kind).mkdir()
            with servers.elasticmq(home) as other:
                queue = servers.fresh_queue(other).rpartition("/")[2]
                bucket = servers.fresh_bucket(started)
                places = {"queue": queue, "bucket": bucket, "s3": started.s3, "sqs": other.sqs}
                yield kind, ELASTIC[kind].format(**places)
        else:
            yield kind, new_queue(started, kind).address(started.s3)


async def _measure(address: str, folder: Path, waiting: int, takes: float) -> tuple[float, float]:
    """Return the seconds until the other has its reply, and those of working in order."""
    options = QueueOptions(concurrency=CONCURRENCY, reply_queues=("*",))
    async with contextlib.AsyncExitStack() as stack:
        client, queue = [await open_queue(address, folder, options) for _ in range(2)]
        stack.push_async_callback(client.aclose)
        stack.push_async_callback(queue.aclose)
        await _fill(client, waiting)
        stop, settings = asyncio.Event(), GatewaySettings(concurrency=CONCURRENCY, grace=1.0)
        working = asyncio.create_task(Gateway(queue, _Taking(takes), settings).run(stop))
        await asyncio.sleep(BUSY)
        began = time.monotonic()
        await client.send(request := _request("bob"))
        collected = await client.collect("bob", request.id, PATIENCE)
        waited = time.monotonic() - began
        if collected.state is not State.REPLY:
            raise RuntimeError(f"no reply in {PATIENCE:g} s")
        stop.set()
        await working
    return waited, waiting * takes / CONCURRENCY - BUSY


def _request(client: str) -> Message:
    return Message(body=ENVELOPE, content_type="text/xml", sender=client)


async def _fill(queue: Queue, waiting: int) -> None:
    for _ in range(0, waiting, FILLING):
        await asyncio.gather(*(queue.send(_request("alice")) for _ in range(FILLING)))


class _Taking:
    """An endpoint that admits everything, and takes so many seconds to answer it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def admit(self, message: Message, begin: Begin = unmarked) -> Call:
        return Call(message=message, envelope=parse(message), operation=ANY, begin=begin)

    async def answer(self, call: Call) -> Message:
        await asyncio.sleep(self._seconds)
        return Message(body=b"<Reply/>", content_type="text/xml")


if __name__ == "__main__":
    main()
