"""What the status of a queue tells where requests were given back, abandoned, or are many."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import clouds
import pytest
import servers

from gateway.errors import QueueUnavailable
from gateway.message import Message, new_id
from gateway.queues.aws.address import AwsAccess, parse_bucket
from gateway.queues.aws.sqs import SqsClient
from gateway.queues.bucket import status as bucket_status
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.queue import S3Queue
from gateway.queues.bucket.store import S3Store
from gateway.queues.embedded.queue import SqliteQueue
from gateway.queues.options import QueueOptions
from gateway.queues.sqs.status import doorbell_status, sqs_status

SOON = 5.0
FOREIGN = "7f3c9a52-1111-4222-8333-123456789abc"

# Takes one request, and dies with it.
VICTIM = """
import asyncio, os, sys
from pathlib import Path
from gateway.queues.embedded.queue import SqliteQueue

async def main():
    queue = await SqliteQueue.open(Path(sys.argv[1]))
    await queue.receive(1, 10)
    os._exit(0)

asyncio.run(main())
"""


def request(**fields: object) -> Message:
    values = {"body": b"<a/>", "content_type": "text/xml", "sender": "alice"}
    return Message(**(values | fields))  # type: ignore[arg-type]


@pytest.fixture
async def embedded(tmp_path: Path):
    queue = await SqliteQueue.open(tmp_path / "queue.db")
    yield queue
    await queue.aclose()


async def test_what_a_dead_process_held_is_waiting(embedded, tmp_path):
    await embedded.send(request())
    subprocess.run([sys.executable, "-c", VICTIM, tmp_path / "queue.db"], check=True, timeout=240)
    found = await embedded.status()
    assert (found.waiting, found.in_flight) == (1, 0)


async def test_the_age_of_a_request_is_not_that_of_its_last_return(embedded):
    """Nor what its id says: it is the time since it came."""
    hour_ago = time.time() - 3600
    for id in (new_id(lambda: hour_ago), FOREIGN):
        began = time.monotonic()
        await embedded.send(request(id=id))
        for _ in range(2):
            (delivery,) = await embedded.receive(1, SOON)
            await asyncio.sleep(0.2)
            await delivery.retry(0)
        assert 0.4 <= (await embedded.status()).oldest <= time.monotonic() - began
        await (await embedded.receive(1, SOON))[0].answer(None)


@pytest.fixture
def cloud(request, monkeypatch):
    started = clouds.started("ministack", request)
    for name, value in servers.environment(started).items():
        monkeypatch.setenv(name, value)
    return started


@pytest.fixture
def address(cloud):
    return parse_bucket(f"s3://{servers.fresh_bucket(cloud)}/orders")


@pytest.fixture
async def queue(address):
    opened = await S3Queue.open(address, QueueOptions())
    yield opened
    await opened.aclose()


@pytest.fixture
async def store(address):
    opened = await S3Store.open(address, 8)
    yield opened
    await opened.aclose()


async def test_nobody_asks_which_of_many_requests_are_in_flight(queue, monkeypatch):
    for _ in range(3):
        await queue.send(request())
    await queue.receive(1, SOON)
    monkeypatch.setattr(bucket_status, "LOOKED_AT", 3)
    assert (await queue.status()).in_flight == 1
    monkeypatch.setattr(bucket_status, "LOOKED_AT", 2)
    found = await queue.status()
    assert (found.waiting, found.in_flight) == (3, None)
    assert found.oldest < SOON


@pytest.mark.parametrize("count", [1, 2, 3, 4])
async def test_requests_on_every_page_of_a_listing_are_counted(queue, monkeypatch, count):
    monkeypatch.setattr(bucket_status, "PAGE", 2)
    for _ in range(count):
        await queue.send(request())
    assert (await queue.status()).waiting == count


async def test_what_is_answered_and_not_removed_yet_is_no_work(queue, store, address):
    await queue.send(sent := request())
    key = Keys(address).request(("alice", sent.id))
    stored = await store.get(key)
    (delivery,) = await queue.receive(1, SOON)
    await delivery.answer(None)
    await store.put(key, stored.body, metadata=stored.metadata)  # as if it had not been removed
    found = await queue.status()
    assert (found.depth, found.oldest) == (0, None)


async def test_what_is_no_request_counts_as_waiting(queue, store, address):
    await store.put(Keys(address).requests + "holiday photo.jpg", b"")
    found = await queue.status()
    assert (found.waiting, found.in_flight) == (1, 0)
    assert found.oldest < SOON


@pytest.fixture
async def client(cloud):
    opened = await SqsClient.open(AwsAccess(), 8)
    yield opened
    await opened.aclose()


async def send(client: SqsClient, url: str, **fields: object) -> None:
    await client.call("SendMessage", QueueUrl=url, MessageBody="m", **fields)


async def receive(client: SqsClient, url: str) -> None:
    answer = await client.call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=1)
    assert len(answer["Messages"]) == 1


async def test_messages_are_counted_as_waiting_delayed_and_in_flight(cloud, client):
    url = servers.fresh_queue(cloud)
    for _ in range(3):
        await send(client, url)
    await send(client, url, DelaySeconds=60)
    await receive(client, url)
    found = await sqs_status(client, url, None, None)
    assert (found.waiting, found.in_flight, found.oldest) == (3, 1, None)
    assert found.quarantined is None
    assert not found.is_exact


async def test_what_was_put_aside_in_the_bucket_and_by_sqs_is_counted(
    cloud, client, store, address
):
    url, dead = servers.fresh_queue(cloud), servers.fresh_queue(cloud)
    arn = f"arn:aws:sqs:us-east-1:000000000000:{dead.rpartition('/')[2]}"
    policy = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": 5}}'
    await client.call("SetQueueAttributes", QueueUrl=url, Attributes={"RedrivePolicy": policy})
    await send(client, dead)
    assert (await sqs_status(client, url, None, None)).quarantined == 1
    keys = Keys(address)
    await store.put(keys.quarantine(f"{FOREIGN}.alice"), b"")
    assert (await sqs_status(client, url, store, keys)).quarantined == 2


async def test_a_queue_that_is_not_there_is_told(client):
    with pytest.raises(QueueUnavailable, match="nowhere"):
        await sqs_status(client, "http://127.0.0.1/000000000000/nowhere", None, None)


async def test_a_doorbell_queue_counts_the_requests_of_the_bucket(cloud, client, store, address):
    url, keys = servers.fresh_queue(cloud), Keys(address)
    for _ in range(3):
        await store.put(keys.request(("alice", new_id())), b"")
    for _ in range(2):  # a ring, and the message by which gateways take turns to sweep
        await send(client, url)
        await receive(client, url)
    found = await doorbell_status(client, url, store, keys)
    assert (found.waiting, found.in_flight, found.quarantined) == (2, 1, 0)
    assert found.oldest < SOON
