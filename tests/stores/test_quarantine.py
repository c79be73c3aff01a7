"""What is particular to a kind of quarantine: its bounds, and what a crash leaves in it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
import time

import clouds
import pytest
import servers

from gateway.errors import ConfigurationError, ContractError, IdForgotten, Refused
from gateway.message import Message, new_id
from gateway.queues.aws.address import parse_bucket, parse_sqs
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.published import published
from gateway.queues.bucket.queue import S3Queue
from gateway.queues.bucket.store import S3Store
from gateway.queues.embedded.group_commit import Periods
from gateway.queues.embedded.quarantine_rows import old
from gateway.queues.embedded.queue import SqliteQueue
from gateway.queues.memory import MemoryQueue
from gateway.queues.options import Bounds, QueueOptions
from gateway.queues.sqs.queue import SqsQueue

SOON = 5.0
DAY = 86400.0
FAULT = Message(body=b"<fault/>", content_type="text/xml", is_fault=True)


class Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def request(clock=time.time, **fields: object) -> Message:
    values = {"body": b"<a/>", "content_type": "text/xml", "sender": "alice", "id": new_id(clock)}
    return Message(**(values | fields))  # type: ignore[arg-type]


async def aside(queue, **fields: object) -> str:
    await queue.send(sent := request(queue.clock, **fields))
    (delivery,) = await queue.receive(1, SOON)
    await delivery.quarantine("Client: no", FAULT)
    return sent.id


async def ids(queue) -> list[str]:
    return [entry.id async for entry in queue.quarantine.entries()]


@pytest.fixture(params=["memory", "sqlite"])
async def opened(request, tmp_path):
    """Open queues of one kind with bounds, which are kept at each look."""
    tidy = Periods(dead=0.0, sweep=-1.0)
    async with contextlib.AsyncExitStack() as stack:

        async def open(bounds: Bounds, clock):
            if request.param == "memory":
                return MemoryQueue(bounds=bounds, clock=clock)
            options = {"bounds": bounds, "clock": clock, "periods": tidy}
            queue = await SqliteQueue.open(tmp_path / "queue.db", **options)
            stack.push_async_callback(queue.aclose)
            return queue

        yield open


async def test_of_too_many_bytes_the_oldest_go(opened):
    queue = await opened(Bounds(bytes=100_000), time.time)
    _, *others = [await aside(queue, body=b"x" * 40_000) for _ in range(3)]
    await queue.receive(1, 0)
    assert await ids(queue) == others


async def test_large_bodies_leave_the_file_with_their_entries(tmp_path, caplog):
    path = tmp_path / "queue.db"
    queue = await SqliteQueue.open(path, bounds=Bounds(bytes=1_000_000))
    for _ in range(2):
        await aside(queue, body=b"x" * 900_000)
    queue._tidying.swept = float("-inf")
    queue._tidying.looked = float("-inf")
    with caplog.at_level(logging.WARNING):
        await queue.receive(1, 0)
    await queue.aclose()
    assert "1 requests left the quarantine" in caplog.text
    with contextlib.closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT sum(length(data)) FROM request_bodies").fetchone() == (900_000,)


async def test_a_request_that_waits_is_no_entry_and_is_never_swept(opened):
    clock = Time()
    queue = await opened(Bounds(days=60 / 86400), clock)
    await queue.send(request())
    clock.ahead = DAY / 2
    assert await ids(queue) == []
    assert len(await queue.receive(1, SOON)) == 1


async def test_a_queue_file_of_before_gets_the_index_of_the_quarantine(tmp_path):
    path = tmp_path / "queue.db"
    await (await SqliteQueue.open(path)).aclose()
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("DROP INDEX aside")
        file.commit()
    queue = await SqliteQueue.open(path)
    kept = await aside(queue)
    assert await ids(queue) == [kept]
    await queue.aclose()
    with contextlib.closing(sqlite3.connect(path)) as file:
        names = [name for (name,) in file.execute("SELECT name FROM sqlite_master")]
    assert "aside" in names


async def test_replies_cost_a_sweep_of_an_empty_quarantine_nothing(tmp_path):
    path = tmp_path / "queue.db"
    queue = await SqliteQueue.open(path)
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.executemany(
            "INSERT INTO replies(sender, id, digest, answered) VALUES ('alice', ?, x'', 0)",
            [(str(number),) for number in range(2000)],
        )
        file.commit()
        steps = []
        file.set_progress_handler(lambda: steps.append(1), 10)
        assert old(file, 0, 1) == []
    assert len(steps) < 20
    await queue.aclose()


async def test_an_entry_stays_where_its_new_request_is_refused(tmp_path):
    path = tmp_path / "queue.db"
    queue = await SqliteQueue.open(path)
    kept = await aside(queue)
    (entry,) = [entry async for entry in queue.quarantine.entries()]
    with contextlib.closing(sqlite3.connect(path)) as file:  # as a clock that was ahead leaves it
        spans = {new_id(lambda ahead=ahead: time.time() + ahead)[:5] for ahead in (0, SOON)}
        file.executemany("INSERT INTO swept VALUES (?, ?)", [(one, one + "ZZZZZ") for one in spans])
        file.commit()
    with pytest.raises(IdForgotten):
        await queue.quarantine.send_again(entry)
    assert await ids(queue) == [kept]
    await queue.aclose()


@pytest.fixture
def cloud(request, monkeypatch):
    started = clouds.started("ministack", request)
    for name, value in servers.environment(started).items():
        monkeypatch.setenv(name, value)
    return started


@pytest.fixture
def place(cloud):
    return parse_bucket(f"s3://{servers.fresh_bucket(cloud)}/orders")


@pytest.fixture
async def bucket(place):
    queue = await S3Queue.open(place, QueueOptions())
    yield queue
    await queue.aclose()


@pytest.fixture
async def store(place):
    opened = await S3Store.open(place, 8)
    yield opened
    await opened.aclose()


def note(place, id: str) -> str:
    return f"{place.prefix}/quarantine/again/{id}.alice"


async def test_whoever_goes_on_after_a_crash_sends_under_the_id_that_was_noted(
    bucket, store, place
):
    old, noted = await aside(bucket), new_id()
    await store.put(note(place, old), noted.encode())  # and there the first one died
    (entry,) = [one async for one in bucket.quarantine.entries()]
    assert entry.sent_again == noted
    assert await bucket.quarantine.send_again(entry) == noted
    assert [one.message.id for one in await bucket.receive(2, SOON)] == [noted]


async def test_an_entry_that_comes_back_after_it_was_sent_again_is_not_sent_a_second_time(
    bucket, store, place
):
    old = await aside(bucket)
    key = Keys(place).quarantine(f"{old}.alice")
    kept = await store.get(key)
    (entry,) = [one async for one in bucket.quarantine.entries()]
    new = await bucket.quarantine.send_again(entry)
    await (await bucket.receive(1, SOON))[0].answer(None)
    # As where the entry was not removed, or a gateway found its request again.
    await store.put(key, kept.body, metadata=kept.metadata)
    (entry,) = [one async for one in bucket.quarantine.entries()]
    assert await bucket.quarantine.send_again(entry) == new
    assert list(await bucket.receive(1, 0.3)) == []
    assert await ids(bucket) == []


async def test_an_entry_that_was_sent_with_another_envelope_is_refused(bucket, store, place):
    old = await aside(bucket)
    key = Keys(place).quarantine(f"{old}.alice")
    kept = await store.get(key)
    (entry,) = [one async for one in bucket.quarantine.entries()]
    new = await bucket.quarantine.send_again(entry)
    await store.put(key, kept.body, metadata=kept.metadata)
    with pytest.raises(Refused, match=f"before, as {new}, with another envelope"):
        await bucket.quarantine.send_again(entry, b"<b/>")
    assert len(await bucket.receive(2, SOON)) == 1


@pytest.mark.parametrize("was_sent", [True, False])
async def test_a_note_of_long_ago_is_believed_only_where_its_request_is_found(
    bucket, store, place, was_sent
):
    old, noted = await aside(bucket), new_id(lambda: time.time() - 1.5 * DAY)
    await store.put(note(place, old), noted.encode())
    if was_sent:
        await store.put(Keys(place).request(("alice", noted)), b"<a/>")
    (entry,) = [one async for one in bucket.quarantine.entries()]
    if was_sent:
        assert await bucket.quarantine.send_again(entry) == noted
        assert await ids(bucket) == []
    else:
        with pytest.raises(Refused, match=f"sent again as {noted}, a day ago or longer"):
            await bucket.quarantine.send_again(entry)
        assert await ids(bucket) == [old]


async def test_what_is_no_request_is_shown_and_only_dropped(bucket, store, place):
    await store.put(f"{place.prefix}/requests/holiday photo.jpg", b"jpeg")
    (delivery,) = await bucket.receive(1, SOON)
    await delivery.quarantine("unreadable: its key", None)
    (entry,) = [one async for one in bucket.quarantine.entries()]
    assert (entry.id, entry.sender, entry.code) == ("holiday photo.jpg", "", "unreadable")
    assert (await bucket.quarantine.read(entry)).body == b"jpeg"
    with pytest.raises(Refused, match="Nobody knows"):
        await bucket.quarantine.send_again(entry, b"<a/>")
    await bucket.quarantine.drop(entry)
    assert await ids(bucket) == []


async def test_an_entry_over_the_limit_is_not_read_and_its_place_is_told(bucket, store, place):
    await store.put(f"{place.prefix}/requests/photo.jpg", b"x" * ((8 << 20) + 1))
    (delivery,) = await bucket.receive(1, SOON)
    await delivery.quarantine("unreadable: its key", None)
    (entry,) = [one async for one in bucket.quarantine.entries()]
    with pytest.raises(Refused, match=r"8388609 bytes.*limits.request.*orders/quarantine/photo"):
        await bucket.quarantine.read(entry)
    await bucket.quarantine.drop(entry)
    assert await ids(bucket) == []


async def test_a_published_document_over_its_limit_is_not_read(place, store, monkeypatch):
    await store.put(f"{place.prefix}/contracts/orders/service.wsdl", b"0123456789")
    read = published(f"s3://{place.bucket}/{place.prefix}", "orders")
    assert await asyncio.to_thread(read, "service.wsdl") == b"0123456789"
    monkeypatch.setattr("gateway.queues.bucket.published.LARGEST", 9)
    with pytest.raises(ContractError, match="more than 9 bytes"):
        await asyncio.to_thread(read, "service.wsdl")


async def test_a_note_is_no_entry(bucket, store, place):
    await aside(bucket)
    (entry,) = [one async for one in bucket.quarantine.entries()]
    await bucket.quarantine.send_again(entry)
    assert len((await store.list(f"{place.prefix}/quarantine/")).found) == 1
    assert await ids(bucket) == []
    assert (await bucket.status()).quarantined == 0


def dead_lettered(cloud) -> tuple[str, str]:
    """Return the URLs of a queue and of its dead-letter queue."""
    url, dead = servers.fresh_queue(cloud), servers.fresh_queue(cloud)
    arn = f"arn:aws:sqs:us-east-1:000000000000:{dead.rpartition('/')[2]}"
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})
    with contextlib.closing(servers.client(cloud, "sqs")) as sqs:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
    return url, dead


def put(cloud, url: str, body: str, reason: dict[str, str] | None) -> None:
    said = {"gateway-reason": {"DataType": "String", "StringValue": json.dumps(reason)}}
    with contextlib.closing(servers.client(cloud, "sqs")) as sqs:
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=said if reason else {})


async def test_a_request_that_was_copied_twice_is_one_entry_and_both_copies_go(cloud):
    url, dead = dead_lettered(cloud)
    reason = {"id": new_id(), "client": "alice", "reason": "Client: no"}
    for _ in range(2):  # as after a crash between the copy and the removal
        put(cloud, dead, "<a/>", reason)
    address = parse_sqs(f"sqs://{url.rpartition('/')[2]}?unsafe_duplicates=true")
    async with contextlib.aclosing(await SqsQueue.open(address, QueueOptions())) as queue:
        (entry,) = [one async for one in queue.quarantine.entries()]
        assert (entry.id, entry.reason) == (reason["id"], "Client: no")
        await queue.quarantine.drop(entry)
        assert await ids(queue) == []


async def test_what_is_looked_at_is_there_for_others_at_once(cloud):
    url, dead = dead_lettered(cloud)
    put(cloud, dead, "<a/>", {"id": new_id(), "client": "alice", "reason": "Client: no"})
    address = parse_sqs(f"sqs://{url.rpartition('/')[2]}?unsafe_duplicates=true")
    for _ in range(2):
        async with contextlib.aclosing(await SqsQueue.open(address, QueueOptions())) as queue:
            assert len(await ids(queue)) == 1
            assert len(await ids(queue)) == 1


async def test_a_queue_without_a_place_for_dead_letters_says_so(cloud):
    name = servers.fresh_queue(cloud).rpartition("/")[2]
    address = parse_sqs(f"sqs://{name}?unsafe_duplicates=true")
    async with contextlib.aclosing(await SqsQueue.open(address, QueueOptions())) as queue:
        with pytest.raises(ConfigurationError, match="no dead-letter queue, so nothing is kept"):
            await ids(queue)


async def test_what_sqs_gave_up_is_in_the_quarantine_beside_what_is_in_the_bucket(
    cloud, store, place
):
    url, dead = dead_lettered(cloud)
    put(cloud, dead, "<given-up/>", None)
    name = url.rpartition("/")[2]
    address = parse_sqs(f"sqs://{name}?replies=s3://{place.bucket}/{place.prefix}")
    async with contextlib.aclosing(await SqsQueue.open(address, QueueOptions())) as queue:
        kept = await aside(queue)
        first, second = [one async for one in queue.quarantine.entries()]
        assert (first.id, second.code) == (kept, "dead-letter")
        assert (await queue.quarantine.read(second)).body == b"<given-up/>"
        new = await queue.quarantine.send_again(second)
        (delivery,) = await queue.receive(1, SOON)
        assert (delivery.message.id, delivery.message.body) == (new, b"<given-up/>")
        await queue.quarantine.drop(first)
        assert await ids(queue) == []
