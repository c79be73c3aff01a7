"""What every queue does with requests, replies and states."""

# ruff: noqa: F403, F405  # fixtures and helpers are shared by name, as those of a conftest are

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import IdTaken, LeaseLost, QueueUnavailable, Refused
from gateway.queue import AdministeredQueue, Delivery, Queue, State, let_go
from gateway.queues.kind import Abilities, Reach
from gateway.queues.options import QueueOptions
from gateway.queues.registry import open_queue
from gateway.testing.queue_contract.fixtures import *


@with_a_store
async def test_a_request_arrives_as_it_was_sent(queue: AdministeredQueue) -> None:
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


async def test_the_queue_tells_when_it_took_a_request_however_often_it_hands_it_out(
    queue: AdministeredQueue,
) -> None:
    """By its own clock, S3's in whole seconds; what the sender says of it is not believed."""
    before = queue.clock()
    await queue.send(request(arrived=1.0))
    after = queue.clock()
    await asyncio.sleep(1.1)
    first = await take(queue)
    arrived = message_of(first).arrived
    assert arrived is not None
    assert before - 1.5 <= arrived <= after + 1.5
    await first.retry(0)
    second = await take(queue)
    assert message_of(second).arrived == message_of(first).arrived


@with_a_store
@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_500_000])
async def test_bodies_of_every_size_arrive_unchanged(queue: AdministeredQueue, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    await queue.send(sent := request(body[:size]))
    delivery = await take(queue)
    assert message_of(delivery).body == body[:size]
    await delivery.answer(reply(body[:size][::-1]))
    collected = await queue.collect("alice", sent.id, 0)
    assert reply_of(collected).body == body[:size][::-1]


async def test_requests_are_received_in_the_order_of_their_arrival(
    queue: AdministeredQueue,
) -> None:
    # Ids of one millisecond have no order, and some queues have no other than that of the ids.
    now = time.time()
    sent = [request(b"%d" % n, id=id_at(now + n / 1000)) for n in range(5)]
    for message in sent:
        await queue.send(message)
    received: list[Delivery] = []
    while len(received) < len(sent):  # a busy store gives them one by one
        received += await queue.receive(3, SOON)
    assert [message_of(d).id for d in received] == [m.id for m in sent]


async def test_no_more_is_received_than_was_asked_for(queue: AdministeredQueue) -> None:
    for _ in range(4):
        await queue.send(request())
    received: list[Delivery] = []
    while len(received) < 3:  # a busy store gives them one by one
        received += await queue.receive(3 - len(received), SOON)
    assert len(received) == 3


async def test_a_leased_request_is_received_by_nobody_else(queue: AdministeredQueue) -> None:
    await queue.send(request())
    await take(queue)
    assert list(await queue.receive(1, 0)) == []


async def test_an_empty_queue_gives_nothing_when_the_wait_is_over(queue: AdministeredQueue) -> None:
    started = time.monotonic()
    assert list(await queue.receive(1, 0.1)) == []
    assert 0.05 < time.monotonic() - started < SOON


async def test_whoever_waits_is_woken_by_a_request(queue: AdministeredQueue) -> None:
    waiting = asyncio.create_task(take(queue))
    await asyncio.sleep(0.05)
    await queue.send(sent := request())
    assert (await waiting).message.id == sent.id


async def test_whoever_waits_for_a_reply_is_woken_by_it(queue: AdministeredQueue) -> None:
    await queue.send(sent := request())
    waiting = asyncio.create_task(queue.collect("alice", sent.id, SOON))
    delivery = await take(queue)
    await asyncio.sleep(0.05)
    await delivery.answer(reply())
    assert (await waiting).state is State.REPLY


async def test_a_reply_arrives_as_it_was_stored_and_can_be_collected_again(
    queue: AdministeredQueue,
) -> None:
    await queue.send(sent := request())
    delivery = await take(queue)
    stored = reply(is_fault=True, correlation_id=sent.id, target_service="orders")
    await delivery.answer(stored)
    for _ in range(2):
        collected = await queue.collect("alice", sent.id, SOON)
        assert collected.state is State.REPLY
        expected = replace(stored, id=reply_of(collected).id, sender=reply_of(collected).sender)
        assert collected.reply == expected


@with_a_store
async def test_the_state_of_a_request_is_told_at_every_step(queue: AdministeredQueue) -> None:
    sent = request()
    assert (await queue.collect("alice", sent.id, 0)).state is State.UNKNOWN
    await queue.send(sent)
    assert (await queue.collect("alice", sent.id, 0)).state is State.PENDING
    delivery = await take(queue)
    await delivery.extend(30)
    assert (await queue.collect("alice", sent.id, 0)).state is State.WORKING
    await delivery.answer(None)
    assert (await queue.collect("alice", sent.id, 0)).state is State.DONE


async def test_a_wait_that_runs_out_tells_the_state(queue: AdministeredQueue) -> None:
    await queue.send(sent := request())
    assert (await queue.collect("alice", sent.id, 0.05)).state is State.PENDING


async def test_a_reply_is_shown_to_its_own_client_only(queue: AdministeredQueue) -> None:
    await queue.send(sent := request())
    await (await take(queue)).answer(reply())
    assert (await queue.collect("mallory", sent.id, 0)).state is State.UNKNOWN


@with_a_store
async def test_two_clients_may_use_the_same_id(queue: AdministeredQueue) -> None:
    mine = request(b"mine", sender="alice")
    theirs = request(b"theirs", sender="bob", id=mine.id)
    await queue.send(mine)
    await queue.send(theirs)
    for delivery in await queue.receive(2, SOON):
        await delivery.answer(reply(message_of(delivery).body))
    assert reply_of(await queue.collect("alice", mine.id, 0)).body == b"mine"
    assert reply_of(await queue.collect("bob", mine.id, 0)).body == b"theirs"


async def test_the_same_request_sent_twice_is_one(queue: AdministeredQueue) -> None:
    sent = request()
    await queue.send(sent)
    await queue.send(sent)
    assert len(await queue.receive(2, SOON)) == 1


async def test_a_request_sent_again_after_its_reply_is_not_executed_again(
    queue: AdministeredQueue,
) -> None:
    await queue.send(sent := request())
    await (await take(queue)).answer(reply())
    await queue.send(sent)
    assert list(await queue.receive(1, 0)) == []
    assert reply_of(await queue.collect("alice", sent.id, 0)).body == b"<Reply/>"


@pytest.mark.parametrize("answered", [False, True])
async def test_an_id_cannot_be_used_for_other_bytes(
    queue: AdministeredQueue, answered: bool
) -> None:
    await queue.send(sent := request(b"first"))
    if answered:
        await (await take(queue)).answer(reply())
    with pytest.raises(IdTaken):
        await queue.send(replace(sent, body=b"second"))


@pytest.mark.parametrize("hours", [-24.1, 12.1])
async def test_an_id_out_of_its_window_is_refused(queue: AdministeredQueue, hours: float) -> None:
    with pytest.raises(Refused, match="24 hours"):
        await queue.send(request(id=id_at(time.time() + hours * 3600)))


@pytest.mark.parametrize("hours", [-23.9, 11.9])
async def test_an_id_within_its_window_is_answered_once(
    queue: AdministeredQueue, hours: float
) -> None:
    await queue.send(sent := request(id=id_at(time.time() + hours * 3600)))
    delivery = await take(queue)
    await delivery.extend(30)
    await delivery.answer(reply())
    await queue.send(sent)
    assert list(await queue.receive(1, 0)) == []
    assert reply_of(await queue.collect("alice", sent.id, SOON)).body == b"<Reply/>"


@pytest.mark.parametrize(
    "large",
    [{"soap_action": "urn:" + "a" * 3000}, {"body": b"x" * (2 << 20)}],
    ids=["properties", "body"],
)
async def test_a_reply_that_cannot_be_stored_becomes_a_fault_that_says_so(
    queue: AdministeredQueue, large: dict[str, Any]
) -> None:
    await queue.send(sent := request())
    await (await take(queue)).answer(whole := reply(**large))
    found = reply_of(await queue.collect("alice", sent.id, SOON))
    is_whole = (found.body, found.soap_action) == (whole.body, whole.soap_action)
    assert is_whole or (found.is_fault and b"than the queue can carry" in found.body)
    assert list(await queue.receive(1, 0)) == []


@pytest.mark.parametrize(
    "bad", [{"id": "short"}, {"id": "x" * 65}, {"id": "a/b" * 8}, {"sender": "a.b"}]
)
async def test_names_that_a_queue_cannot_hold_are_refused(
    queue: AdministeredQueue, bad: dict[str, Any]
) -> None:
    with pytest.raises(Refused):
        await queue.send(request(**bad))


async def test_an_id_of_another_make_is_accepted(queue: AdministeredQueue) -> None:
    await queue.send(sent := request(id="7f3c9a52-1111-4222-8333-123456789abc"))
    assert message_of(await take(queue)).id == sent.id


async def test_a_request_given_back_comes_again_after_its_delay_and_is_not_interrupted(
    queue: AdministeredQueue,
) -> None:
    await queue.send(request())
    delivery = await take(queue)
    await delivery.extend(30)
    started = time.monotonic()
    await delivery.retry(1.0)
    assert list(await queue.receive(1, 0)) == []
    again = await take(queue)
    assert time.monotonic() - started >= 0.99
    assert again.attempt == 2
    assert not message_of(again).interrupted


async def test_a_delivery_that_reached_no_backend_does_not_count(queue: AdministeredQueue) -> None:
    await queue.send(request())
    await (await take(queue)).retry(0, counts=False)
    assert (await take(queue)).attempt == 1


async def test_a_request_given_back_is_pending(queue: AdministeredQueue) -> None:
    await queue.send(sent := request())
    await (await take(queue)).retry(60)
    assert (await queue.collect("alice", sent.id, 0)).state is State.PENDING


async def test_a_quarantined_request_is_answered_and_never_received_again(
    queue: AdministeredQueue,
) -> None:
    await queue.send(sent := request())
    await (await take(queue)).quarantine("refused", reply(is_fault=True))
    assert list(await queue.receive(1, 0)) == []
    assert reply_of(await queue.collect("alice", sent.id, 0)).is_fault


@with_a_store
async def test_a_quarantined_one_way_request_is_done(queue: AdministeredQueue) -> None:
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
    ids=["answer", "retry", "quarantine", "extend"],
)
async def test_whoever_settled_a_request_has_lost_it(
    queue: AdministeredQueue, settle: Callable[[Delivery], Awaitable[None]]
) -> None:
    await queue.send(sent := request())
    delivery = await take(queue)
    await delivery.answer(reply(b"first"))
    with pytest.raises(LeaseLost):
        await settle(delivery)
    assert reply_of(await queue.collect("alice", sent.id, 0)).body == b"first"


