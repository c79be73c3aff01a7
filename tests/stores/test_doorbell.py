"""The queue in a bucket with a doorbell: rings that are late, double, missing, or none."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from dataclasses import replace

import clouds
import pytest
import servers
from answering import Answering
from faults import FaultProxy, delayed, kind

from gateway.errors import LeaseLost
from gateway.message import Message, Unreadable, new_id
from gateway.observe.events import Events
from gateway.queue import State
from gateway.queues.aws.address import parse_bucket
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.ledger import BucketLedger
from gateway.queues.claims import intake as leased_intake
from gateway.queues.claims import records
from gateway.queues.claims.records import Claim, Settled, new_token
from gateway.queues.doorbell import entry as doorbell_entry
from gateway.queues.doorbell import fair_queuing
from gateway.queues.doorbell import sweep as doorbell_sweep
from gateway.queues.doorbell.entry import RequestEntry
from gateway.queues.doorbell.messages import (
    Ring,
    Stray,
    Sweeping,
    Trial,
    parse,
    ring,
)
from gateway.queues.doorbell.queue import DoorbellQueue
from gateway.queues.options import QueueOptions, Sweeps
from gateway.serving.leases import Work
from gateway.serving.verdict import Completed
from gateway.serving.walk import Walk

SOON = 5.0
LEASE = 1.0


def request(body: bytes = b"<Envelope/>", **fields: object) -> Message:
    values = {"content_type": "text/xml", "sender": "alice", "target_service": "orders"}
    return Message(body=body, **(values | fields))  # type: ignore[arg-type]


def reply(body: bytes = b"<Reply/>", **fields: object) -> Message:
    return Message(body=body, content_type="text/xml", **fields)  # type: ignore[arg-type]


class Place:
    """A bucket and its doorbell, seen from outside by boto3."""

    def __init__(self, cloud: servers.Cloud) -> None:
        self.bucket, self.url = servers.fresh_bucket(cloud), servers.fresh_queue(cloud)
        self.address = parse_bucket(f"s3://{self.bucket}/orders?doorbell={self.url}")
        self.keys = Keys(self.address)
        self.endpoint = cloud.s3
        self._cloud = cloud

    def post(self, body: str) -> None:
        with contextlib.closing(servers.client(self._cloud, "sqs")) as sqs:
            sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def messages(self) -> int:
        """Return how many messages the doorbell has; the token is not counted."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        with contextlib.closing(servers.client(self._cloud, "sqs")) as sqs:
            found = sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=list(names))
        return sum(int(found["Attributes"][name]) for name in names)

    def delayed(self) -> int:
        """Return how many messages come later: tokens, since requests have no reason to."""
        name = "ApproximateNumberOfMessagesDelayed"
        with contextlib.closing(servers.client(self._cloud, "sqs")) as sqs:
            found = sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])
        return int(found["Attributes"][name])

    def groups(self) -> list[str]:
        """Return the message groups of what is in the queue."""
        with contextlib.closing(servers.client(self._cloud, "sqs")) as sqs:
            found = sqs.receive_message(
                QueueUrl=self.url, AttributeNames=["All"], MaxNumberOfMessages=10
            )
        return [one["Attributes"]["MessageGroupId"] for one in found["Messages"]]

    def put(self, key: str) -> None:
        with contextlib.closing(servers.client(self._cloud, "s3")) as s3:
            body = b"<Envelope/>"
            s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="text/xml")

    def objects(self, folder: str) -> list[str]:
        with contextlib.closing(servers.client(self._cloud, "s3")) as s3:
            found = s3.list_objects_v2(Bucket=self.bucket, Prefix=f"orders/{folder}/")
        return [one["Key"] for one in found.get("Contents", ())]


@pytest.fixture(params=["ministack"])
def place(request, monkeypatch) -> Place:
    cloud = clouds.started(request.param, request)
    # On a busy machine two of moto's conditional writes can win at once: its SQS alone is wanted.
    cloud = replace(cloud, s3=clouds.started("ministack", request).s3)
    for name, value in servers.environment(cloud).items():
        monkeypatch.setenv(name, value)
    return Place(cloud)


NO_SWEEP = Sweeps(settling=600)
"""Where no test wants one: its token would be one more message."""


