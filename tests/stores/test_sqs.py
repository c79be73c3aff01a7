"""The queue on SQS: with replies in a bucket, and with replies in queues."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import clouds
import pytest
import servers
from servers import Cloud

from gateway.errors import (
    ConfigurationError,
    IdTaken,
    LeaseLost,
    OutcomeUnknown,
    QueueUnavailable,
    Refused,
    Unsure,
)
from gateway.message import Message, Unreadable, new_id
from gateway.queue import State
from gateway.queues.aws.address import SqsAddress, parse_sqs
from gateway.queues.aws.sqs import Outgoing
from gateway.queues.aws.sqs_pump import SqsPump
from gateway.queues.options import QueueOptions
from gateway.queues.request_age import LONGEST_LIFE, check_age
from gateway.queues.sqs.queue import SqsQueue
from gateway.queues.sqs.replies import ReplyBox

SOON = 5.0
LEASE = 2.0
ENVELOPE = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/></e:Envelope>'
URI = "jms:queue:"


def request(body: bytes = ENVELOPE, **fields: object) -> Message:
    values = {"content_type": "text/xml", "sender": "alice", "target_service": "orders"}
    return Message(body=body, **(values | fields))  # type: ignore[arg-type]


def reply(body: bytes = b"<Reply/>", **fields: object) -> Message:
    return Message(body=body, content_type="text/xml", **fields)  # type: ignore[arg-type]


class Place:
    """A fresh queue, a fresh bucket, and boto3's clients, which stand for other programs."""

    def __init__(
        self, cloud: Cloud, store: Cloud, *, fifo: bool = False, bucket: bool = True
    ) -> None:
        self.sqs = servers.client(cloud, "sqs")
        self.s3 = servers.client(store, "s3") if bucket else None
        self.url = servers.fresh_queue(cloud, fifo)
        self.name = self.url.rpartition("/")[2]
        self.bucket = servers.fresh_bucket(store) if bucket else ""
        replies = f"?replies=s3://{self.bucket}/orders" if bucket else ""
        unsafe = "" if bucket or fifo else "?unsafe_duplicates=true"
        self.address: SqsAddress = parse_sqs(f"sqs://{self.name}{replies}{unsafe}")

    def put(self, body: str, attributes: dict[str, str] | None = None) -> str:
        """Send a message as another program would; return its MessageId."""
        given = {
            name: {"DataType": "String", "StringValue": value}
            for name, value in (attributes or {}).items()
        }
        sent = self.sqs.send_message(QueueUrl=self.url, MessageBody=body, MessageAttributes=given)
        return str(sent["MessageId"])

    def left(self) -> int:
        """Return how many messages are in the queue, hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def objects(self, part: str) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"orders/{part}/")
        return [one["Key"] for one in listed.get("Contents", [])]

    def close(self) -> None:
        self.sqs.close()
        if self.s3 is not None:
            self.s3.close()


@pytest.fixture
def on(request, monkeypatch) -> Iterator[Callable[..., Place]]:
    """Return what makes a place on a server, its bucket on another if one is named."""
    with contextlib.ExitStack() as stack:

        def make(server: str, store: str = "", **options: bool) -> Place:
            cloud = clouds.started(server, request)
            stored = clouds.started(store or server, request)
            found = servers.environment(cloud) | {"AWS_ENDPOINT_URL_S3": stored.s3}
            for name, value in found.items():
                monkeypatch.setenv(name, value or "http://127.0.0.1:9")
            place = Place(cloud, stored, **options)
            stack.callback(place.close)
            return place

        yield make


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Any]]:
    """Return what opens a queue; each is closed in the end."""
    queues: list[SqsQueue] = []

    async def open(place: Place, **options: Any) -> SqsQueue:
        values = {"lease": LEASE, **options}
        queues.append(await SqsQueue.open(place.address, QueueOptions(**values)))
        return queues[-1]

    yield open
    for one in queues:
        await one.aclose()


async def take_many(queue: SqsQueue, number: int) -> list[Any]:
    """Receive until there are so many; what comes is not settled."""
    taken: list[Any] = []
    while len(taken) < number:
        received = await queue.receive(number - len(taken), SOON)
        assert received, f"{len(taken)} of {number} came"
        taken += received
    return taken


async def take(queue: SqsQueue, wait: float = SOON) -> Any:
    (delivery,) = await queue.receive(1, wait)
    return delivery


# Replies in a bucket.


@pytest.mark.parametrize("server", ["ministack", "moto"])
async def test_a_call_goes_there_and_back(on, opened, server):
    place = on(server, store="ministack")  # not moto's: see below
    queue = await opened(place)
    sent = request(soap_action="urn:a", expires=queue.clock() + 60.5, correlation_id="c-1")
    await queue.send(sent)
    delivery = await take(queue)
    assert delivery.message == replace(sent, request_uri=URI + place.name)
    assert delivery.attempt == 1
    await delivery.answer(reply())
    for _ in range(2):
        assert (await queue.collect("alice", sent.id, SOON)).reply.body == b"<Reply/>"
    assert place.left() == 0


async def test_a_claim_outlives_its_gateway_and_is_taken_over_as_interrupted(on, opened):
    place = on("ministack")
    first, second = await opened(place), await opened(place)
    await first.send(sent := request())
    dead = await take(first)
    await dead.extend(LEASE)
    again = await take(second, 15)
    assert again.message.id == sent.id
    assert again.message.interrupted
    assert again.attempt == 2
    await again.answer(reply(b"right"))
    with pytest.raises(LeaseLost):
        await dead.answer(reply(b"zombie"))
    assert (await first.collect("alice", sent.id, 0)).reply.body == b"right"


async def test_a_repeatable_request_of_a_dead_gateway_comes_again_without_a_claim(on, opened):
    place = on("ministack")
    first, second = await opened(place), await opened(place)
    await first.send(sent := request())
    await take(first)
    again = await take(second, 10)
    assert again.message.id == sent.id
    assert not again.message.interrupted
    assert again.attempt == 2


async def test_work_that_is_renewed_is_left_alone(on, opened):
    place = on("ministack")
    first, second = await opened(place), await opened(place)
    await first.send(request())
    delivery = await take(first)
    for _ in range(8):
        await delivery.extend(LEASE)
        assert list(await second.receive(1, LEASE / 3)) == []
    await delivery.answer(reply())


async def test_of_two_that_answer_the_first_one_is_right(on, opened):
    place = on("ministack")
    queue = await opened(place)
    sent = request()
    await queue.send(sent)
    other = await opened(place)
    await other.send(sent)  # by another process, which does not know of the first
    one, two = await take(queue), await take(other)
    await one.answer(reply(b"first"))
    with pytest.raises(LeaseLost):
        await two.answer(reply(b"second"))
    assert (await queue.collect("alice", sent.id, 0)).reply.body == b"first"
    assert list(await queue.receive(1, 2 * LEASE)) == []
    assert place.left() == 0


async def test_an_id_that_was_used_for_other_bytes_is_put_aside(on, opened):
    place = on("ministack")
    queue, other = await opened(place), await opened(place)
    sent = request(id=new_id(lambda: time.time() - 3600))
    await queue.send(sent)
    await (await take(queue)).answer(reply())
    with pytest.raises(IdTaken):
        await queue.send(replace(sent, body=b"<other/>"))
    with pytest.raises(IdTaken):
        await other.send(replace(sent, body=b"<other/>"))
    own = json.dumps({"id": sent.id, "client": "alice"})
    place.put("<other/>", {"gateway": own, "SOAPJMS_contentType": "text/xml"})
    assert list(await queue.receive(1, 1)) == []
    # Beside the entry that the first one would have, by a mark.
    (aside,) = place.objects("quarantine")
    assert aside.startswith(f"orders/quarantine/{sent.id}.alice~")
    assert (await queue.collect("alice", sent.id, 0)).reply.body == b"<Reply/>"


async def test_a_request_given_back_does_not_count_where_nothing_was_reached(on, opened):
    place = on("ministack")
    queue = await opened(place)
    await queue.send(request())
    for _ in range(3):
        delivery = await take(queue)
        assert delivery.attempt == 1
        await delivery.extend(LEASE)
        await delivery.retry(0, counts=False)
    delivery = await take(queue)
    await delivery.extend(LEASE)
    began = time.monotonic()
    await delivery.retry(0.3)
    assert list(await queue.receive(1, 0)) == []
    delivery = await take(queue)
    assert time.monotonic() - began >= 0.3
    assert (delivery.attempt, delivery.message.interrupted) == (2, False)


async def test_a_request_put_off_wakes_who_waits_in_time(on, opened):
    queue = await opened(on("ministack"))
    await queue.send(request())
    delivery = await take(queue)
    waiting = asyncio.create_task(take(queue))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    await delivery.retry(0.2)
    await waiting
    assert time.monotonic() - began < 2


async def test_a_gateway_that_ends_gives_back_what_it_holds(on, opened):
    place = on("ministack")
    queue = await opened(place)
    ending = await SqsQueue.open(place.address, QueueOptions(lease=600))
    for _ in range(3):
        await ending.send(request())
    begun, parked, _ = [await take(ending) for _ in range(3)]
    await begun.extend(600)
    await parked.retry(60)
    await ending.aclose()
    again = [await take(queue) for _ in range(3)]
    interrupted = {one.message.id: one.message.interrupted for one in again}
    assert interrupted.pop(begun.message.id), "work had begun: it may have reached the backend"
    assert not any(interrupted.values())


async def test_a_quarantined_request_is_in_the_bucket_with_its_reason(on, opened):
    place = on("ministack")
    queue = await opened(place)
    await queue.send(sent := request(soap_action="urn:a"))
    await (await take(queue)).quarantine("Client: no", reply(is_fault=True))
    kept = place.s3.get_object(Bucket=place.bucket, Key=f"orders/quarantine/{sent.id}.alice")
    assert kept["Body"].read() == ENVELOPE
    assert kept["Metadata"]["gateway-reason"] == "Client: no"
    assert kept["Metadata"]["soapjms-soapaction"] == "urn:a"
    assert (await queue.collect("alice", sent.id, 0)).reply.is_fault
    assert place.left() == 0


@pytest.mark.parametrize("size", [0, 300_000, 2_000_000])
async def test_large_and_empty_bodies_go_through_the_bucket_and_leave_nothing_there(
    on, opened, size
):
    place = on("ministack")
    queue = await opened(place, limit=4 << 20)
    body = (b"\x00\xff<a/>" * size)[:size]
    await queue.send(request(body))
    assert len(place.objects("payloads")) == 1
    delivery = await take(queue)
    assert delivery.message.body == body
    await delivery.answer(None)
    assert place.objects("payloads") == []


async def test_a_request_has_arrived_once_its_body_is_there_and_not_when_its_pointer_is(on, opened):
    place = on("ministack")
    queue = await opened(place, senders={await principal_of(place): "alice"})
    point(place, key := "orders/payloads/alice/7f3c9a52")
    sent = time.time()
    await asyncio.sleep(1.1)  # HTTP tells whole seconds
    place.s3.put_object(Bucket=place.bucket, Key=key, Body=ENVELOPE)
    assert (await take(queue)).message.arrived > sent


async def test_a_message_of_java_with_a_pointer_is_read_and_a_foreign_pointer_put_aside(on, opened):
    place = on("ministack")
    queue = await opened(place, senders={await principal_of(place): "alice"})
    key = "orders/payloads/alice/7f3c9a52"
    place.s3.put_object(Bucket=place.bucket, Key=key, Body=ENVELOPE)
    for bucket in (place.bucket, "elsewhere"):
        point(place, key, bucket=bucket)
    found = [await take(queue) for _ in range(2)]
    (good,) = [one for one in found if isinstance(one.message, Message)]
    (bad,) = [one for one in found if isinstance(one.message, Unreadable)]
    assert good.message.body == ENVELOPE
    assert "another bucket" in bad.message.reason
    assert "elsewhere" not in bad.message.reason
    await bad.quarantine(f"unreadable: {bad.message.reason}", None)
    (aside,) = place.objects("quarantine")
    kept = place.s3.get_object(Bucket=place.bucket, Key=aside)["Body"].read()
    assert "elsewhere" in json.loads(kept)["body"]


@pytest.mark.parametrize("is_tagged", [False, True])
async def test_a_pointer_to_the_payload_of_another_client_is_refused_and_removes_nothing(
    on, opened, is_tagged
):
    place = on("ministack")
    key = f"orders/payloads/alice/{new_id()}"
    place.s3.put_object(Bucket=place.bucket, Key=key, Body=b"<alices/>")
    bob = await opened(place, senders={await principal_of(place): "bob"})
    own = json.dumps({"id": new_id(), "client": "bob"})
    point(place, key, {"gateway": own} if is_tagged else {})
    delivery = await take(bob)
    assert isinstance(delivery.message, Unreadable)
    assert delivery.message.sender == "bob"
    assert key not in delivery.message.reason
    await delivery.quarantine(f"unreadable: {delivery.message.reason}", None)
    (aside,) = place.objects("quarantine")
    assert b"alices" not in place.s3.get_object(Bucket=place.bucket, Key=aside)["Body"].read()
    assert place.objects("payloads") == [key]
    assert place.left() == 0


async def test_the_pointer_of_a_refused_sender_removes_nothing(on, opened):
    place = on("ministack")
    key = f"orders/payloads/alice/{new_id()}"
    place.s3.put_object(Bucket=place.bucket, Key=key, Body=ENVELOPE)
    queue = await opened(place, senders={"AIDAOTHER": "alice"})
    point(place, key, {"gateway": json.dumps({"id": new_id(), "client": "alice"})})
    delivery = await take(queue)
    assert "not among the senders" in delivery.message.reason
    await delivery.quarantine(f"unreadable: {delivery.message.reason}", None)
    assert place.objects("payloads") == [key]
    assert place.left() == 0


async def test_a_body_over_the_limit_is_refused_whatever_its_pointer_says_and_stays(on, opened):
    place = on("ministack")
    queue = await opened(place, senders={await principal_of(place): "alice"}, limit=1 << 20)
    key = f"orders/payloads/alice/{new_id()}"
    place.s3.put_object(Bucket=place.bucket, Key=key, Body=b"x" * (8 << 20))
    point(place, key, size="10")
    delivery = await take(queue)
    assert delivery.message.reason == "it is larger than what is accepted"
    await delivery.quarantine(f"unreadable: {delivery.message.reason}", None)
    assert place.left() == 0
    assert place.objects("payloads") == [key], "what is aside points to it"


async def test_a_large_request_that_is_put_aside_takes_its_body_along(on, opened):
    place = on("ministack")
    queue = await opened(place, limit=4 << 20)
    await queue.send(request(b"x" * 300_000))
    await (await take(queue)).quarantine("Client: no", reply(is_fault=True))
    (aside,) = place.objects("quarantine")
    kept = place.s3.get_object(Bucket=place.bucket, Key=aside)["Body"].read()
    assert kept == b"x" * 300_000
    assert place.objects("payloads") == []


async def test_a_dead_letter_is_read_no_further_than_its_sender_may_point(on, opened):
    place = on("ministack")
    letters = servers_queue(place)
    policy = json.dumps({"deadLetterTargetArn": arn(place, letters), "maxReceiveCount": "5"})
    place.sqs.set_queue_attributes(QueueUrl=place.url, Attributes={"RedrivePolicy": policy})
    key = f"orders/payloads/alice/{new_id()}"
    place.s3.put_object(Bucket=place.bucket, Key=key, Body=b"<alices/>")
    queue = await opened(place, senders={await principal_of(place): "bob"})
    said = {"id": new_id(), "client": "alice", "reason": "Server: trust me"}
    point(place, key, {"gateway-reason": json.dumps(said)}, url=letters)
    (entry,) = [one async for one in queue.quarantine.entries()]
    assert entry.sender == "bob"
    assert entry.reason != said["reason"]
    with pytest.raises(Refused, match="out of the folder"):
        await queue.quarantine.read(entry)


async def test_a_reply_over_the_limit_is_a_fault_that_says_so(on, opened, caplog):
    place = on("ministack")
    gateway, client = await opened(place), await opened(place, reply_limit=100_000)
    await client.send(sent := request())
    await (await take(gateway)).answer(reply(b"x" * 100_001))
    found = await client.collect("alice", sent.id, SOON)
    assert found.state is State.REPLY
    assert found.reply.is_fault
    assert b"limits.reply" in found.reply.body
    assert f"{sent.id} has a reply over 100000 bytes" in caplog.text
    assert (await gateway.collect("alice", sent.id, 0)).reply.body == b"x" * 100_001


async def test_a_bare_envelope_of_a_stranger_is_a_request_with_the_id_of_its_message(on, opened):
    place = on("ministack")
    queue = await opened(place)
    id = place.put(ENVELOPE.decode())
    delivery = await take(queue)
    assert delivery.message.id == id
    assert delivery.message.is_named_by_queue
    assert delivery.message.forgotten == delivery.message.arrived + LONGEST_LIFE
    assert delivery.message.content_type.startswith("text/xml")
    await delivery.answer(reply())
    assert place.objects("replies") == [f"orders/replies/{delivery.message.sender}/{id}"]


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ("{", "not as this program writes it"),
        ('{"id": "../../etc/passwd", "client": "alice"}', "message id"),
        ('{"id": "7f3c9a52-1111-4222-8333-123456789abc", "client": "a/b"}', "name"),
    ],
)
async def test_a_message_that_names_itself_wrongly_is_unreadable(on, opened, own, reason):
    place = on("ministack")
    queue = await opened(place)
    place.put(ENVELOPE.decode(), {"gateway": own})
    delivery = await take(queue)
    assert isinstance(delivery.message, Unreadable)
    assert reason in delivery.message.reason
    await delivery.quarantine("unreadable", None)
    assert place.left() == 0


async def test_where_senders_are_set_only_they_are_believed(on, opened):
    place = on("ministack")
    queue = await opened(place)
    place.put(ENVELOPE.decode())
    principal = (await take(queue)).entry.received.system["SenderId"].partition(":")[0]
    place.sqs.purge_queue(QueueUrl=place.url)
    strict = await opened(place, senders={principal: "alice"})
    await strict.send(sent := request())
    await strict.send(request(sender="mallory"))
    good, bad = [await take(strict) for _ in range(2)]
    assert good.message.id == sent.id
    assert "'mallory'" in bad.message.reason
    closed = await opened(place, senders={"AIDAOTHER": "bob"})
    await closed.send(request(sender="bob"))
    assert "not among the senders" in (await take(closed)).message.reason


async def test_a_listener_is_believed_for_whom_it_speaks_and_must_say_it(on, opened):
    place = on("ministack")
    queue = await opened(place)
    place.put(ENVELOPE.decode())
    principal = (await take(queue)).entry.received.system["SenderId"].partition(":")[0]
    place.sqs.purge_queue(QueueUrl=place.url)
    listener = await opened(place, senders={principal: "*"})
    for client in ("shop", "bank"):
        await listener.send(request(sender=client))
        assert (await take(listener)).message.sender == client
    place.put(ENVELOPE.decode())
    assert "does not say for whom" in (await take(listener)).message.reason


async def serve(queue: SqsQueue, calls: list[str], stop: asyncio.Event) -> None:
    """Carry requests out as a gateway does with repeatable ones."""
    while not stop.is_set():
        for one in await queue.receive(10, 0.2):
            try:
                if one.is_contested:
                    await one.extend(LEASE)
                calls.append(one.message.id)
                await asyncio.sleep(0.5)
                await one.answer(reply())
            except LeaseLost:
                continue


@pytest.mark.parametrize("age", [0.0, 30.0])
async def test_copies_of_a_repeatable_request_are_carried_out_once_by_a_gateway(
    on, opened, monkeypatch, age
):
    """Whether they come while it is at work, with it, or once it was answered."""
    monkeypatch.setattr("gateway.queues.claims.intake.COPY", 0.5)
    place = on("ministack")
    queue, calls, stop = await opened(place), [], asyncio.Event()
    sent = request(id=new_id(lambda: time.time() - age))
    gateway = asyncio.create_task(serve(queue, calls, stop))
    for _ in range(6):
        await (other := await opened(place)).send(sent)
        await asyncio.sleep(0.3)
    assert (await other.collect("alice", sent.id, SOON)).state is State.REPLY
    async with asyncio.timeout(4 * SOON):
        while place.left():
            await asyncio.sleep(0.1)
    stop.set()
    await gateway
    assert calls == [sent.id]


async def test_a_late_copy_of_a_repeatable_request_finds_the_reply_whoever_receives_it(
    on, opened, monkeypatch
):
    monkeypatch.setattr("gateway.queues.sqs.replies.FRESH", 1e9)
    place = on("ministack")
    client, first, second = [await opened(place) for _ in range(3)]
    sent = request(id=new_id(lambda: time.time() - 3))
    await client.send(sent)
    await (await take(first)).answer(reply())
    await (await opened(place)).send(sent)
    assert list(await second.receive(1, 1.0)) == []
    assert place.left() == 0


async def test_a_message_that_comes_again_while_it_is_at_work_waits_for_its_answer(on, opened):
    """SQS, or the way to it, stood still: the message was not hidden for long enough."""
    place = on("ministack")
    queue = await opened(place)
    await queue.send(sent := request())
    first = await take(queue)
    url, handle = place.url, first.entry.received.handle
    place.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    assert list(await queue.receive(1, 1.0)) == []
    await first.answer(reply())
    assert (await queue.collect("alice", sent.id, SOON)).state is State.REPLY


async def test_a_refusal_of_an_old_id_is_told_under_the_name_that_its_sender_gave(on, opened):
    place = on("ministack")
    queue = await opened(place)
    id = "01JDF0000000000000000000AA"
    place.put(ENVELOPE.decode(), {"gateway": json.dumps({"id": id, "client": "alice"})})
    message = (await take(queue)).message
    assert (message.sender, message.id) == ("alice", id)
    assert not message.is_named_by_queue
    with pytest.raises(OutcomeUnknown):
        check_age(message, queue.clock())


async def test_duplicates_of_sqs_are_answered_once(on, opened):
    # On a busy machine two of moto's conditional writes can win at once: its SQS alone is wanted.
    place = on("moto", store="ministack")
    gateways = [await opened(place, lease=30) for _ in range(2)]
    client = await opened(place)
    sent = [request(b"<a>%d</a>" % n) for n in range(40)]
    await asyncio.gather(*(client.send(one) for one in sent))
    begun: list[str] = []

    async def work(queue: SqsQueue) -> None:
        while deliveries := await queue.receive(5, 1):
            for delivery in deliveries:
                with contextlib.suppress(LeaseLost):
                    await delivery.extend(30)
                    begun.append(delivery.message.id)
                    await delivery.answer(reply(b"re:" + delivery.message.body))

    await asyncio.gather(*(work(queue) for queue in gateways for _ in range(2)))
    assert sorted(begun) == sorted(one.id for one in sent)
    for one in sent:
        assert (await client.collect("alice", one.id, SOON)).reply.body == b"re:" + one.body


# Replies in queues.


@pytest.mark.parametrize(
    ("server", "fifo"),
    [("ministack", True), ("moto", False), ("elasticmq", False), ("elasticmq", True)],
)
async def test_a_call_goes_there_and_back_by_queues_alone(on, opened, server, fifo):
    place = on(server, fifo=fifo, bucket=False)
    client, gateway = await opened(place), await opened(place)
    await client.send(sent := request())
    assert (await client.collect("alice", sent.id, 0)).state is State.PENDING
    delivery = await take(gateway)
    assert delivery.message.id == sent.id
    assert delivery.message.correlation_id == ""
    await delivery.answer(reply(is_fault=True, correlation_id=sent.id))
    for _ in range(2):
        found = await client.collect("alice", sent.id, SOON)
        assert found.reply.body == b"<Reply/>"
        assert found.reply.is_fault
    assert (await gateway.collect("alice", sent.id, 0)).state is State.UNKNOWN
    assert place.left() == 0


async def test_a_parked_request_that_another_received_meanwhile_is_not_begun(on, opened):
    place = on("elasticmq", fifo=True, bucket=False)
    busy, other = await opened(place), await opened(place, lease=30.0)
    await busy.send(request())
    await (await take(busy)).retry(0.1, counts=False)
    # Nobody asks the busy one until its message has come to another.
    assert (await take(other)).message.interrupted
    resumed = await take(busy)
    assert resumed.is_contested
    with pytest.raises(LeaseLost):
        await resumed.extend(LEASE)


@pytest.mark.parametrize("server", ["ministack", "elasticmq"])
async def test_requests_of_one_client_are_worked_on_side_by_side_in_a_fifo_queue(
    on, opened, server
):
    place = on(server, fifo=True, bucket=False)
    client, first, second = [await opened(place, lease=30) for _ in range(3)]
    for n in range(24):
        await client.send(request(b"<a>%d</a>" % n))
    held = await take_many(first, 8)
    others = await take_many(second, 8)
    assert len({one.message.id for one in [*held, *others]}) == 16


async def test_callers_at_the_same_time_each_get_their_own_reply(on, opened):
    place = on("elasticmq", fifo=True, bucket=False)
    client, gateway = await opened(place), await opened(place)

    async def call(n: int) -> bytes:
        await client.send(sent := request(b"<a>%d</a>" % n, sender=f"client{n}"))
        return (await client.collect(sent.sender, sent.id, 120)).reply.body

    async def work() -> None:
        answered = 0
        while answered < 30:
            for one in await gateway.receive(10, 2):
                await one.answer(reply(one.message.body, correlation_id=one.message.id))
                answered += 1

    *replies, _ = await asyncio.gather(*(call(n) for n in range(30)), work())
    assert replies == [b"<a>%d</a>" % n for n in range(30)]


async def test_the_reply_queue_goes_with_its_process(on, opened):
    place = on("elasticmq", fifo=True, bucket=False)
    client = await SqsQueue.open(place.address, QueueOptions(lease=LEASE))
    await client.send(request())
    listed = place.sqs.list_queues(QueueNamePrefix="gateway-replies-")["QueueUrls"]
    delivery = await take(await opened(place))
    url = delivery.message.reply_to
    assert url in listed
    await client.aclose()
    assert url not in place.sqs.list_queues(QueueNamePrefix="gateway-replies-").get("QueueUrls", [])
    await delivery.answer(reply())  # nobody waits for it any more
    assert place.left() == 0


async def test_a_reply_queue_that_is_not_allowed_gets_nothing_and_nothing_is_executed(
    on, opened, caplog
):
    place = on("ministack", fifo=False, bucket=False)
    dead = servers_queue(place)
    policy = {"deadLetterTargetArn": arn(place, dead), "maxReceiveCount": 9}
    place.sqs.set_queue_attributes(
        QueueUrl=place.url, Attributes={"RedrivePolicy": json.dumps(policy)}
    )
    queue = await opened(place)
    place.put(ENVELOPE.decode(), jms_reply(servers_queue(place)))
    delivery = await take(queue)
    assert isinstance(delivery.message, Unreadable)
    assert "reply_queues" in delivery.message.reason
    caplog.set_level("INFO")
    await delivery.quarantine("unreadable: reply queue", reply())
    assert "and its reply queue is not allowed" in caplog.text
    (kept,) = place.sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"])["Messages"]
    assert kept["Body"] == ENVELOPE.decode()
    said = json.loads(kept["MessageAttributes"]["gateway-reason"]["StringValue"])
    assert said["reason"] == "unreadable: reply queue"
    assert said["id"] == delivery.message.id
    assert place.left() == 0


async def test_a_reply_to_java_names_the_message_it_answers_and_is_of_its_kind(on, opened):
    place = on("elasticmq", fifo=False, bucket=False)
    mine = servers_queue(place)
    queue = await opened(place, reply_queues=(mine.rpartition("/")[2],))
    bytes_of_it = "PGUvPg=="
    plain = place.put(bytes_of_it, {"JMS_SQSMessageType": "byte", **jms_reply(mine)})
    correlated = {"JMS_SQSCorrelationID": "c-7", "SOAPJMS_contentType": "text/xml"}
    place.put(ENVELOPE.decode(), {**correlated, **jms_reply(mine)})
    for _ in range(2):
        delivery = await take(queue)
        await delivery.answer(reply(correlation_id="whatever"))
    got = {one["JMS_SQSCorrelationID"]: (body, one) for body, one in drained(place, mine, 2)}
    assert got["c-7"][0] == "<Reply/>"
    body, attributes = got[f"ID:{plain}"]
    assert (body, attributes["JMS_SQSMessageType"]) == ("PFJlcGx5Lz4=", "byte")
    assert attributes["SOAPJMS_isFault"] == "0"


async def test_a_reply_goes_to_the_virtual_queue_that_was_named(on, opened):
    place = on("elasticmq", fifo=False, bucket=False)
    host = servers_queue(place)
    queue = await opened(place, reply_queues=(host[:-4] + "*",))
    place.put(ENVELOPE.decode(), {"ResponseQueueUrl": f"{host}#virtual-1"})
    await (await take(queue)).answer(reply())
    ((body, attributes),) = drained(place, host, 1)
    assert body == "<Reply/>"
    assert attributes["__AmazonSQSVirtualQueuesClient.QueueName"] == "virtual-1"


async def test_a_second_receipt_counts_as_interrupted_where_no_bucket_knows_better(on, opened):
    place = on("ministack", fifo=True, bucket=False)
    client, gateway = await opened(place), await opened(place)
    await client.send(request())
    first = await take(gateway)
    await first.retry(0)
    assert not (await take(gateway)).message.interrupted
    again = await take(await opened(place), 10)
    assert again.message.interrupted


async def test_a_second_reply_to_the_same_request_is_dropped(on, opened, caplog):
    place = on("ministack", fifo=True, bucket=False)
    client = await opened(place)
    await client.send(sent := request())
    url = (await take(client)).message.reply_to
    for body in ("<first/>", "<second/>"):
        send_reply(place.sqs, url, body, sent.id)
    assert (await client.collect("alice", sent.id, SOON)).reply.body == b"<first/>"
    await client.send(other := request())
    assert (await client.collect("alice", other.id, 1)).state is State.PENDING
    assert (await client.collect("alice", sent.id, 0)).reply.body == b"<first/>"
    assert "is dropped" in caplog.text


@pytest.mark.parametrize("bucket", [True, False])
@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_a_request_that_may_be_in_the_queue_is_pending_and_not_unknown(
    on, opened, monkeypatch, bucket, is_cancelled
):
    place = on("ministack", fifo=True, bucket=bucket)
    client, gateway = await opened(place), await opened(place)
    carried = SqsPump.send

    async def silent(pump: SqsPump, outgoing: Outgoing) -> str:
        await carried(pump, outgoing)
        raise asyncio.CancelledError if is_cancelled else Unsure("it gave no answer")

    monkeypatch.setattr(SqsPump, "send", silent)
    sent = request()
    with pytest.raises(asyncio.CancelledError if is_cancelled else Unsure):
        await client.send(sent)
    assert (await client.collect("alice", sent.id, 0)).state is State.PENDING
    await (await take(gateway)).answer(reply())
    assert (await client.collect("alice", sent.id, SOON)).reply.body == b"<Reply/>"


async def test_a_look_for_replies_that_fails_behind_its_waiter_is_one_line(caplog, monkeypatch):
    box, failed = ReplyBox(None), asyncio.Event()

    async def read(wait: float) -> None:
        await failed.wait()
        raise Unsure("it gave no answer")

    monkeypatch.setattr(box, "_read", read)
    untold: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: untold.append(told))
    await box._look(0.01)
    failed.set()
    await asyncio.wait([box._looking])
    box._looking = None
    await asyncio.sleep(0)
    gc.collect()
    assert untold == []
    assert caplog.text.count("replies cannot be received now: it gave no answer") == 1


async def test_a_correlation_id_in_use_is_refused(on, opened):
    place = on("ministack", fifo=True, bucket=False)
    client = await opened(place)
    await client.send(request(correlation_id="c-1"))
    with pytest.raises(Refused, match="correlation id"):
        await client.send(request(correlation_id="c-1"))


@pytest.mark.parametrize("error", [QueueUnavailable("not now"), Refused("no")])
async def test_a_correlation_id_is_free_where_its_request_was_not_sent(
    on, opened, monkeypatch, error
):
    client = await opened(on("ministack", fifo=True, bucket=False))

    async def failing(pump: SqsPump, outgoing: Outgoing) -> str:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(SqsPump, "send", failing)
        with pytest.raises(type(error)):
            await client.send(request(correlation_id="c-1"))
    await client.send(request(correlation_id="c-1"))


async def test_what_sqs_cannot_carry_is_refused_without_a_bucket(on, opened):
    client = await opened(on("ministack", fifo=True, bucket=False))
    with pytest.raises(Refused, match=r"replies=s3://"):
        await client.send(request(b"<a/>" * 300_000))
    with pytest.raises(Refused, match="empty"):
        await client.send(request(b""))


async def test_a_reply_that_sqs_cannot_carry_becomes_a_fault(on, opened):
    place = on("ministack", fifo=True, bucket=False)
    client = await opened(place)
    await client.send(sent := request())
    await (await take(client)).answer(reply(b"x" * (1 << 20)))
    found = await client.collect("alice", sent.id, SOON)
    assert found.reply.is_fault
    assert b"larger than the queue" in found.reply.body


async def test_a_reply_queue_that_gets_nothing_is_told_of_once_for_each_client(on, opened, caplog):
    place = on("ministack")
    queue = await opened(place)
    for client in ("alice", "bob", "alice"):
        own = json.dumps({"id": new_id(), "client": client})
        place.put(ENVELOPE.decode(), {"gateway": own, **jms_reply(place.url)})
    place.put(ENVELOPE.decode(), {"gateway": json.dumps({"id": new_id(), "client": "carol"})})
    await take_many(queue, 4)
    told = [one for one in caplog.messages if "need an address without replies=" in one]
    assert sorted(one.split()[2] for one in told) == ["alice", "bob"]


async def test_a_reply_that_cannot_be_read_is_a_fault_for_who_waits(on, opened):
    place = on("ministack", fifo=True, bucket=False)
    client = await opened(place)
    await client.send(sent := request())
    ((_, attributes),) = drained(place, place.url, 1)
    string = {"DataType": "String"}
    place.sqs.send_message(
        QueueUrl=attributes["JMS_SQSReplyToQueueURL"],
        MessageBody="no base64!",
        MessageAttributes={
            "JMS_SQSMessageType": {**string, "StringValue": "byte"},
            "JMS_SQSCorrelationID": {**string, "StringValue": sent.id},
        },
    )
    found = await client.collect("alice", sent.id, SOON)
    assert found.reply.is_fault
    assert b"The reply cannot be read: its body is not base64" in found.reply.body


# The other direction: a SOAP/JMS server of another make on SQS.


@pytest.mark.parametrize("correlates", [True, False])
async def test_our_client_calls_a_soap_jms_server_of_another_make(on, opened, correlates):
    place = on("elasticmq", bucket=False)
    client = await opened(place)
    with soap_jms_server(place, correlates=correlates) as seen:
        await client.send(sent := request(soap_action="urn:echo"))
        found = await client.collect("alice", sent.id, 240)
    assert found.reply.body == b"<Echo>" + ENVELOPE + b"</Echo>"
    assert not found.reply.is_fault
    (attributes,) = seen
    assert attributes["SOAPJMS_bindingVersion"] == "1.0"
    assert attributes["SOAPJMS_contentType"] == "text/xml"
    assert attributes["SOAPJMS_soapAction"] == "urn:echo"
    assert attributes["SOAPJMS_requestURI"] == f"jms:queue:{place.name}"
    assert attributes["JMS_SQSReplyToQueueURL"].endswith(attributes["JMS_SQSReplyToQueueName"])


# Opening.


async def test_a_standard_queue_without_a_bucket_needs_to_be_asked_for():
    with pytest.raises(ConfigurationError, match=r"replies=.*\.fifo.*unsafe_duplicates=true"):
        await SqsQueue.open(parse_sqs("sqs://orders"), QueueOptions())


async def test_a_queue_that_is_not_there_is_named(on):
    place = on("ministack")
    address = replace(place.address, queue=f"missing-{uuid.uuid4().hex}")
    with pytest.raises(ConfigurationError, match=f"no SQS queue {address.queue}"):
        await SqsQueue.open(address, QueueOptions())


def point(
    place: Place,
    key: str,
    attributes: dict[str, str] | None = None,
    *,
    bucket: str = "",
    url: str = "",
    size: str = "85",
) -> None:
    """Send a pointer as Amazon's extended client for Java does."""
    pointer = {"s3BucketName": bucket or place.bucket, "s3Key": key}
    given = {name: ("String", value) for name, value in (attributes or {}).items()}
    given["SQSLargePayloadSize"] = ("Number", size)
    place.sqs.send_message(
        QueueUrl=url or place.url,
        MessageBody=json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", pointer]),
        MessageAttributes={
            name: {"DataType": type, "StringValue": value} for name, (type, value) in given.items()
        },
    )