async def test_whoever_gave_a_request_back_cannot_answer_it(queue: AdministeredQueue) -> None:
    await queue.send(request())
    first = await take(queue)
    await first.retry(0, counts=False)
    second = await take(queue)
    with pytest.raises(LeaseLost):
        await first.answer(reply(b"zombie"))
    await second.answer(reply(b"right"))
    found = await queue.collect("alice", message_of(second).id, 0)
    assert reply_of(found).body == b"right"


async def test_a_receive_that_is_cancelled_loses_nothing(queue: AdministeredQueue) -> None:
    for n in range(20):
        receiving = asyncio.create_task(queue.receive(1, SOON))
        await asyncio.sleep(n * 0.0003)
        await queue.send(request())
        receiving.cancel()
        (outcome,) = await asyncio.gather(receiving, return_exceptions=True)
        deliveries = list(outcome) if isinstance(outcome, list) else await queue.receive(1, SOON)
        assert len(deliveries) == 1
        await deliveries[0].answer(None)


@pytest.fixture
async def short_lease(address: str, tmp_path: Path) -> AsyncIterator[AdministeredQueue]:
    """A queue whose leases, where they run out, do so soon."""
    opened = await open_queue(address, tmp_path, QueueOptions(lease=2.0))
    yield opened
    await opened.aclose()