@contextlib.asynccontextmanager
async def opened(place: Place, lease: float = LEASE, sweeps: Sweeps = NO_SWEEP):
    queue = await DoorbellQueue.open(place.address, QueueOptions(lease=lease, sweeps=sweeps))
    try:
        yield queue
    finally:
        await queue.aclose()


@pytest.fixture
def sweeps() -> Sweeps:
    return NO_SWEEP


@pytest.fixture
async def queue(place, sweeps):
    async with opened(place, 30.0, sweeps) as queue:
        yield queue


@pytest.fixture
async def mute(place, monkeypatch):
    """A client that may not ring."""
    async with opened(place) as queue:
        monkeypatch.setattr(queue._bell, "_silent_until", time.monotonic() + 600)
        yield queue


async def test_a_request_that_the_store_is_slow_to_give_holds_up_no_later_one(place, mute):
    async with FaultProxy(place.endpoint) as proxy:
        slow = proxy.inject(delayed(4 * SOON), kind("GET", "/requests/"))
        address = replace(
            place.address, access=replace(place.address.access, s3_endpoint_url=proxy.url)
        )
        queue = await DoorbellQueue.open(address, QueueOptions(sweeps=NO_SWEEP))
        await mute.send(first := request())
        place.post(ring(f"orders/requests/{first.id}.alice"))
        taking = asyncio.create_task(queue.receive(2, 4 * SOON))
        while not slow.hits:
            await asyncio.sleep(0.01)
        await mute.send(later := request())
        place.post(ring(f"orders/requests/{later.id}.alice"))
        async with asyncio.timeout(SOON):
            (delivery,) = await taking
        assert delivery.message.id == later.id
        await delivery.answer(None)
        await queue.aclose()


async def take(queue: DoorbellQueue):
    (delivery,) = await queue.receive(1, SOON)
    return delivery


def event(*keys: str) -> str:
    return json.dumps({"Records": [{"s3": {"object": {"key": key}}} for key in keys]})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (ring("p/requests/a"), Ring(("p/requests/a",))),
        (ring("p/requests/a", swept=True), Ring(("p/requests/a",), swept=True)),
        (
            event("p%2Frequests%2Fa+b%2B", "c%20d"),
            Ring(("p/requests/a b+", "c d"), is_by_store=True),
        ),
        (ring("p/requests/a", by_store=True), Ring(("p/requests/a",), is_by_store=True)),
        ('{"Service":"Amazon S3","Event":"s3:TestEvent"}', Trial()),
        (doorbell_sweep.TOKEN, Sweeping()),
    ],
)
def test_every_message_of_a_doorbell_is_understood(body, expected):
    assert parse(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<a/>",
        "[]",
        "1",
        "{}",
        "[" * 100_000,
        '{"gateway":"ring","key":7}',
        '{"Records":[]}',
        '{"Records":[1]}',
        '{"Records":{"s3":0}}',
        '{"Records":[{"s3":{"object":{"key":null}}}]}',
        json.dumps({"Records": [{"s3": {"object": {"key": "orders/requests/a"}}}] * 101}),
        r'{"gateway":"ring","key":"orders/requests/\ud800"}',
        ring("orders/requests/" + "a" * 1024),
        ring(""),
        event("orders/requests/a", "orders/requests/\udfff"),
        event("a" * 1025),
    ],
)
def test_other_messages_are_told_apart(body):
    assert isinstance(parse(body), Stray)


async def test_a_notification_of_s3_brings_a_request_whose_sender_may_not_ring(place, mute, queue):
    await mute.send(sent := request())
    place.post(event(place.keys.request(("alice", sent.id)).replace("/", "%2F")))
    delivery = await take(queue)
    assert delivery.message == sent
    await delivery.answer(reply())
    assert (place.messages(), place.objects("requests")) == (0, [])


async def test_a_notification_of_several_requests_brings_each(place, mute, queue):
    sent = [request(), request()]
    for one in sent:
        await mute.send(one)
    place.post(event(*(place.keys.request(("alice", one.id)) for one in sent)))
    taken = [await take(queue), await take(queue)]
    assert {one.message.id for one in taken} == {one.id for one in sent}
    for one in taken:
        await one.answer(None)
    assert place.messages() == 0


