"""What every queue does: one suite, run on each implementation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import kinds
import pytest

from gateway.errors import IdTaken, LeaseLost, Refused
from gateway.message import Message, new_id
from gateway.queue import Delivery, Queue, State
from gateway.queues.options import QueueOptions
from gateway.queues.registry import open_queue

SOON = 60.0
ENVELOPE = b"<Envelope/>"


def request(body: bytes = ENVELOPE, **fields: object) -> Message:
    values = {"content_type": "text/xml", "sender": "alice", "target_service": "orders"}
    return Message(body=body, **(values | fields))  # type: ignore[arg-type]


def reply(body: bytes = b"<Reply/>", **fields: object) -> Message:
    return Message(body=body, content_type="text/xml", **fields)  # type: ignore[arg-type]


LOCAL = {"memory": "memory:", "sqlite": "sqlite:///queue.db"}
KINDS = [*LOCAL, *kinds.KINDS, *kinds.BARE]
with_a_store = pytest.mark.parametrize("queue", [*LOCAL, *kinds.KINDS], indirect=True)
"""SQS alone has none: it carries no body that is empty or over 1 MiB, and names its own reply
queue; it tells neither that a request is at work nor that a one-way one is done; and replies to two
requests of one id could not be told apart in a reply queue."""


@pytest.fixture(params=KINDS)
async def queue(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Queue]:
    kind = request.param
    address = LOCAL[kind] if kind in LOCAL else kinds.address(kind, request, monkeypatch)
    opened = await open_queue(address, tmp_path, QueueOptions(limit=4 << 20))
    yield opened
    await opened.aclose()


async def take(queue: Queue) -> object:
    (delivery,) = await queue.receive(1, SOON)
    return delivery


@with_a_store
async def test_a_request_arrives_as_it_was_sent(queue):
    sent = request(
        soap_action="urn:a",
        request_uri="jms:queue:orders",
        correlation_id="c-1",
        reply_to="nowhere",
        expires=queue.clock() + 60.5,
        content_type='application/soap+xml; charset=utf-8; action="urn:a"',
    )
    await queue.send(sent)
    delivery = await take(queue)
    assert delivery.message == sent
    assert delivery.attempt == 1


async def test_the_queue_tells_when_it_took_a_request_however_often_it_hands_it_out(queue):
    """By its own clock, S3's in whole seconds; what the sender says of it is not believed."""
    before = queue.clock()
    await queue.send(request(arrived=1.0))
    after = queue.clock()
    await asyncio.sleep(1.1)
    first = await take(queue)
    assert before - 1.5 <= first.message.arrived <= after + 1.5
    await first.retry(0)
    second = await take(queue)
    assert second.message.arrived == first.message.arrived