@pytest.mark.parametrize("has_begun", [True, False])
async def test_what_was_let_go_comes_back_as_after_a_crash(
    short_lease: AdministeredQueue, has_begun: bool
) -> None:
    queue = short_lease
    await queue.send(sent := request())
    first = await take(queue)
    if has_begun:
        await first.extend(2.0)
    let_go(first)
    (again,) = await queue.receive(1, 240)
    assert (message_of(again).id, again.attempt) == (sent.id, 2)
    assert message_of(again).interrupted or not has_begun
    for settling in (first.answer(reply(b"zombie")), first.retry(0)):
        with pytest.raises(LeaseLost):
            await settling
    let_go(first)  # nothing happens: another has it
    await again.answer(reply(b"right"))
    assert reply_of(await queue.collect("alice", sent.id, SOON)).body == b"right"


async def test_what_was_settled_cannot_be_let_go(short_lease: AdministeredQueue) -> None:
    queue = short_lease
    await queue.send(sent := request())
    delivery = await take(queue)
    await delivery.answer(reply())
    let_go(delivery)
    assert list(await queue.receive(1, 3.0)) == []
    assert (await queue.collect("alice", sent.id, SOON)).state is State.REPLY


async def test_many_senders_and_takers_at_once_get_each_reply_right(
    queue: AdministeredQueue,
) -> None:
    async def work() -> None:
        while True:
            with suppress(QueueUnavailable):  # its store is busy, and has it come again
                for delivery in await queue.receive(8, 2.0):
                    await delivery.answer(reply(b"re:" + message_of(delivery).body))

    async def call(n: int) -> bytes:
        sent = request(b"%d" % n)
        while True:
            with suppress(QueueUnavailable):
                await queue.send(sent)
                return reply_of(await queue.collect("alice", sent.id, 240)).body
            await asyncio.sleep(1.0)

    workers = [asyncio.create_task(work()) for _ in range(3)]
    replies = await asyncio.gather(*(call(n) for n in range(200)))
    assert replies == [b"re:%d" % n for n in range(200)]
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


