"""What the gateway writes down of each request, and that it does so before the answer is stored."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging

import pytest
from answering import Answering, logging_events

from gateway.errors import (
    BackendFailed,
    Expired,
    LeaseLost,
    OutcomeUnknown,
    QueueUnavailable,
    Refused,
    Unanswered,
    Unreached,
    Unsure,
)
from gateway.message import Message, Unreadable
from gateway.observe.audit import recorded
from gateway.queue import State
from gateway.queues.memory import MemoryDelivery, MemoryQueue
from gateway.serving.loop import Gateway
from gateway.serving.settings import GatewaySettings

REPLY = Message(body=b"<reply/>", content_type="text/xml")
FAULT = Message(body=b"<fault/>", content_type="text/xml", is_fault=True)
QUICK = GatewaySettings(concurrency=4, lease=1.0, grace=0.3, attempts=3)
CANARY = b"<canary-4711/>"


def request(**fields: object) -> Message:
    values = {"body": CANARY, "content_type": "text/xml", "sender": "alice"}
    return Message(**(values | {"target_service": "orders"} | fields))  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(queue, endpoint, write):
    stop = asyncio.Event()
    events = logging_events()
    async with recorded(events, write):
        gateway = Gateway(queue, Answering(endpoint, "orders"), QUICK, events=events)
        work = asyncio.create_task(gateway.run(stop))
        try:
            yield
        finally:
            stop.set()
            await work


def does(outcome):
    """Return an endpoint that admits a request as PlaceOrder, and has one outcome."""

    async def endpoint(message):
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return endpoint


async def written(endpoint, sent: Message) -> list[dict[str, object]]:
    """Have one request settled; return the lines that were written of it."""
    queue, lines = MemoryQueue(lease=QUICK.lease), []
    async with running(queue, endpoint, lines.append):
        await queue.send(sent)
        await queue.collect("alice", sent.id, 240)
    assert CANARY.decode() not in repr(lines)
    return lines


@pytest.mark.parametrize(
    ("outcome", "verdict", "code"),
    [
        (REPLY, "reply", ""),
        (FAULT, "fault", ""),
        (None, "done", ""),
        (Refused("no"), "quarantined", "Client"),
        (Expired("late"), "expired", "Server.Expired"),
        (OutcomeUnknown("who knows"), "quarantined", "Server.OutcomeUnknown"),
        (BackendFailed("broken"), "quarantined", "Server"),
        (ValueError("a bug"), "quarantined", "Server"),
    ],
)
async def test_one_line_tells_what_became_of_a_request(outcome, verdict, code):
    sent = request()
    (line,) = await written(does(outcome), sent)
    assert line.pop("ms") >= 0
    assert line == {
        "event": "settled",
        "client": "alice",
        "service": "orders",
        "operation": "PlaceOrder",
        "id": sent.id,
        "size": len(CANARY),
        "sha256": hashlib.sha256(CANARY).hexdigest(),
        "verdict": verdict,
        "code": code,
        "attempts": 1,
    }


async def test_what_could_not_be_read_has_a_line_without_size_and_hash(monkeypatch):
    queue, lines = MemoryQueue(lease=QUICK.lease), []
    receive = queue.receive

    async def unreadable(limit, wait, shares=None):
        taken = await receive(limit, wait)
        for delivery in taken:
            name = delivery.message
            delivery.message = Unreadable(id=name.id, sender=name.sender, reason="too large")
        return taken

    monkeypatch.setattr(queue, "receive", unreadable)
    async with running(queue, does(REPLY), lines.append):
        await queue.send(sent := request())
        await queue.collect("alice", sent.id, 240)
    (line,) = lines
    assert (line["verdict"], line["code"]) == ("quarantined", "unreadable")
    assert (line["id"], line["size"], line["sha256"]) == (sent.id, None, None)


async def test_a_request_that_is_given_back_has_no_line_until_it_is_settled():
    failures = iter([Unreached("down")] * 3)

    async def endpoint(message):
        for failure in failures:
            raise failure
        return REPLY

    (line,) = await written(endpoint, request())
    assert line["verdict"] == "reply"


async def test_the_line_is_written_before_the_answer_is_stored():
    queue, states = MemoryQueue(), []
    sent = request()

    def write(line):
        states.append(queue._store.look(("alice", sent.id)).state)

    async with running(queue, does(REPLY), write):
        await queue.send(sent)
        found = await queue.collect("alice", sent.id, 240)
    assert found.state is State.REPLY
    assert states == [State.WORKING]


async def test_nothing_is_answered_while_its_line_cannot_be_written(caplog):
    queue, lines = MemoryQueue(lease=QUICK.lease), []
    is_full = True

    def write(line):
        if is_full:
            raise QueueUnavailable("the audit log cannot be written")
        lines.append(line)

    async with running(queue, does(REPLY), write):
        await queue.send(sent := request())
        assert (await queue.collect("alice", sent.id, 0.5)).state is State.WORKING
        is_full = False
        assert (await queue.collect("alice", sent.id, 240)).state is State.REPLY
    assert len(lines) == 1
    assert "the audit log cannot be written; the verdict waits" in caplog.text


async def test_a_queue_that_cannot_take_the_answer_at_first_makes_no_second_line(monkeypatch):
    failures = iter([QueueUnavailable("full")] * 2)
    answer = MemoryDelivery.answer

    async def answer_later(self, reply):
        for failure in failures:
            raise failure
        await answer(self, reply)

    monkeypatch.setattr(MemoryDelivery, "answer", answer_later)
    (line,) = await written(does(REPLY), request())
    assert line["verdict"] == "reply"


async def test_an_answer_that_was_not_stored_is_taken_back(monkeypatch):
    failures = iter([LeaseLost("another has it")])
    answer = MemoryDelivery.answer

    async def lose_once(self, reply):
        for failure in failures:
            raise failure
        await answer(self, reply)

    monkeypatch.setattr(MemoryDelivery, "answer", lose_once)
    verdicts = [line["verdict"] for line in await written(does(REPLY), request())]
    assert verdicts == ["reply", "lost", "reply"]


@pytest.mark.parametrize(
    ("failure", "between"),
    [(QueueUnavailable("full"), ["lost"]), (Unsure("no answer"), []), (None, [])],
    ids=["not stored", "perhaps stored", "under way"],
)
async def test_an_answer_whose_lease_ends_while_it_waits_is_taken_back_where_it_is_not_stored(
    monkeypatch, failure, between
):
    answer, extend = MemoryDelivery.answer, MemoryDelivery.extend

    async def waiting(self, reply):
        if self.attempt > 1:
            await answer(self, reply)
        elif failure is not None:
            raise failure
        else:
            await asyncio.Event().wait()

    async def lost(self, lease):
        if self.attempt == 1:
            raise LeaseLost("another has it")
        await extend(self, lease)

    monkeypatch.setattr(MemoryDelivery, "answer", waiting)
    monkeypatch.setattr(MemoryDelivery, "extend", lost)
    verdicts = [line["verdict"] for line in await written(does(REPLY), request())]
    assert verdicts == ["reply", *between, "reply"]


@pytest.mark.parametrize(
    ("outcome", "says"),
    [(REPLY, "orders answered in "), (Unanswered("cut"), "orders: cut")],
)
async def test_the_log_names_the_service_that_a_request_without_one_was_for(outcome, says, caplog):
    sent = request(target_service="")
    with caplog.at_level(logging.INFO, "gateway.observe.lines"):
        await written(does(outcome), sent)
    assert caplog.messages[0].startswith(f"{sent.id} {says}")