@with_a_store
@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_500_000])
async def test_bodies_of_every_size_arrive_unchanged(queue, size):
    body = bytes(range(256)) * (size // 256 + 1)
    await queue.send(sent := request(body[:size]))
    delivery = await take(queue)
    assert delivery.message.body == body[:size]
    await delivery.answer(reply(body[:size][::-1]))
    collected = await queue.collect("alice", sent.id, 0)
    assert collected.reply.body == body[:size][::-1]


async def test_requests_are_received_in_the_order_of_their_arrival(queue):
    # Ids of one millisecond have no order, and some queues have no other than that of the ids.
    now = time.time()
    sent = [request(b"%d" % n, id=new_id(lambda n=n: now + n / 1000)) for n in range(5)]
    for message in sent:
        await queue.send(message)
    received: list[Delivery] = []
    while len(received) < len(sent):  # a busy store gives them one by one
        received += await queue.receive(3, SOON)
    assert [d.message.id for d in received] == [m.id for m in sent]


async def test_no_more_is_received_than_was_asked_for(queue):
    for _ in range(4):
        await queue.send(request())
    received: list[Delivery] = []
    while len(received) < 3:  # a busy store gives them one by one
        received += await queue.receive(3 - len(received), SOON)
    assert len(received) == 3


async def test_a_leased_request_is_received_by_nobody_else(queue):
    await queue.send(request())
    await take(queue)
    assert list(await queue.receive(1, 0)) == []


async def test_an_empty_queue_gives_nothing_when_the_wait_is_over(queue):
    started = time.monotonic()
    assert list(await queue.receive(1, 0.1)) == []
    assert 0.05 < time.monotonic() - started < SOON


@pytest.fixture
def no_look(monkeypatch):
    """Keep whoever waits from looking for itself: only being woken helps."""
    monkeypatch.setattr("gateway.queues.embedded.queue.LOOK", 600.0)
    monkeypatch.setattr("gateway.queues.embedded.waiters.LOOK", 600.0)


async def test_whoever_waits_is_woken_by_a_request(no_look, queue):
    waiting = asyncio.create_task(take(queue))
    await asyncio.sleep(0.05)
    await queue.send(sent := request())
    assert (await waiting).message.id == sent.id


async def test_whoever_waits_for_a_reply_is_woken_by_it(no_look, queue):
    await queue.send(sent := request())
    waiting = asyncio.create_task(queue.collect("alice", sent.id, SOON))
    delivery = await take(queue)
    await asyncio.sleep(0.05)
    await delivery.answer(reply())
    assert (await waiting).state is State.REPLY


async def test_a_reply_arrives_as_it_was_stored_and_can_be_collected_again(queue):
    await queue.send(sent := request())
    delivery = await take(queue)
    stored = reply(is_fault=True, correlation_id=sent.id, target_service="orders")
    await delivery.answer(stored)
    for _ in range(2):
        collected = await queue.collect("alice", sent.id, SOON)
        assert collected.state is State.REPLY
        expected = replace(stored, id=collected.reply.id, sender=collected.reply.sender)
        assert collected.reply == expected


@with_a_store
async def test_the_state_of_a_request_is_told_at_every_step(queue):
    sent = request()
    assert (await queue.collect("alice", sent.id, 0)).state is State.UNKNOWN
    await queue.send(sent)
    assert (await queue.collect("alice", sent.id, 0)).state is State.PENDING
    delivery = await take(queue)
    await delivery.extend(30)
    assert (await queue.collect("alice", sent.id, 0)).state is State.WORKING
    await delivery.answer(None)
    assert (await queue.collect("alice", sent.id, 0)).state is State.DONE


async def test_a_wait_that_runs_out_tells_the_state(queue):
    await queue.send(sent := request())
    assert (await queue.collect("alice", sent.id, 0.05)).state is State.PENDING


async def test_a_reply_is_shown_to_its_own_client_only(queue):
    await queue.send(sent := request())
    await (await take(queue)).answer(reply())
    assert (await queue.collect("mallory", sent.id, 0)).state is State.UNKNOWN


@with_a_store
async def test_two_clients_may_use_the_same_id(queue):
    mine = request(b"mine", sender="alice")
    theirs = request(b"theirs", sender="bob", id=mine.id)
    await queue.send(mine)
    await queue.send(theirs)
    for delivery in await queue.receive(2, SOON):
        await delivery.answer(reply(delivery.message.body))
    assert (await queue.collect("alice", mine.id, 0)).reply.body == b"mine"
    assert (await queue.collect("bob", mine.id, 0)).reply.body == b"theirs"


async def test_the_same_request_sent_twice_is_one(queue):
    sent = request()
    await queue.send(sent)
    await queue.send(sent)
    assert len(await queue.receive(2, SOON)) == 1


async def test_a_request_sent_again_after_its_reply_is_not_executed_again(queue):
    await queue.send(sent := request())
    await (await take(queue)).answer(reply())
    await queue.send(sent)
    assert list(await queue.receive(1, 0)) == []
    assert (await queue.collect("alice", sent.id, 0)).reply.body == b"<Reply/>"


@pytest.mark.parametrize("answered", [False, True])
async def test_an_id_cannot_be_used_for_other_bytes(queue, answered):
    await queue.send(sent := request(b"first"))
    if answered:
        await (await take(queue)).answer(reply())
    with pytest.raises(IdTaken):
        await queue.send(replace(sent, body=b"second"))


@pytest.mark.parametrize("hours", [-24.1, 12.1])
async def test_an_id_out_of_its_window_is_refused(queue, hours):
    with pytest.raises(Refused, match="24 hours"):
        await queue.send(request(id=new_id(lambda: time.time() + hours * 3600)))


@pytest.mark.parametrize("hours", [-23.9, 11.9])
async def test_an_id_within_its_window_is_answered_once(queue, hours):
    await queue.send(sent := request(id=new_id(lambda: time.time() + hours * 3600)))
    delivery = await take(queue)
    await delivery.extend(30)
    await delivery.answer(reply())
    await queue.send(sent)
    assert list(await queue.receive(1, 0)) == []
    assert (await queue.collect("alice", sent.id, SOON)).reply.body == b"<Reply/>"


@pytest.mark.parametrize(
    "large",
    [{"soap_action": "urn:" + "a" * 3000}, {"body": b"x" * (2 << 20)}],
    ids=["properties", "body"],
)
async def test_a_reply_that_cannot_be_stored_becomes_a_fault_that_says_so(queue, large):
    await queue.send(sent := request())
    await (await take(queue)).answer(whole := reply(**large))
    found = (await queue.collect("alice", sent.id, SOON)).reply
    is_whole = (found.body, found.soap_action) == (whole.body, whole.soap_action)
    assert is_whole or (found.is_fault and b"than the queue can carry" in found.body)
    assert list(await queue.receive(1, 0)) == []


@pytest.mark.parametrize(
    "bad", [{"id": "short"}, {"id": "x" * 65}, {"id": "a/b" * 8}, {"sender": "a.b"}]
)
async def test_names_that_a_queue_cannot_hold_are_refused(queue, bad):
    with pytest.raises(Refused):
        await queue.send(request(**bad))


async def test_an_id_of_another_make_is_accepted(queue):
    await queue.send(sent := request(id="7f3c9a52-1111-4222-8333-123456789abc"))
    assert (await take(queue)).message.id == sent.id


async def test_a_request_given_back_comes_again_after_its_delay_and_is_not_interrupted(queue):
    await queue.send(request())
    delivery = await take(queue)
    await delivery.extend(30)
    started = time.monotonic()
    await delivery.retry(1.0)
    assert list(await queue.receive(1, 0)) == []
    again = await take(queue)
    assert time.monotonic() - started >= 0.99
    assert again.attempt == 2
    assert not again.message.interrupted


async def test_a_delivery_that_reached_no_backend_does_not_count(queue):
    await queue.send(request())
    await (await take(queue)).retry(0, counts=False)
    assert (await take(queue)).attempt == 1


async def test_a_request_given_back_is_pending(queue):
    await queue.send(sent := request())
    await (await take(queue)).retry(60)
    assert (await queue.collect("alice", sent.id, 0)).state is State.PENDING


async def test_a_quarantined_request_is_answered_and_never_received_again(queue):
    await queue.send(sent := request())
    await (await take(queue)).quarantine("refused", reply(is_fault=True))
    assert list(await queue.receive(1, 0)) == []
    assert (await queue.collect("alice", sent.id, 0)).reply.is_fault


@with_a_store
async def test_a_quarantined_one_way_request_is_done(queue):
    await queue.send(sent := request())
    await (await take(queue)).quarantine("failed", None)
    assert (await queue.collect("alice", sent.id, 0)).state is State.DONE


@pytest.mark.parametrize(
    "settle",
    [
        lambda d: d.answer(reply(b"late")),
        lambda d: d.retry(0),
        lambda d: d.quarantine("late", reply(b"late")),
        lambda d: d.extend(1),
    ],
)
async def test_whoever_settled_a_request_has_lost_it(queue, settle):
    await queue.send(sent := request())
    delivery = await take(queue)
    await delivery.answer(reply(b"first"))
    with pytest.raises(LeaseLost):
        await settle(delivery)
    assert (await queue.collect("alice", sent.id, 0)).reply.body == b"first"


async def test_whoever_gave_a_request_back_cannot_answer_it(queue):
    await queue.send(request())
    first = await take(queue)
    await first.retry(0, counts=False)
    second = await take(queue)
    with pytest.raises(LeaseLost):
        await first.answer(reply(b"zombie"))
    await second.answer(reply(b"right"))
    found = await queue.collect("alice", second.message.id, 0)
    assert found.reply.body == b"right"


async def test_a_receive_that_is_cancelled_loses_nothing(queue):
    for n in range(20):
        receiving = asyncio.create_task(queue.receive(1, SOON))
        await asyncio.sleep(n * 0.0003)
        await queue.send(request())
        receiving.cancel()
        (outcome,) = await asyncio.gather(receiving, return_exceptions=True)
        deliveries = list(outcome) if isinstance(outcome, list) else await queue.receive(1, SOON)
        assert len(deliveries) == 1
        await deliveries[0].answer(None)


@pytest.fixture(params=KINDS)
async def short_lease(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Queue]:
    """A queue whose leases, where they run out, do so soon."""
    kind = request.param
    address = LOCAL[kind] if kind in LOCAL else kinds.address(kind, request, monkeypatch)
    opened = await open_queue(address, tmp_path, QueueOptions(lease=2.0))
    yield opened
    await opened.aclose()


@pytest.mark.parametrize("has_begun", [True, False])
async def test_what_was_let_go_comes_back_as_after_a_crash(short_lease, has_begun):
    queue = short_lease
    await queue.send(sent := request())
    first = await take(queue)
    if has_begun:
        await first.extend(2.0)
    first.let_go()
    (again,) = await queue.receive(1, 240)
    assert (again.message.id, again.attempt) == (sent.id, 2)
    assert again.message.interrupted or not has_begun
    for settling in (first.answer(reply(b"zombie")), first.retry(0)):
        with pytest.raises(LeaseLost):
            await settling
    first.let_go()  # nothing happens: another has it
    await again.answer(reply(b"right"))
    assert (await queue.collect("alice", sent.id, SOON)).reply.body == b"right"


async def test_what_was_settled_cannot_be_let_go(short_lease):
    queue = short_lease
    await queue.send(sent := request())
    delivery = await take(queue)
    await delivery.answer(reply())
    delivery.let_go()
    assert list(await queue.receive(1, 3.0)) == []
    assert (await queue.collect("alice", sent.id, SOON)).state is State.REPLY


async def test_many_senders_and_takers_at_once_get_each_reply_right(queue):
    async def work() -> None:
        while True:
            for delivery in await queue.receive(8, 2.0):
                await delivery.answer(reply(b"re:" + delivery.message.body))

    async def call(n: int) -> bytes:
        await queue.send(sent := request(b"%d" % n))
        return (await queue.collect("alice", sent.id, 240)).reply.body

    workers = [asyncio.create_task(work()) for _ in range(3)]
    replies = await asyncio.gather(*(call(n) for n in range(200)))
    assert replies == [b"re:%d" % n for n in range(200)]
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


async def test_the_status_of_an_empty_queue_has_nothing(queue):
    found = await queue.status()
    assert (found.depth, found.in_flight, found.oldest) == (0, 0, None)
    assert not found.quarantined


async def test_the_status_tells_how_many_wait_and_how_long_the_oldest_has(queue):
    await queue.send(request())
    await asyncio.sleep(1.5)
    await queue.send(request())
    found = await queue.status()
    assert (found.waiting, found.in_flight) == (2, 0)
    if found.oldest is None:
        assert not found.is_exact  # SQS does not tell
    else:
        assert 0.4 < found.oldest < SOON  # the times in a bucket are of whole seconds


async def test_the_status_tells_how_many_are_in_flight(queue):
    for _ in range(3):
        await queue.send(request())
    delivery = await take(queue)
    await delivery.extend(30)
    found = await queue.status()
    assert found.depth == 3
    if found.is_exact:  # where it is not, what was fetched in advance is in flight too
        assert found.in_flight == 1
    await delivery.answer(reply())
    assert (await queue.status()).depth == 2


async def test_the_status_counts_a_request_that_was_given_back_as_waiting(queue):
    await queue.send(request())
    await (await take(queue)).retry(0)
    found = await queue.status()
    assert found.depth == 1
    if found.is_exact:
        assert found.waiting == 1


async def test_the_status_counts_what_is_in_quarantine_apart(queue):
    for _ in range(2):
        await queue.send(request())
    await (await take(queue)).quarantine("refused", reply(is_fault=True))
    found = await queue.status()
    assert found.depth == 1
    assert found.quarantined in ((1,) if found.is_exact else (1, None))


@pytest.fixture(params=["sqlite", *kinds.KINDS, *kinds.BARE])
async def pair(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Queue, Queue]]:
    """One queue, opened twice."""
    kind = request.param
    address = LOCAL[kind] if kind in LOCAL else kinds.address(kind, request, monkeypatch)
    one, other = [await open_queue(address, tmp_path, QueueOptions()) for _ in range(2)]
    yield one, other
    await one.aclose()
    await other.aclose()