async def test_the_status_counts_as_exactly_as_was_told(
    queue: AdministeredQueue, abilities: Abilities
) -> None:
    assert (await queue.status()).is_exact is abilities.counts_exactly


async def test_the_status_of_an_empty_queue_has_nothing(queue: AdministeredQueue) -> None:
    found = await queue.status()
    assert (found.depth, found.in_flight, found.oldest) == (0, 0, None)
    assert not found.quarantined


async def test_the_status_tells_how_many_wait_and_how_long_the_oldest_has(
    queue: AdministeredQueue,
) -> None:
    await queue.send(request())
    await asyncio.sleep(1.5)
    await queue.send(request())
    found = await queue.status()
    assert (found.waiting, found.in_flight) == (2, 0)
    if found.oldest is None:
        assert not found.is_exact  # SQS does not tell
    else:
        assert 0.4 < found.oldest < SOON  # the times in a bucket are of whole seconds


async def test_the_status_tells_how_many_are_in_flight(queue: AdministeredQueue) -> None:
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


async def test_the_status_counts_a_request_that_was_given_back_as_waiting(
    queue: AdministeredQueue,
) -> None:
    await queue.send(request())
    await (await take(queue)).retry(0)
    found = await queue.status()
    assert found.depth == 1
    if found.is_exact:
        assert found.waiting == 1


async def test_the_status_counts_what_is_in_quarantine_apart(queue: AdministeredQueue) -> None:
    for _ in range(2):
        await queue.send(request())
    await (await take(queue)).quarantine("refused", reply(is_fault=True))
    found = await queue.status()
    assert found.depth == 1
    assert found.quarantined in ((1,) if found.is_exact else (1, None))


@pytest.fixture
async def pair(
    address: str, abilities: Abilities, tmp_path: Path
) -> AsyncIterator[tuple[Queue, Queue]]:
    """One queue, opened twice."""
    if abilities.reach is Reach.PROCESS:
        pytest.skip("nobody else can open it")
    one, other = [await open_queue(address, tmp_path, QueueOptions()) for _ in range(2)]
    yield one, other
    await one.aclose()
    await other.aclose()


async def test_what_a_gateway_that_stops_was_about_to_take_is_soon_there_for_others(
    pair: tuple[Queue, Queue],
) -> None:
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


