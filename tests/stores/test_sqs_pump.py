"""The traffic with one SQS queue: batches, long polls, and what becomes of each message."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import clouds
import pytest
import servers

from gateway.errors import LeaseLost, QueueUnavailable
from gateway.queues.aws import sqs_pump
from gateway.queues.aws.address import AwsAccess
from gateway.queues.aws.sqs import (
    Attribute,
    Outgoing,
    QueueMissing,
    SqsClient,
    Throttled,
)
from gateway.queues.aws.sqs_pump import SqsPump

SOON = 5.0
LEASE = 30.0


@pytest.fixture
def cloud(request, monkeypatch):
    started = clouds.started("ministack", request)
    for name, value in servers.environment(started).items():
        monkeypatch.setenv(name, value)
    return started


@pytest.fixture
async def client(cloud):
    opened = await SqsClient.open(AwsAccess(), 32)
    yield opened
    await opened.aclose()


@pytest.fixture
def asked(client, monkeypatch):
    """The actions that SQS was asked for, with how often."""
    counted, post = Counter(), client.post

    async def count(action, **fields):
        counted[action] += 1
        return await post(action, **fields)

    monkeypatch.setattr(client, "post", count)
    return counted


@pytest.fixture
async def pump(cloud, client, asked):
    opened = SqsPump(client, servers.fresh_queue(cloud), LEASE)
    yield opened
    await opened.aclose()


async def send(pump: SqsPump, count: int) -> None:
    await asyncio.gather(*(pump.send(Outgoing(body=f"{n}")) for n in range(count)))


async def receive(pump: SqsPump, count: int) -> list:
    received: list = []
    while len(received) < count:
        received += await pump.receive(count - len(received), SOON)
    return received


async def test_a_message_arrives_as_it_was_sent(pump):
    attributes = {
        "text": Attribute("String", "häß"),
        "flag": Attribute("Number.Boolean", "1"),
        "bytes": Attribute("Binary", "AAEC"),
    }
    id = await pump.send(Outgoing(body="<a>ü</a>", attributes=attributes))
    (received,) = await pump.receive(1, SOON)
    assert (received.id, received.body, received.attributes) == (id, "<a>ü</a>", attributes)
    assert received.count == 1
    assert {"SenderId", "SentTimestamp"} <= set(received.system)


async def test_what_is_asked_for_in_the_same_moment_travels_in_batches_of_ten(pump, asked):
    await send(pump, 20)
    received = await receive(pump, 20)
    await asyncio.gather(*(pump.hold(one.handle, 60) for one in received))
    await asyncio.gather(*(pump.delete(one.handle) for one in received))
    for action in ("SendMessageBatch", "ChangeMessageVisibilityBatch", "DeleteMessageBatch"):
        assert asked[action] == 2
    assert await pump.receive(10, 0) == []


async def test_what_is_asked_for_while_a_batch_is_on_its_way_travels_in_the_next(pump, asked):
    first = asyncio.create_task(pump.send(Outgoing(body="first")))
    await asyncio.sleep(0.001)
    await send(pump, 5)
    await first
    assert asked["SendMessageBatch"] == 2


async def test_large_messages_share_no_batch_that_sqs_would_refuse(pump, asked):
    big = "x" * (600 << 10)
    await asyncio.gather(*(pump.send(Outgoing(body=big)) for _ in range(3)))
    assert asked["SendMessageBatch"] == 3


async def test_a_failure_within_a_batch_reaches_only_the_one_that_failed(pump):
    await send(pump, 2)
    first, second = await receive(pump, 2)
    outcomes = await asyncio.gather(
        pump.hold(first.handle, 60),
        pump.hold("no receipt", 60),
        pump.hold(second.handle, 60),
        return_exceptions=True,
    )
    assert outcomes[0] is outcomes[2] is None
    assert isinstance(outcomes[1], LeaseLost)


async def test_an_idle_queue_is_asked_by_one_long_poll(pump, asked):
    for _ in range(4):
        assert await pump.receive(64, 0.5) == []
    assert asked["ReceiveMessage"] <= 3  # a poll takes whole seconds


async def test_a_burst_is_received_by_several_polls_at_a_time(pump, monkeypatch):
    await send(pump, 100)
    under_way, most = 0, 0
    receiving = pump.client.receive

    async def watched(*args, **fields):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            return await receiving(*args, **fields)
        finally:
            under_way -= 1

    monkeypatch.setattr(
        pump._intake, "_receive", lambda asked, wait: watched(pump.queue_url, asked, wait, LEASE)
    )
    received = await receive(pump, 100)
    assert len({one.id for one in received}) == 100
    assert most > 1


async def test_no_more_is_received_than_was_asked_for(pump):
    await send(pump, 30)
    taken = []
    while len(taken) < 30:
        some = await pump.receive(min(12, 30 - len(taken)), SOON)
        assert 0 < len(some) <= 12
        taken += some
    assert sorted(int(one.body) for one in taken) == list(range(30))


async def test_a_receive_that_is_cancelled_loses_nothing(pump):
    for n in range(10):
        receiving = asyncio.create_task(pump.receive(1, SOON))
        await asyncio.sleep(n * 0.002)
        await pump.send(Outgoing(body=f"{n}"))
        receiving.cancel()
        (outcome,) = await asyncio.gather(receiving, return_exceptions=True)
        (received,) = outcome if isinstance(outcome, list) else await pump.receive(1, SOON)
        assert received.body == f"{n}"
        await pump.delete(received.handle)


async def test_what_nobody_takes_goes_back_for_others(pump, client, monkeypatch):
    monkeypatch.setattr(sqs_pump, "IDLE", 0.1)
    receiving = asyncio.create_task(pump.receive(1, SOON))
    await asyncio.sleep(0.1)
    receiving.cancel()
    await pump.send(Outgoing(body="left over"))
    other = SqsPump(client, pump.queue_url, LEASE)
    started = time.monotonic()
    assert len(await other.receive(1, SOON)) == 1
    assert time.monotonic() - started < SOON
    await other.aclose()


async def test_what_was_received_and_not_taken_goes_back_when_the_pump_ends(pump, client):
    receiving = asyncio.create_task(pump.receive(1, SOON))
    await asyncio.sleep(0.1)
    receiving.cancel()
    await pump.send(Outgoing(body="left over"))
    await asyncio.sleep(0.3)
    await pump.aclose()
    assert len(await client.receive(pump.queue_url, 1, 2, LEASE)) == 1


async def test_a_queue_that_is_asked_too_often_is_asked_again_later(pump, monkeypatch):
    await pump.send(Outgoing(body="patience"))
    refusals, receiving = [0.0, 0.0], pump._intake._receive
    times = []

    async def throttled(asked, wait):
        times.append(time.monotonic())
        if refusals:
            refusals.pop()
            raise Throttled("SQS is asked too often")
        return await receiving(asked, wait)

    monkeypatch.setattr(pump._intake, "_receive", throttled)
    assert len(await pump.receive(1, SOON)) == 1
    assert times[1] - times[0] >= 0.05
    assert times[2] - times[1] > times[1] - times[0] - 0.05


async def test_a_failed_poll_is_told_to_whoever_receives(client, cloud):
    pump = SqsPump(client, servers.fresh_queue(cloud) + "-gone", LEASE)
    with pytest.raises(QueueMissing, match="provision"):
        await pump.receive(1, 1)
    with pytest.raises(QueueUnavailable):
        await pump.send(Outgoing(body="nowhere"))
    await pump.aclose()