async def test_what_a_gateway_that_stops_was_about_to_take_is_soon_there_for_others(pair):
    """It finishes what it has begun first, and that may take long: it is not closed yet."""
    one, other = pair
    for n in range(0, 30, 2):
        await one.send(request())
        receiving = asyncio.create_task(one.receive(1, SOON))
        await asyncio.sleep(n / 1000)
        receiving.cancel()
        (outcome,) = await asyncio.gather(receiving, return_exceptions=True)
        deliveries = outcome if isinstance(outcome, list) else await other.receive(1, 2 * SOON)
        assert len(deliveries) == 1
        await deliveries[0].answer(None)


# Clients take turns


@pytest.fixture(params=[*LOCAL, "s3 of ministack"])
async def fair_queue(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Queue]:
    """A queue that has an order of its own. SQS hands out what it likes."""
    kind = request.param
    address = LOCAL[kind] if kind in LOCAL else kinds.address(kind, request, monkeypatch)
    opened = await open_queue(address, tmp_path, QueueOptions(limit=4 << 20))
    yield opened
    await opened.aclose()


async def fill(queue: Queue, **counts: int) -> None:
    """Have clients send so many requests each, one client after the other."""
    now = time.time()
    for at, (client, count) in enumerate(counts.items()):
        ids = [new_id(lambda n=n, at=at: now + at + n / 1000) for n in range(count)]
        await asyncio.gather(*(queue.send(request(sender=client, id=id)) for id in ids))