@with_a_store
async def test_what_was_accepted_and_answered_is_there_when_it_is_opened_again(
    address: str, abilities: Abilities, tmp_path: Path
) -> None:
    if not abilities.is_durable:
        pytest.skip("it lasts no longer than its program")
    first = await open_queue(address, tmp_path, QueueOptions())
    await first.send(answered := request(b"first"))
    await (await take(first)).answer(reply())
    await first.send(waiting := request(b"second"))
    await first.aclose()
    again = await open_queue(address, tmp_path, QueueOptions())
    found = await again.collect("alice", answered.id, SOON)
    assert (found.state, reply_of(found).body) == (State.REPLY, b"<Reply/>")
    (delivery,) = await again.receive(1, 240)
    assert (message_of(delivery).id, message_of(delivery).body) == (waiting.id, b"second")
    await delivery.answer(None)
    await again.aclose()


# Clients take turns


@pytest.fixture
def fair_queue(abilities: Abilities, queue: AdministeredQueue) -> AdministeredQueue:
    """A queue that has an order of its own."""
    if not abilities.is_fair:
        pytest.skip("its store hands requests out as it likes")
    return queue


async def fill(queue: Queue, **counts: int) -> None:
    """Have clients send so many requests each, one client after the other."""
    now = time.time()
    for at, (client, count) in enumerate(counts.items()):
        ids = [id_at(now + at + n / 1000) for n in range(count)]
        await asyncio.gather(*(queue.send(request(sender=client, id=id)) for id in ids))


async def senders(queue: Queue, limit: int, shares: dict[str, int] | None = None) -> list[str]:
    received = await queue.receive(limit, SOON, shares)
    return [message_of(delivery).sender for delivery in received]


async def test_a_client_that_comes_later_is_in_the_next_batch(
    fair_queue: AdministeredQueue,
) -> None:
    await fill(fair_queue, alice=40, bob=2)
    first = await senders(fair_queue, 6)
    assert (first.count("alice"), first.count("bob")) == (4, 2)


async def test_clients_take_turns_where_only_one_request_is_taken_at_a_time(
    fair_queue: AdministeredQueue,
) -> None:
    await fill(fair_queue, alice=30, bob=3, carol=3)
    turns = [(await senders(fair_queue, 1))[0] for _ in range(9)]
    for at in range(0, 9, 3):
        assert sorted(turns[at : at + 3]) == ["alice", "bob", "carol"]


async def test_no_more_of_a_client_are_received_than_its_share(
    fair_queue: AdministeredQueue,
) -> None:
    await fill(fair_queue, alice=10, bob=3)
    received = await senders(fair_queue, 10, {"alice": 2, "carol": 0})
    assert (received.count("alice"), received.count("bob")) == (2, 3)


async def test_a_client_that_has_its_share_waits_and_is_not_lost(
    fair_queue: AdministeredQueue,
) -> None:
    await fill(fair_queue, alice=3)
    started = time.monotonic()
    assert list(await fair_queue.receive(10, 0.3, {"alice": 0})) == []
    assert time.monotonic() - started >= 0.25
    assert await senders(fair_queue, 10, {"alice": 3}) == ["alice"] * 3


async def test_while_a_client_has_no_share_left_others_are_received(
    queue: AdministeredQueue,
) -> None:
    await fill(queue, alice=25, bob=2)
    seen: list[str] = []
    while len(seen) < 2:
        seen += await senders(queue, 10, {"alice": 0})
    assert seen == ["bob", "bob"]
    received: list[Delivery] = []
    while len(received) < 25:
        received += await queue.receive(10, SOON, {"alice": 10})
    assert {(message_of(one).sender, one.attempt) for one in received} == {("alice", 1)}


async def test_what_waits_for_a_share_is_received_as_soon_as_there_is_one(
    queue: AdministeredQueue,
) -> None:
    await fill(queue, alice=3)
    assert await senders(queue, 10, {"alice": 1}) == ["alice"]
    assert list(await queue.receive(10, 0.3, {"alice": 0})) == []
    began = time.monotonic()
    assert await senders(queue, 10, {"alice": 1}) == ["alice"]
    assert await senders(queue, 10, {"alice": 1}) == ["alice"]
    assert time.monotonic() - began < SOON