async def test_a_request_that_its_client_and_s3_ring_for_is_carried_out_by_one(place, queue):
    async with opened(place) as other:
        await queue.send(sent := request())
        delivery = await take(queue)
        place.post(event(place.keys.request(("alice", sent.id))))
        assert list(await other.receive(1, 0.5)) == []
        await delivery.answer(reply())
        # It comes back after a part of the lease, finds the reply, and goes.
        assert list(await other.receive(1, 2.5)) == []
        assert (place.messages(), place.objects("requests")) == (0, [])


async def test_a_notification_stands_in_for_a_ring_that_was_lost(place, queue, monkeypatch):
    async with opened(place) as other:
        monkeypatch.setattr(queue._bell, "ring", lost)
        await queue.send(sent := request())
        place.post(event(place.keys.request(("alice", sent.id))))
        assert list(await other.receive(1, 0.3)) == []
        delivery = await take(other)
        assert delivery.message == sent
        await delivery.answer(reply())


async def test_a_notification_of_a_request_that_is_gone_is_dropped(place, queue):
    place.post(event(place.keys.request(("alice", new_id()))))
    assert list(await queue.receive(1, 0.5)) == []
    assert place.messages() == 0


async def test_a_request_that_comes_while_its_ring_is_looked_at_is_not_removed(
    place, queue, monkeypatch
):
    """A client may ring just before it puts its request, and has been told that it was taken."""
    key, read = place.keys.request(("alice", new_id())), RequestEntry.read

    async def too_early(entry: RequestEntry, *, interrupted: bool) -> object:
        found = await read(entry, interrupted=interrupted)
        if found is None:
            place.put(key)
        return found

    monkeypatch.setattr(RequestEntry, "read", too_early)
    place.post(ring(key))
    async with asyncio.timeout(240):
        while not place.objects("requests") or place.messages():
            assert list(await queue.receive(1, 0.5)) == []
    assert place.objects("requests") == [key]
    place.post(ring(key))
    delivery = await take(queue)
    assert delivery.message.body == b"<Envelope/>"


async def lost(key: str, *, again: bool = False) -> None:
    """Stand for a ring that never arrives."""


async def test_a_sender_whose_doorbell_is_gone_has_sent_all_the_same(place, queue):
    gone = parse_bucket(f"s3://{place.bucket}/orders?doorbell=not-there")
    client = await DoorbellQueue.open(gone, QueueOptions(sweeps=NO_SWEEP))
    await client.send(sent := request())
    await client.aclose()
    place.post(ring(place.keys.request(("alice", sent.id))))
    assert (await take(queue)).message.id == sent.id


async def test_a_request_rung_for_twice_is_handed_out_once(place, queue):
    await queue.send(sent := request())
    delivery = await take(queue)
    place.post(ring(place.keys.request(("alice", sent.id))))
    assert list(await queue.receive(1, 0.5)) == []
    assert place.messages() == 1
    await delivery.answer(reply())
    assert place.messages() == 0


async def test_a_request_that_is_sent_again_is_rung_for_later_and_carried_out_once(place):
    """The first ring may be at work, and no register tells of it yet."""
    async with opened(place, 30.0) as first, opened(place, 30.0) as second:
        sent = request(id=new_id(lambda: time.time() - 3))
        await first.send(sent)
        (delivery,) = await first.receive(1, SOON)
        async with opened(place) as other:
            await other.send(sent)
        assert list(await second.receive(1, 1.0)) == []
        assert place.delayed() == 1
        await delivery.answer(reply())


async def test_a_late_copy_of_a_request_is_looked_up_before_it_is_handed_out(place, monkeypatch):
    monkeypatch.setattr("gateway.queues.bucket.client.FRESH", 1e9)
    async with opened(place) as first, opened(place) as second:
        sent = request(id=new_id(lambda: time.time() - 3))
        await first.send(sent)
        (delivery,) = await first.receive(1, SOON)
        await delivery.answer(reply())
        async with opened(place) as other:
            await other.send(sent)
            assert place.objects("requests")
        assert list(await second.receive(1, 1.0)) == []
        assert place.objects("requests") == []