async def senders(queue: Queue, limit: int, shares: dict[str, int] | None = None) -> list[str]:
    received = await queue.receive(limit, SOON, shares)
    return [delivery.message.sender for delivery in received]


async def test_a_client_that_comes_later_is_in_the_next_batch(fair_queue):
    await fill(fair_queue, alice=40, bob=2)
    first = await senders(fair_queue, 6)
    assert (first.count("alice"), first.count("bob")) == (4, 2)


async def test_clients_take_turns_where_only_one_request_is_taken_at_a_time(fair_queue):
    await fill(fair_queue, alice=30, bob=3, carol=3)
    turns = [(await senders(fair_queue, 1))[0] for _ in range(9)]
    for at in range(0, 9, 3):
        assert sorted(turns[at : at + 3]) == ["alice", "bob", "carol"]


async def test_no_more_of_a_client_are_received_than_its_share(fair_queue):
    await fill(fair_queue, alice=10, bob=3)
    received = await senders(fair_queue, 10, {"alice": 2, "carol": 0})
    assert (received.count("alice"), received.count("bob")) == (2, 3)


async def test_a_client_that_has_its_share_waits_and_is_not_lost(fair_queue):
    await fill(fair_queue, alice=3)
    started = time.monotonic()
    assert list(await fair_queue.receive(10, 0.3, {"alice": 0})) == []
    assert time.monotonic() - started >= 0.25
    assert await senders(fair_queue, 10, {"alice": 3}) == ["alice"] * 3


