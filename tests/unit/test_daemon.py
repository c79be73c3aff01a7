"""The gateway's loop and its decision table, on the reference queue."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace

import pytest

from gateway.daemon import Gateway, GatewaySettings
from gateway.errors import (
    BackendFailed,
    Declined,
    OutcomeUnknown,
    QueueBroken,
    QueueUnavailable,
    Refused,
    Unanswered,
    Unreached,
)
from gateway.message import Message
from gateway.queue import State
from gateway.queues.memory import MemoryQueue

REPLY = Message(body=b"<reply/>", content_type="text/xml")
FAULT = replace(REPLY, body=b"<fault/>", is_fault=True)
QUICK = GatewaySettings(concurrency=4, lease=1.0, grace=0.3, attempts=3)


def request(**fields: object) -> Message:
    values = {"body": b"<a/>", "content_type": "text/xml", "sender": "alice"}
    return Message(**(values | fields))  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(queue, endpoint, settings=QUICK):
    stop = asyncio.Event()
    work = asyncio.create_task(Gateway(queue, endpoint, settings).run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await work


async def call(queue, message, wait=30.0):
    await queue.send(message)
    return await queue.collect("alice", message.id, wait)


def does(outcome):
    """Return an endpoint that gives one outcome, always, and counts its calls."""

    async def endpoint(message):
        endpoint.calls += 1
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    endpoint.calls = 0
    return endpoint


@pytest.mark.parametrize("reply", [REPLY, FAULT])
async def test_a_reply_is_stored_fault_or_not(reply):
    queue = MemoryQueue()
    async with running(queue, does(reply)):
        assert (await call(queue, request())).reply == reply
    assert len(queue.quarantine) == 0


async def test_a_one_way_operation_is_done():
    queue = MemoryQueue()
    async with running(queue, does(None)):
        assert (await call(queue, request())).state is State.DONE


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (Refused("Do it right."), b"Client"),
        (BackendFailed("No SOAP."), b"Server"),
        (OutcomeUnknown("Who knows."), b"Server.OutcomeUnknown"),
        (ZeroDivisionError("a bug, with secrets"), b"Server"),
    ],
)
async def test_what_ends_a_request_is_a_fault_and_an_entry_in_quarantine(error, says, caplog):
    queue = MemoryQueue()
    endpoint = does(error)
    async with running(queue, endpoint):
        collected = await call(queue, sent := request())
    assert collected.reply.is_fault
    assert says in collected.reply.body
    assert b"secrets" not in collected.reply.body
    assert [entry.id async for entry in queue.quarantine.entries()] == [sent.id]
    assert endpoint.calls == 1
    assert any(sent.id in record.message for record in caplog.records)


async def test_a_one_way_operation_that_fails_stores_no_fault():
    queue = MemoryQueue()
    error = BackendFailed("No SOAP.")
    error.one_way = True
    async with running(queue, does(error)):
        collected = await call(queue, request())
    assert collected.state is State.DONE
    assert len(queue.quarantine) == 1


async def test_a_repeatable_operation_is_tried_again_and_then_given_up(monkeypatch):
    monkeypatch.setattr("gateway.verdict.LONGEST_DELAY", 0.01)
    queue = MemoryQueue()
    endpoint = does(Unanswered("cut"))
    async with running(queue, endpoint):
        collected = await call(queue, request())
    assert endpoint.calls == QUICK.attempts
    assert collected.reply.is_fault
    assert len(queue.quarantine) == 1


@pytest.mark.parametrize("error", [Unanswered("cut"), Declined("503"), Unreached("down")])
async def test_what_is_transient_passes(monkeypatch, error):
    monkeypatch.setattr("gateway.verdict.LONGEST_DELAY", 0.01)
    monkeypatch.setattr("gateway.verdict.IN_PLACE", (0.001,))
    queue = MemoryQueue()
    outcomes = iter([error, error, REPLY])

    async def endpoint(message):
        outcome = next(outcomes)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async with running(queue, endpoint):
        assert (await call(queue, request())).reply == REPLY


async def test_a_backend_that_is_away_is_waited_for_however_often(monkeypatch):
    monkeypatch.setattr("gateway.verdict.LONGEST_DELAY", 0.001)
    monkeypatch.setattr("gateway.verdict.IN_PLACE", ())
    queue = MemoryQueue()
    away = iter(range(20))

    async def endpoint(message):
        if next(away, None) is None:
            return REPLY
        raise Unreached("down")

    async with running(queue, endpoint):
        assert (await call(queue, request())).reply == REPLY


async def test_a_request_that_was_delivered_too_often_is_given_up_without_another_try():
    queue = MemoryQueue()
    await queue.send(sent := request())
    for _ in range(QUICK.attempts):
        (delivery,) = await queue.receive(1, 1)
        await delivery.retry(0)
    endpoint = does(REPLY)
    async with running(queue, endpoint):
        collected = await queue.collect("alice", sent.id, 5)
    assert collected.reply.is_fault
    assert endpoint.calls == 0


async def test_no_more_is_worked_on_at_once_than_the_settings_allow():
    queue = MemoryQueue()
    at_work, most = 0, 0

    async def endpoint(message):
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.01)
        at_work -= 1
        return REPLY

    async with running(queue, endpoint):
        await asyncio.gather(*(call(queue, request()) for _ in range(20)))
    assert most == QUICK.concurrency


async def test_a_lease_is_renewed_while_the_work_lives():
    queue = MemoryQueue(lease=QUICK.lease)
    endpoint_calls = []

    async def endpoint(message):
        endpoint_calls.append(message.id)
        await asyncio.sleep(3 * QUICK.lease)
        return REPLY

    async with running(queue, endpoint):
        assert (await call(queue, request())).reply == REPLY
    assert len(endpoint_calls) == 1


async def test_work_whose_lease_is_lost_is_stopped_and_writes_nothing():
    moment = [0.0]
    queue = MemoryQueue(lease=QUICK.lease, monotonic=lambda: moment[0])
    stopped = asyncio.Event()

    begun = asyncio.Event()

    async def endpoint(message):
        begun.set()
        try:
            await asyncio.sleep(10)
        finally:
            stopped.set()

    async with running(queue, endpoint):
        await queue.send(sent := request())
        await begun.wait()
        moment[0] += 1000.0  # the process slept past its lease
        await asyncio.wait_for(stopped.wait(), 5)
        stop_taking = await queue.collect("alice", sent.id, 0)
    assert stop_taking.reply is None


async def test_what_was_begun_is_finished_before_the_end():
    queue, begun = MemoryQueue(), asyncio.Event()

    async def endpoint(message):
        begun.set()
        await asyncio.sleep(0.1)
        return REPLY

    async with running(queue, endpoint, replace(QUICK, grace=30.0)) as stop:
        await queue.send(sent := request())
        await begun.wait()
        stop.set()
    assert (await queue.collect("alice", sent.id, 0)).reply == REPLY


async def test_what_is_not_finished_within_the_grace_time_is_left_to_others():
    queue, begun = MemoryQueue(), asyncio.Event()

    async def endpoint(message):
        begun.set()
        await asyncio.sleep(60)

    async with running(queue, endpoint) as stop:
        await queue.send(sent := request())
        await begun.wait()
        stop.set()
    assert (await queue.collect("alice", sent.id, 0)).reply is None
    await queue.aclose()
    (again,) = await queue.receive(1, 1)
    assert again.message.id == sent.id


class Failing(MemoryQueue):
    """A queue that raises an error at each of the first ``times`` uses of a verb."""

    def __init__(self, error, times):
        super().__init__()
        self.error, self.left = error, times

    def fail(self):
        if self.left:
            self.left -= 1
            raise self.error


class FailingReceive(Failing):
    async def receive(self, limit, wait):
        self.fail()
        return await super().receive(limit, wait)


class FailingAnswer(Failing):
    async def receive(self, limit, wait):
        deliveries = await super().receive(limit, wait)
        for delivery in deliveries:
            answer = delivery.answer

            async def failing(reply, answer=answer):
                self.fail()
                await answer(reply)

            delivery.answer = failing
        return deliveries


async def test_a_queue_that_is_unavailable_for_a_while_is_tried_again():
    queue = FailingReceive(QueueUnavailable("disk full"), 1)
    async with running(queue, does(REPLY)):
        assert (await call(queue, request())).reply == REPLY


async def test_a_reply_that_cannot_be_stored_waits_and_is_not_made_again(caplog):
    queue = FailingAnswer(QueueUnavailable("disk full"), 2)
    endpoint = does(REPLY)
    with caplog.at_level(logging.WARNING):
        async with running(queue, endpoint):
            assert (await call(queue, request())).reply == REPLY
    assert endpoint.calls == 1
    assert "disk full" in caplog.text


@pytest.mark.parametrize("kind", [FailingReceive, FailingAnswer])
async def test_a_broken_queue_ends_the_gateway(kind):
    queue = kind(QueueBroken("fsync failed"), 1000)
    await queue.send(request())
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(Gateway(queue, does(REPLY), QUICK).run(asyncio.Event()), 5)
    assert caught.group_contains(QueueBroken)