async def test_a_ring_for_an_answered_request_is_dropped(place, queue):
    await queue.send(sent := request())
    await (await take(queue)).answer(reply())
    place.post(ring(place.keys.request(("alice", sent.id))))
    assert list(await queue.receive(1, 0.5)) == []
    assert place.messages() == 0


async def test_an_answered_request_that_was_not_removed_is_removed_and_not_carried_out(
    place, mute, queue
):
    await mute.send(sent := request())
    ledger = BucketLedger(queue._store, place.keys)
    claim = Claim(token=new_token(), lease=LEASE, attempt=1)
    await ledger.write(("alice", sent.id), Settled(claim, sent, reply(b"first")), None)
    place.post(ring(place.keys.request(("alice", sent.id)), swept=True))
    assert list(await queue.receive(1, 0.5)) == []
    assert (place.messages(), place.objects("requests")) == (0, [])


async def test_a_message_that_is_no_ring_is_put_aside_and_the_loop_goes_on(place, queue):
    place.post("<not ours/>")
    stray = await take(queue)
    assert isinstance(stray.message, Unreadable)
    await stray.quarantine("unreadable", None)
    assert len(place.objects("quarantine")) == 1
    assert place.messages() == 0
    await queue.send(sent := request())
    assert (await take(queue)).message.id == sent.id


async def test_an_object_with_another_name_is_put_aside(place, queue):
    with contextlib.closing(servers.client(place._cloud, "s3")) as s3:
        s3.put_object(Bucket=place.bucket, Key="orders/requests/notes.txt.old", Body=b"x")
    place.post(event("orders/requests/notes.txt.old"))
    stray = await take(queue)
    await stray.quarantine("unreadable", None)
    assert place.objects("requests") == []
    assert len(place.objects("quarantine")) == 1


async def test_notifications_of_other_objects_and_trials_are_dropped(place, queue):
    place.post(event("orders/replies/alice/" + new_id()))
    place.post('{"Service":"Amazon S3","Event":"s3:TestEvent"}')
    assert list(await queue.receive(10, 1)) == []
    assert place.messages() == 0


async def test_work_that_was_begun_is_taken_over_when_its_gateway_is_gone(place):
    async with opened(place) as dead, opened(place) as other:
        await dead.send(sent := request())
        lost = await take(dead)
        await lost.extend(LEASE)
        taken = await other.receive(1, 3 * LEASE + SOON)
        assert [one.message.id for one in taken] == [sent.id]
        assert taken[0].message.interrupted
        assert taken[0].attempt == 2
        await taken[0].answer(reply(b"right"))
        with pytest.raises(LeaseLost):
            await lost.answer(reply(b"zombie"))
        assert (await other.collect("alice", sent.id, 0)).reply.body == b"right"


async def test_work_of_a_dead_gateway_is_taken_over_in_less_than_two_leases(place):
    lease, hidden = 30.0, []

    async def told(call, forward):
        said = json.loads(call.body)
        hidden.extend(one["VisibilityTimeout"] for one in said.get("Entries", [said]))
        return await forward()

    async with FaultProxy(place.endpoint) as proxy:
        access = replace(place.address.access, sqs_endpoint_url=proxy.url)
        queue = await DoorbellQueue.open(
            replace(place.address, access=access), QueueOptions(lease=lease, sweeps=NO_SWEEP)
        )
        for action in ("ReceiveMessage", "ChangeMessageVisibilityBatch"):
            proxy.inject(told, kind(action), times=math.inf)
        await queue.send(request())
        delivery = await take(queue)
        await delivery.extend(lease)
        delivery.standing.held -= lease  # as if it had been held for long
        await delivery.extend(lease)
        await delivery.answer(None)
        await queue.aclose()
    assert len(hidden) > 1
    assert max(hidden) + lease + records.MARGIN < 2 * lease - 1


async def test_a_swept_ring_for_a_request_at_work_elsewhere_does_no_harm(place, queue):
    async with opened(place, 30.0) as other:
        await queue.send(sent := request())
        delivery = await take(queue)
        await delivery.extend(30)
        place.post(ring(place.keys.request(("alice", sent.id)), swept=True))
        assert list(await other.receive(1, 1)) == []
        await delivery.answer(reply())
        assert (await other.collect("alice", sent.id, 0)).state is State.REPLY


