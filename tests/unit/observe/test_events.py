"""The stream of events: what is told of a request, in which order, and who hears it."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from gateway.admission import Gate, Limits
from gateway.errors import LeaseLost, QueueUnavailable, Unanswered, Unreached
from gateway.message import Message, new_id
from gateway.observe.audit import nowhere, recorded
from gateway.observe.events import (
    Events,
    Outcome,
    RequestAdmitted,
    RequestAnswered,
    RequestBegun,
    RequestLost,
    RequestReceived,
    RequestRefused,
    RequestReturned,
    RequestSettled,
    Subject,
)
from gateway.observe.lines import logged
from gateway.queues.memory import MemoryDelivery, MemoryQueue
from gateway.serving.intake import Intake
from gateway.serving.loop import Gateway, VerdictLimits
from gateway.serving.service import Policy, ServiceEndpoint
from gateway.serving.settings import GatewaySettings

OF_REQUESTS = (
    RequestReceived,
    RequestRefused,
    RequestAdmitted,
    RequestBegun,
    RequestAnswered,
    RequestSettled,
    RequestReturned,
    RequestLost,
)
SHORT = {**(MemoryQueue.__init__.__kwdefaults__ or {}), "lease": 0.2}
"""What a queue is made with, but that its leases run out soon."""
REPLY = Message(body=b"<reply/>", content_type="text/xml")
RECEIVED, ADMITTED, BEGUN = "RequestReceived", "RequestAdmitted", "RequestBegun"
ANSWERED, SETTLED, RETURNED = "RequestAnswered", "RequestSettled", "RequestReturned"


class Backend:
    """Does what it was made for, one thing after the other, and answers then."""

    def __init__(self, *outcomes: Exception) -> None:
        self._outcomes = list(outcomes)

    async def invoke(self, call: object) -> Message:
        if self._outcomes:
            raise self._outcomes.pop(0)
        return REPLY

    async def aclose(self) -> None:
        """Nothing is held open."""


@pytest.fixture
def told(warehouse):
    """Have requests settled by a gateway; return all that was told of them.

    The stream's clock goes on by one second at each look.
    """

    async def run(backend: Backend, *messages: Message, interrupted: bool = False) -> list[object]:
        queue, stop = MemoryQueue(), asyncio.Event()
        events, heard = Events(lambda: float(next(seconds))), []
        seconds = itertools.count()
        logged(events)
        for kind in OF_REQUESTS:
            events.subscribe(kind, heard.append)
        policy = Policy(repeatable=frozenset({"GetOrder"}), in_place=())
        service = ServiceEndpoint(Gate(warehouse, Limits()), backend, policy, queue.clock)
        intake = Intake({"warehouse": service}, lambda _: "warehouse", clock=queue.clock)
        for message in messages:
            await queue.send(message)
        if interrupted:  # its gateway dies when it has begun
            (delivery,) = await queue.receive(1, 0)
            await delivery.extend(30.0)
            await queue.aclose()
        async with recorded(events, nowhere):
            settings, limits = GatewaySettings(grace=0.3), VerdictLimits(longest_delay=0.01)
            gateway = Gateway(queue, intake, settings, events=events, limits=limits)
            work = asyncio.create_task(gateway.run(stop))
            for message in messages:
                await queue.collect(message.sender, message.id, 240)
            stop.set()
            await work
        return heard

    return run


@pytest.fixture
def request_of(sample):
    """Return a golden request, with an id of its own."""
    return lambda name, **fields: sample(name, id=new_id(), **fields)


def names(heard: list[object]) -> list[str]:
    return [type(one).__name__ for one in heard]


async def test_a_repeatable_call_is_received_admitted_answered_and_settled(told, request_of):
    sent = request_of("get_order_11", target_service="")
    heard = await told(Backend(), sent)
    assert names(heard) == [RECEIVED, ADMITTED, ANSWERED, SETTLED]
    received, admitted, answered, settled = heard
    assert (received.subject.service, received.subject.operation) == ("", "")
    for event in (admitted, answered, settled):
        subject = event.subject
        assert (subject.service, subject.operation) == ("warehouse", "GetOrder")
        assert (subject.message.id, subject.attempt, subject.one_way) == (sent.id, 1, False)
        assert subject.received == received.subject.received
    assert received.subject.received < admitted.at < answered.at < settled.at
    assert answered.reply.body == b"<reply/>"
    assert (settled.outcome, settled.reason) == (Outcome.REPLY, "")


async def test_an_at_most_once_call_is_begun_before_it_is_answered(told, request_of):
    heard = await told(Backend(), request_of("place_order_11"))
    assert names(heard) == [RECEIVED, ADMITTED, BEGUN, ANSWERED, SETTLED]


async def test_a_refused_call_is_refused_and_settled_with_its_operation(told, request_of):
    heard = await told(Backend(), request_of("place_order_invalid_11"))
    assert names(heard) == [RECEIVED, "RequestRefused", SETTLED]
    _, refused, settled = heard
    assert (refused.subject.operation, refused.error.reason_code) == ("PlaceOrder", "Client.schema")
    assert settled.outcome is Outcome.QUARANTINED
    assert settled.reason.startswith("Client.schema: ")


async def test_what_the_intake_refuses_has_no_operation(told, request_of):
    heard = await told(Backend(), request_of("get_order_11", target_service="nobody"))
    assert names(heard) == [RECEIVED, "RequestRefused", SETTLED]
    subject = heard[1].subject
    assert (subject.service, subject.operation) == ("nobody", "")


async def test_a_one_way_call_is_done_without_a_reply(told, request_of):
    heard = await told(Backend(), request_of("notify_shipment_11"))
    assert names(heard) == [RECEIVED, ADMITTED, BEGUN, ANSWERED, SETTLED]
    *_, answered, settled = heard
    assert settled.subject.one_way
    assert (answered.reply, settled.outcome) == (None, Outcome.DONE)


async def test_an_at_most_once_call_that_was_interrupted_is_settled_and_not_begun(told, request_of):
    heard = await told(Backend(), request_of("place_order_11"), interrupted=True)
    assert names(heard) == [RECEIVED, ADMITTED, SETTLED]
    assert heard[-1].subject.attempt == 2
    assert heard[-1].reason.startswith("Server.OutcomeUnknown: ")


async def test_a_repeatable_call_that_was_interrupted_is_carried_out_again(told, request_of):
    heard = await told(Backend(), request_of("get_order_11"), interrupted=True)
    assert names(heard) == [RECEIVED, ADMITTED, ANSWERED, SETTLED]


@pytest.mark.parametrize("error", [Unreached("down"), Unanswered("cut")])
async def test_what_is_given_back_is_returned_and_received_again(told, request_of, error):
    heard = await told(Backend(error), request_of("get_order_11"))
    assert names(heard)[:3] == [RECEIVED, ADMITTED, RETURNED]
    assert names(heard)[3:] == [RECEIVED, ADMITTED, ANSWERED, SETTLED]


async def test_an_expired_call_has_that_outcome(told, request_of):
    heard = await told(Backend(), request_of("get_order_11", expires=1.0))
    assert names(heard) == [RECEIVED, ADMITTED, SETTLED]
    assert heard[-1].outcome is Outcome.EXPIRED


async def test_a_call_whose_end_could_not_be_stored_is_lost_and_received_again(
    told, request_of, monkeypatch
):
    failures, answer = [LeaseLost("another has it")], MemoryDelivery.answer

    async def lose_once(self, reply):
        if failures:
            raise failures.pop()
        await answer(self, reply)

    monkeypatch.setattr(MemoryDelivery, "answer", lose_once)
    monkeypatch.setattr(MemoryQueue.__init__, "__kwdefaults__", SHORT)
    heard = await told(Backend(), request_of("get_order_11"))
    assert names(heard)[:4] == [RECEIVED, ADMITTED, ANSWERED, "RequestLost"]
    assert names(heard)[4:] == [RECEIVED, ADMITTED, ANSWERED, SETTLED]
    assert heard[3].was_settled


# The stream itself


def settled(sample) -> RequestSettled:
    return RequestSettled(Subject(sample("get_order_11"), 1, 0.0, "a"), Outcome.REPLY, "", 1.0)


def test_those_who_come_first_can_keep_a_step_from_being_done(sample):
    events, heard = Events(), []

    def refuse(event: RequestSettled) -> None:
        raise QueueUnavailable("the disk is full")

    events.subscribe(RequestSettled, refuse, first=True)
    events.subscribe(RequestSettled, heard.append)
    with pytest.raises(QueueUnavailable):
        events.precede(settled(sample))
    assert heard == []


def test_one_that_fails_keeps_no_other_from_hearing(sample, caplog):
    events, heard = Events(), []

    def fail(event: RequestSettled) -> None:
        raise ValueError("a bug")

    events.subscribe(RequestSettled, fail)
    events.subscribe(RequestSettled, heard.append)
    events.tell(settled(sample))
    assert len(heard) == 1
    assert "RequestSettled was not heard" in caplog.text


def test_what_nobody_hears_of_need_not_be_made():
    events = Events()
    assert events.wanted == set()
    events.subscribe(RequestBegun, print)
    assert events.wanted == {RequestBegun}
