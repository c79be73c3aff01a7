"""The gateway's loop and its decision table, on the reference queue."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from unittest.mock import AsyncMock

import pytest
from answering import Answering, logging_events

from gateway.errors import (
    BackendFailed,
    Declined,
    OutcomeUnknown,
    QueueBroken,
    QueueUnavailable,
    Refused,
    Unanswered,
    Unchecked,
    Unreached,
)
from gateway.message import Message
from gateway.queue import State
from gateway.queues.memory import MemoryDelivery, MemoryQueue
from gateway.serving import loop as daemon
from gateway.serving.loop import Gateway, VerdictLimits, _Receiver
from gateway.serving.quotas import Allowance, Shares
from gateway.serving.settings import GatewaySettings

REPLY = Message(body=b"<reply/>", content_type="text/xml")
FAULT = replace(REPLY, body=b"<fault/>", is_fault=True)
QUICK = GatewaySettings(concurrency=4, lease=1.0, grace=0.3, attempts=3)
SOON = VerdictLimits(longest_delay=0.01, over_share=0.05)


def request(**fields: object) -> Message:
    values = {"body": b"<a/>", "content_type": "text/xml", "sender": "alice"}
    return Message(**(values | fields))  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(queue, endpoint, settings=QUICK, shares=None):
    stop = asyncio.Event()
    events = logging_events()
    endpoint = Answering(endpoint)
    gateway = Gateway(queue, endpoint, settings, events=events, shares=shares, limits=SOON)
    work = asyncio.create_task(gateway.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await work


async def call(queue, message, wait=240.0):
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


async def test_a_repeatable_operation_is_tried_again_and_then_given_up():
    queue = MemoryQueue()
    endpoint = does(Unanswered("cut"))
    async with running(queue, endpoint):
        collected = await call(queue, request())
    assert endpoint.calls == QUICK.attempts
    assert collected.reply.is_fault
    assert len(queue.quarantine) == 1


@pytest.mark.parametrize("error", [Unanswered("cut"), Declined("503"), Unreached("down")])
async def test_what_is_transient_passes(error):
    queue = MemoryQueue()
    outcomes = iter([error, error, REPLY])

    async def endpoint(message):
        outcome = next(outcomes)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async with running(queue, endpoint):
        assert (await call(queue, request())).reply == REPLY


@pytest.mark.parametrize("error", [Unreached("down"), Unchecked("no memory")])
async def test_what_reached_no_backend_is_tried_however_often(error):
    queue = MemoryQueue()
    away = iter(range(20))

    async def endpoint(message):
        if next(away, None) is None:
            return REPLY
        raise error

    async with running(queue, endpoint):
        assert (await call(queue, request())).reply == REPLY


async def test_a_request_that_was_delivered_too_often_is_given_up_without_another_try():
    queue = MemoryQueue()
    await queue.send(sent := request())
    for _ in range(QUICK.attempts):
        (delivery,) = await queue.receive(1, 240)
        await delivery.retry(0)
    endpoint = does(REPLY)
    async with running(queue, endpoint):
        collected = await queue.collect("alice", sent.id, 240)
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
        await asyncio.wait_for(stopped.wait(), 240)
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
    (again,) = await queue.receive(1, 240)
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
    async def receive(self, limit, wait, shares=None):
        self.fail()
        return await super().receive(limit, wait, shares)


class FailingAnswer(Failing):
    async def receive(self, limit, wait, shares=None):
        deliveries = await super().receive(limit, wait, shares)
        for delivery in deliveries:
            answer = delivery.answer

            async def failing(reply, answer=answer):
                self.fail()
                await answer(reply)

            delivery.answer = failing
        return deliveries


class FailingExtend(Failing):
    async def receive(self, limit, wait, shares=None):
        deliveries = await super().receive(limit, wait, shares)
        for delivery in deliveries:
            delivery.extend = self.extend
        return deliveries

    async def extend(self, lease):
        self.fail()


async def test_a_request_that_cannot_be_settled_comes_again_and_ends_nothing(caplog):
    queue = FailingAnswer(ValueError("nobody foresaw this"), 1)
    endpoint = does(REPLY)
    async with running(queue, endpoint):
        assert (await call(queue, request())).reply == REPLY
    assert endpoint.calls == 2  # it says of itself that it may be carried out twice
    assert caplog.text.count("failed in the gateway, not settled: it comes again") == 1
    assert "Traceback" in caplog.text


async def test_a_receive_that_fails_is_tried_again_and_told_once(caplog):
    queue = FailingReceive(ValueError("nobody foresaw this"), 2)
    async with running(queue, does(REPLY)):
        assert (await call(queue, request())).reply == REPLY
    assert caplog.text.count("receiving failed in the gateway") == 1
    assert caplog.text.count("gives requests again") == 1


async def test_what_is_received_just_when_the_gateway_stops_goes_back(monkeypatch):
    class Late(MemoryQueue):
        async def receive(self, limit, wait, shares=None):
            taken = await super().receive(limit, wait, shares)
            receiver.cancel()
            return taken

    queue, shares = Late(), Shares({"bob": Allowance(in_flight=1)})
    shares.begin("bob")
    await queue.send(sent := request())
    receiver = asyncio.ensure_future(daemon._receive_until_freed(queue, 1, shares))
    await asyncio.wait({receiver})
    assert receiver.cancelled()
    (delivery,) = await MemoryQueue.receive(queue, 1, 0)
    assert (delivery.message.id, delivery.attempt) == (sent.id, 1)


async def test_a_renewal_that_goes_on_failing_is_told_once(caplog):
    queue = FailingExtend(QueueUnavailable("not now"), 5)

    async def endpoint(message):
        async with asyncio.timeout(240):
            while queue.left:
                await asyncio.sleep(0.01)
        return REPLY

    async with running(queue, endpoint, replace(QUICK, lease=0.1)):
        assert (await call(queue, request())).reply == REPLY
    assert caplog.text.count("not now; lease not renewed") == 1


async def test_a_request_is_told_as_quarantined_once_the_queue_has_put_it_aside(
    caplog, monkeypatch
):
    failures = iter([QueueUnavailable("not now")] * 2)
    quarantine = MemoryDelivery.quarantine

    async def later(self, reason, reply):
        assert "quarantined: " not in caplog.text
        for failure in failures:
            raise failure
        await quarantine(self, reason, reply)

    monkeypatch.setattr(MemoryDelivery, "quarantine", later)
    queue = MemoryQueue()
    async with running(queue, does(Refused("no"))):
        assert (await call(queue, request())).reply.is_fault
    assert caplog.text.count("quarantined: ") == 1


async def test_a_renewal_that_fails_ends_nothing(caplog):
    queue = FailingExtend(ValueError("nobody foresaw this"), 1)
    settings = replace(QUICK, lease=0.1)

    async def endpoint(message):
        async with asyncio.timeout(240):
            while "lease not renewed" not in caplog.text:
                await asyncio.sleep(0.01)
        return REPLY

    async with running(queue, endpoint, settings):
        assert (await call(queue, request())).reply == REPLY


async def test_a_queue_that_is_unavailable_for_a_while_is_tried_again():
    queue = FailingReceive(QueueUnavailable("disk full"), 1)
    async with running(queue, does(REPLY)):
        assert (await call(queue, request())).reply == REPLY


class Silent(MemoryQueue):
    """A queue whose store stands still: a wait ends with nothing, a look at once fails."""

    def __init__(self):
        super().__init__()
        self.looks, self.is_well = 0, False

    async def receive(self, limit, wait, shares=None):
        if self.is_well:
            return await super().receive(limit, wait, shares)
        if wait and self.looks:
            return ()
        self.looks += 1
        raise QueueUnavailable("no answer")


async def test_a_queue_is_said_to_give_again_once_it_has_answered(caplog, monkeypatch):
    queue = Silent()
    intake = _Receiver(queue, Shares({}))
    monkeypatch.setattr(daemon.asyncio, "sleep", AsyncMock())
    for _ in range(3):
        assert await intake.receive(1) == ()
    assert "gives requests again" not in caplog.text
    assert caplog.text.count("no answer") == 1
    queue.is_well = True
    assert not await intake.receive(1)  # empty, and that is an answer
    assert caplog.text.count("gives requests again") == 1


async def test_a_reply_that_cannot_be_stored_waits_and_is_not_made_again(caplog):
    queue = FailingAnswer(QueueUnavailable("disk full"), 2)
    endpoint = does(REPLY)
    with caplog.at_level(logging.WARNING):
        async with running(queue, endpoint):
            assert (await call(queue, request())).reply == REPLY
    assert endpoint.calls == 1
    assert "disk full" in caplog.text


async def test_a_renewal_of_a_broken_queue_ends_the_gateway():
    queue = FailingExtend(QueueBroken("fsync failed"), 1000)
    await queue.send(request())

    async def endpoint(message):
        await asyncio.sleep(240)

    work = Gateway(queue, Answering(endpoint), replace(QUICK, lease=0.1)).run(asyncio.Event())
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(work, 240)
    assert caught.group_contains(QueueBroken)


@pytest.mark.parametrize("kind", [FailingReceive, FailingAnswer])
async def test_a_broken_queue_ends_the_gateway(kind):
    queue = kind(QueueBroken("fsync failed"), 1000)
    await queue.send(request())
    gateway = Gateway(queue, Answering(does(REPLY)), QUICK)
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(gateway.run(asyncio.Event()), 240)
    assert caught.group_contains(QueueBroken)


# Fair shares


class Watch:
    """An endpoint that takes a moment, and notes who was at work, and in which order."""

    def __init__(self, seconds=0.0):
        self.order = []
        self.at_work = []
        self.most = 0
        self.seconds = seconds

    async def __call__(self, message):
        self.order.append(message.sender)
        self.at_work.append(message.sender)
        self.most = max(self.most, self.at_work.count("alice"))
        await asyncio.sleep(self.seconds)
        self.at_work.remove(message.sender)
        return REPLY


async def test_a_client_with_ten_thousand_requests_waiting_holds_up_no_other():
    queue, watch = MemoryQueue(), Watch()
    for _ in range(10_000):
        await queue.send(request())
    async with running(queue, watch):
        for _ in range(3):
            before = len(watch.order)
            await queue.send(sent := request(sender="bob"))
            assert (await queue.collect("bob", sent.id, 240)).state is State.REPLY
            # Those that were taken before, one turn of the other, and what went on meanwhile.
            ahead = watch.order[before:].index("bob")
            assert ahead <= 2 * QUICK.concurrency + 1
    assert watch.order.count("alice") < 10_000


async def test_no_more_requests_of_a_client_are_at_work_than_its_share():
    queue, watch = MemoryQueue(), Watch(0.02)
    requests = [request() for _ in range(12)]
    for message in requests:
        await queue.send(message)
    async with running(queue, watch, shares=Shares({"alice": Allowance(in_flight=2)})):
        for message in requests:
            assert (await queue.collect("alice", message.id, 240)).state is State.REPLY
    assert watch.most == 2
    assert len(queue.quarantine) == 0


async def test_a_client_that_waits_for_its_share_does_not_keep_others_waiting():
    queue, watch = MemoryQueue(), Watch(0.3)
    for _ in range(8):
        await queue.send(request())
    async with running(queue, watch, shares=Shares({"alice": Allowance(in_flight=1)})):
        await asyncio.sleep(0.05)
        await queue.send(sent := request(sender="bob"))
        await queue.collect("bob", sent.id, 240)
    assert watch.order[:2] == ["alice", "bob"]


async def test_over_its_rate_a_client_waits_until_it_may_go_on():
    queue, watch = MemoryQueue(), Watch()
    requests = [request() for _ in range(5)]
    for message in requests:
        await queue.send(message)
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with running(queue, watch, shares=Shares({"alice": Allowance(rate=10.0, burst=2)})):
        for message in requests:
            assert (await queue.collect("alice", message.id, 240)).state is State.REPLY
    assert loop.time() - began >= 0.29


class Heedless(MemoryQueue):
    """Hands out what it likes, as SQS does."""

    async def receive(self, limit, wait, shares=None):
        return await super().receive(limit, wait)


async def test_what_a_queue_hands_out_over_a_share_goes_back_and_is_carried_out_once():
    queue, watch = Heedless(), Watch(0.02)
    requests = [request() for _ in range(8)]
    for message in requests:
        await queue.send(message)
    async with running(queue, watch, shares=Shares({"alice": Allowance(in_flight=1)})):
        for message in requests:
            assert (await queue.collect("alice", message.id, 240)).state is State.REPLY
    assert (watch.most, len(watch.order)) == (1, 8)


async def test_a_gateway_stops_while_a_client_waits_for_its_share():
    queue, watch = MemoryQueue(), Watch(5.0)
    for _ in range(4):
        await queue.send(request())
    async with asyncio.timeout(240):
        async with running(queue, watch, shares=Shares({"alice": Allowance(in_flight=1)})):
            await asyncio.sleep(0.1)
    assert watch.order == ["alice"]