async def test_whatever_was_not_settled_comes_back_when_a_gateway_ends(place):
    async with opened(place, 30.0) as other:
        async with opened(place, 30.0) as ending:
            for _ in range(3):
                await ending.send(request())
            held = []
            while len(held) < 3:
                held += await ending.receive(3, SOON)
            await held[0].extend(30)
            await held[1].retry(0.1)
        again: list = []
        while len(again) < 3:
            more = await other.receive(3, SOON)
            assert more
            again += more
        assert {one.message.id for one in again} == {one.message.id for one in held}


async def test_rings_are_in_the_group_of_their_client(place, queue):
    await fill(queue, "alice", 1)
    assert place.groups() == ["alice"]


@pytest.fixture
def crowded(monkeypatch):
    """Have a gateway look at once for what waits behind others."""
    monkeypatch.setattr(fair_queuing, "WAITED", -3600.0)
    for name, value in {"LOOK": 0.0, "RINGS": 1, "YOUNG": -3600.0, "NEAR": 0}.items():
        monkeypatch.setattr(fair_queuing, name, value)


async def received(queue: DoorbellQueue, until: str) -> list[str]:
    """Answer one request after the other until one of a client comes; return whose they were."""
    seen: list[str] = []
    while until not in seen:
        delivery = await take(queue)
        seen.append(delivery.message.sender)
        await delivery.answer(reply())
    return seen


async def fill(queue: DoorbellQueue, client: str, count: int) -> list[Message]:
    sent = [request(sender=client) for _ in range(count)]
    await asyncio.gather(*(queue.send(one) for one in sent))
    return sent


async def test_a_request_behind_those_of_another_client_is_found_in_the_bucket(queue, crowded):
    await fill(queue, "alice", 60)
    await fill(queue, "bob", 1)
    assert len(await received(queue, "bob")) < 30


async def test_whoever_waits_behind_a_crowd_does_not_hold_it_up_either(queue, crowded):
    await fill(queue, "alice", 60)
    await fill(queue, "bob", 20)
    await received(queue, "bob")
    seen = [(await take(queue)).message.sender for _ in range(20)]
    assert 8 <= seen.count("alice") <= 12


async def test_a_request_that_was_taken_ahead_is_carried_out_by_one(
    place, queue, crowded, monkeypatch
):
    monkeypatch.setattr(doorbell_entry, "LATE", -3600.0)
    await fill(queue, "alice", 30)
    await fill(queue, "bob", 1)
    async with opened(place) as other:
        delivery = await take(queue)
        while delivery.message.sender != "bob":
            await delivery.answer(reply())
            delivery = await take(queue)
        left = [one for _ in range(6) for one in await other.receive(10, 0.5, None)]
        for one in left:
            if one.message.sender == "bob":
                with pytest.raises(LeaseLost):
                    await carried_out(one, Service())
        await delivery.answer(reply())


async def taken_ahead(queue: DoorbellQueue):
    """Answer those of others until the request of bob is taken."""
    delivery = await take(queue)
    while delivery.message.sender != "bob":
        await delivery.answer(reply())
        delivery = await take(queue)
    return delivery