async def principal_of(place: Place) -> str:
    """Return by which name the queue knows who sends to it here."""
    trial = servers_queue(place)
    place.sqs.send_message(QueueUrl=trial, MessageBody="x")
    answer = place.sqs.receive_message(
        QueueUrl=trial, AttributeNames=["SenderId"], WaitTimeSeconds=5
    )
    return str(answer["Messages"][0]["Attributes"]["SenderId"])


def servers_queue(place: Place) -> str:
    """Create another queue beside a place's."""
    return str(place.sqs.create_queue(QueueName=f"queue-{uuid.uuid4().hex}")["QueueUrl"])


def arn(place: Place, url: str) -> str:
    answer = place.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


def jms_reply(url: str) -> dict[str, str]:
    name = url.rpartition("/")[2]
    return {"JMS_SQSReplyToQueueName": name, "JMS_SQSReplyToQueueURL": url}


def drained(place: Place, url: str, count: int) -> list[tuple[str, dict[str, str]]]:
    """Receive so many messages; return their bodies, and their attributes' values."""
    found: list[tuple[str, dict[str, str]]] = []
    until = time.monotonic() + SOON
    while len(found) < count and time.monotonic() < until:
        answer = place.sqs.receive_message(
            QueueUrl=url, MessageAttributeNames=["All"], MaxNumberOfMessages=10, WaitTimeSeconds=1
        )
        found += [(one["Body"], _values(one)) for one in answer.get("Messages", [])]
    return found