async def test_while_a_client_has_no_share_left_others_are_received(queue):
    await fill(queue, alice=25, bob=2)
    seen: list[str] = []
    while len(seen) < 2:
        seen += await senders(queue, 10, {"alice": 0})
    assert seen == ["bob", "bob"]
    received = []
    while len(received) < 25:
        received += await queue.receive(10, SOON, {"alice": 10})
    assert {(one.message.sender, one.attempt) for one in received} == {("alice", 1)}


async def test_what_waits_for_a_share_is_received_as_soon_as_there_is_one(queue):
    await fill(queue, alice=3)
    assert await senders(queue, 10, {"alice": 1}) == ["alice"]
    assert list(await queue.receive(10, 0.3, {"alice": 0})) == []
    began = time.monotonic()
    assert await senders(queue, 10, {"alice": 1}) == ["alice"]
    assert await senders(queue, 10, {"alice": 1}) == ["alice"]
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize("kind", LOCAL)
async def test_ten_thousand_requests_of_one_client_are_not_in_the_way_of_another(
    kind: str, tmp_path: Path
):
    queue = await open_queue(LOCAL[kind], tmp_path, QueueOptions())
    await fill(queue, alice=10_000)
    await senders(queue, 1)
    await fill(queue, bob=2)
    assert sorted(await senders(queue, 2)) == ["alice", "bob"]
    assert "bob" in [*await senders(queue, 1), *await senders(queue, 1)]
    await queue.aclose()