class Service:
    """A repeatable operation, which counts what it carries out."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, message: Message) -> Message:
        self.calls += 1
        return reply()


async def carried_out(delivery, service: Service):
    """Carry a request out as a gateway does."""
    return await Walk(Answering(service), 5, 30.0, Events())(Work.on(delivery, 0.0))


async def test_a_repeatable_request_whose_ring_was_received_is_carried_out_once(
    place, queue, crowded, monkeypatch
):
    monkeypatch.setattr(doorbell_entry, "LATE", -3600.0)
    # Its id is younger than those of the crowd, and its ring comes out of turn.
    await queue.send(request(sender="bob", id=new_id(lambda: time.time() + 60)))
    service = Service()
    async with opened(place, 30.0) as other:
        rung_for = await take(other)
        await fill(queue, "alice", 30)
        ahead = await taken_ahead(queue)
        with pytest.raises(LeaseLost):
            await carried_out(rung_for, service)
        assert isinstance(await carried_out(ahead, service), Completed)
    assert service.calls == 1


async def test_a_request_taken_ahead_is_neither_written_again_nor_made_younger(place, crowded):
    def is_over_another(call) -> bool:
        # What the policy of a provisioned bucket refuses, to gateways too.
        return kind("PUT", "/requests/")(call) and "If-None-Match" not in call.headers

    async with FaultProxy(place.endpoint) as proxy:
        written = proxy.inject(delayed(0), is_over_another, times=math.inf)
        access = replace(place.address.access, s3_endpoint_url=proxy.url)
        queue = await DoorbellQueue.open(
            replace(place.address, access=access), QueueOptions(sweeps=NO_SWEEP)
        )
        await fill(queue, "alice", 30)
        await fill(queue, "bob", 1)
        arrived = (first := await taken_ahead(queue)).message.arrived
        await asyncio.sleep(1.1)  # the store's clock is of whole seconds
        await first.retry(0.0, counts=False)
        assert (await taken_ahead(queue)).message.arrived == arrived
        await queue.aclose()
    assert not written.hits


async def test_a_request_that_was_given_back_and_rung_for_by_the_sweep_is_carried_out_once(
    place, queue
):
    await fill(queue, "alice", 1)
    service = Service()
    async with opened(place, 30.0) as other:
        first = await take(queue)
        await first.retry(0.5, counts=False)
        (key,) = place.objects("requests")
        place.post(ring(key, swept=True))
        swept = await take(other)
        resumed = await take(queue)
        assert isinstance(await carried_out(swept, service), Completed)
        with pytest.raises(LeaseLost):
            await carried_out(resumed, service)
    assert service.calls == 1


async def test_a_parked_request_that_another_received_meanwhile_is_carried_out_once(place):
    service = Service()
    async with opened(place) as busy, opened(place, 30.0) as other:
        await fill(busy, "alice", 1)
        await (await take(busy)).retry(0.1, counts=False)
        # Nobody asks the busy one until its message has come to another.
        received = await take(other)
        assert isinstance(await carried_out(received, service), Completed)
        with pytest.raises(LeaseLost):
            await carried_out(await take(busy), service)
    assert service.calls == 1


async def test_a_request_that_a_late_copy_has_brought_back_is_removed_and_not_carried_out(
    place, queue
):
    await fill(queue, "alice", 1)
    delivery = await take(queue)
    (key,) = place.objects("requests")
    await delivery.answer(reply(b"first"))
    await queue._store.put(key, delivery.message.body)
    place.post(ring(key, swept=True))
    assert list(await queue.receive(1, 1)) == []
    assert place.objects("requests") == []


async def test_what_waits_for_a_service_uses_up_neither_its_receipts_nor_its_attempts(
    place, queue, monkeypatch
):
    monkeypatch.setattr(leased_intake, "MOST_PARKED", 0)
    await fill(queue, "alice", 1)
    await (await take(queue)).retry(1.0, counts=False)
    await (await take(queue)).retry(1.0, counts=False)
    began = time.monotonic()
    third = await take(queue)
    assert time.monotonic() - began > 1.5
    assert third.attempt == 2


async def test_a_request_taken_ahead_comes_back_when_its_gateway_ends(place, crowded):
    async with opened(place, 30.0) as queue:
        await fill(queue, "alice", 30)
        await fill(queue, "bob", 1)
        delivery = await take(queue)
        while delivery.message.sender != "bob":
            await delivery.answer(reply())
            delivery = await take(queue)
    async with opened(place, 30.0) as other:
        assert "bob" in await received(other, "bob")


async def test_a_crowd_that_has_gone_leaves_nothing_to_be_asked_for_every_second(queue, crowded):
    await fill(queue, "alice", 30)
    await fill(queue, "bob", 1)
    await queue.receive(1, 0)
    ahead = queue._gateway._fair
    while not ahead._backlog.candidates:
        await (await take(queue)).answer(reply())
        await asyncio.sleep(0.05)
    assert ahead.patience(20.0) < 20.0
    ahead._waiting._near = 10**6
    ahead._noisy._late = 0
    await queue.receive(1, 0)
    assert ahead.patience(20.0) == 20.0


async def test_a_gateway_whose_rings_are_all_new_does_not_list_the_bucket(
    place, queue, monkeypatch
):
    monkeypatch.setattr(fair_queuing, "WAITED", 60.0)  # on a busy machine all takes long
    async with FaultProxy(place.endpoint) as proxy:
        access = replace(place.address.access, s3_endpoint_url=proxy.url)
        watched = await DoorbellQueue.open(
            replace(place.address, access=access), QueueOptions(sweeps=NO_SWEEP)
        )
        listed = proxy.inject(delayed(0), kind("LIST", ""))
        for client in ("alice", "bob"):
            await fill(queue, client, 20)
        for _ in range(40):
            await (await take(watched)).answer(reply())
        await watched.aclose()
        assert not listed.hits


@pytest.mark.parametrize("sweeps", [Sweeps(old=0.0, margin=-10.0, settling=0)])
async def test_a_sweep_finds_a_request_that_no_bell_was_rung_for(place, mute, queue):
    await mute.send(sent := request())
    await asyncio.sleep(1.1)  # the store's clock is of whole seconds
    delivery = await take(queue)
    assert delivery.message == sent
    await delivery.answer(reply())
    assert place.messages() == 1  # the token waits for the next sweep


async def test_a_sweep_leaves_a_request_to_whoever_has_it_and_need_not_have_claimed_it_yet(
    place, mute, queue
):
    await mute.send(request())
    await asyncio.sleep(1.1)
    for lease, rings in ((60.0, 0), (-15.0, 1)):
        sweep = doorbell_sweep.Sweep(
            queue._store, place.keys, lambda: (), lease=lease, times=Sweeps(old=0.0)
        )
        await sweep._look(await queue._bell.pump())
        assert place.messages() == rings


@pytest.mark.parametrize("sweeps", [replace(NO_SWEEP, first_at_rest=(0.3, 0.3))])
async def test_a_new_queue_has_its_token_soon_although_requests_wait_in_it(place, mute, queue):
    place.post(ring("orders/requests/gone"))
    await queue.receive(1, 0)
    assert place.delayed() == 0  # it may be what waits there
    await asyncio.sleep(0.4)
    await queue.receive(1, 0)
    assert place.delayed() == 1


async def test_a_gateway_that_joins_others_leaves_them_time_to_show_the_token(place, queue):
    await queue.receive(1, 0)
    async with opened(place) as other:
        await other.receive(1, 0)
        await other.receive(1, 0)
    assert place.delayed() == 1


async def test_of_two_tokens_one_is_removed(place, queue):
    for _ in range(2):
        place.post(doorbell_sweep.TOKEN)
    assert list(await queue.receive(1, 1)) == []
    assert place.messages() == 1


@pytest.mark.parametrize("sweeps", [replace(NO_SWEEP, period=0.0)])
async def test_a_token_received_often_is_replaced(place, queue, monkeypatch):
    await queue.receive(1, 0)
    sweep, counts = queue._gateway._sweep, []
    tend = sweep.tend

    async def watched(pump, received):
        counts.append(received.count)
        await tend(pump, received)

    monkeypatch.setattr(sweep, "tend", watched)
    place.post(doorbell_sweep.TOKEN)
    await queue.receive(1, 2)
    assert counts[: doorbell_sweep.RECEIPTS] == [1, 2, 3]
    assert max(counts) == doorbell_sweep.RECEIPTS


@pytest.mark.parametrize("place", ["moto"], indirect=True)
async def test_requests_that_sqs_delivers_twice_are_answered_once(place):
    async with opened(place, 30.0) as one, opened(place, 30.0) as two:
        sent = [request(b"%d" % n) for n in range(30)]
        for message in sent:
            await one.send(message)

        async def work(queue: DoorbellQueue) -> None:
            while place.objects("requests"):
                for delivery in await queue.receive(8, 2):
                    with contextlib.suppress(LeaseLost):
                        await delivery.answer(reply(b"re:" + delivery.message.body))

        await asyncio.gather(work(one), work(one), work(two), work(two))
        for message in sent:
            found = await one.collect("alice", message.id, 0)
            assert found.reply.body == b"re:" + message.body
        assert place.objects("requests") == []