def _values(received: dict[str, Any]) -> dict[str, str]:
    attributes = received.get("MessageAttributes", {})
    return {name: one["StringValue"] for name, one in attributes.items()}


def send_reply(sqs: Any, url: str, body: str, correlation: str) -> None:
    """Reply as Amazon's JMS library writes it for Apache CXF."""
    string = {"DataType": "String"}
    sqs.send_message(
        QueueUrl=url,
        MessageBody=body,
        MessageAttributes={
            "JMS_SQSMessageType": {**string, "StringValue": "text"},
            "JMS_SQSCorrelationID": {**string, "StringValue": correlation},
            "SOAPJMS_bindingVersion": {**string, "StringValue": "1.0"},
            "SOAPJMS_contentType": {**string, "StringValue": "text/xml;charset=UTF-8"},
            "SOAPJMS_isFault": {"DataType": "Number.Boolean", "StringValue": "0"},
        },
    )


@contextlib.contextmanager
def soap_jms_server(place: Place, *, correlates: bool) -> Iterator[list[dict[str, str]]]:
    """An echo on boto3 alone: deletes on receipt and answers to JMSReplyTo, as CXF does.

    One that does not correlate names the MessageId, as for a request without correlation id.
    """
    seen: list[dict[str, str]] = []
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            answer = place.sqs.receive_message(
                QueueUrl=place.url, MessageAttributeNames=["All"], WaitTimeSeconds=1
            )
            for one in answer.get("Messages", []):
                place.sqs.delete_message(QueueUrl=place.url, ReceiptHandle=one["ReceiptHandle"])
                seen.append(values := _values(one))
                correlation = (
                    values["JMS_SQSCorrelationID"] if correlates else f"ID:{one['MessageId']}"
                )
                body = f"<Echo>{one['Body']}</Echo>"
                send_reply(place.sqs, values["JMS_SQSReplyToQueueURL"], body, correlation)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


async def test_a_request_too_old_to_be_known_whose_body_was_swept_is_not_called_unreadable(
    on, opened
):
    place = on("ministack")
    queue = await opened(place)
    id = new_id(lambda: time.time() - 36 * 3600)
    key = f"orders/payloads/alice/{id}"
    pointer = {"s3BucketName": place.bucket, "s3Key": key}
    body = json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", pointer])
    own = json.dumps({"id": id, "client": "alice"})
    place.put(body, {"gateway": own, "SOAPJMS_contentType": "text/xml", "ExtendedPayloadSize": "9"})
    message = (await take(queue)).message
    with pytest.raises(OutcomeUnknown):
        check_age(message, queue.clock())
