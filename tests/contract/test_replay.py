"""Replay and expiry on every queue: an id is answered once, and nothing runs after its deadline."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import kinds
import pytest

from gateway.admission import Gate, Limits
from gateway.contract import Contract, load
from gateway.errors import FaultCode, IdTaken
from gateway.message import Message, Unreadable, digest, new_id
from gateway.queue import AdministeredQueue, Quarantined, State
from gateway.queues.embedded.queue import SqliteQueue
from gateway.queues.options import PutAside, QueueOptions, untold
from gateway.queues.quarantine import ID_TAKEN
from gateway.queues.registry import open_queue
from gateway.serving.loop import Gateway
from gateway.serving.service import Policy, ServiceEndpoint
from gateway.serving.settings import GatewaySettings

ROOT = Path(__file__).resolve().parents[2]
ENVELOPES = ROOT / "tests" / "golden" / "envelopes"
SOON = 60.0
KEPT = {"sqlite": "sqlite:///queue.db"}
"""Of the local ones, that which outlives who opened it."""
Open = Callable[..., object]


@pytest.fixture(scope="module")
def warehouse() -> Contract:
    return load("warehouse.wsdl", folder=ROOT / "wsdl")


@pytest.fixture(params=[*KEPT, *kinds.KINDS])
async def opened(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Open]:
    """Open one queue again and again, each time as a program does that has just started."""
    kind = request.param
    address = KEPT[kind] if kind in KEPT else kinds.address(kind, request, monkeypatch)
    async with contextlib.AsyncExitStack() as stack:

        async def open(put_aside: PutAside = untold) -> AdministeredQueue:
            queue = await open_queue(address, tmp_path, QueueOptions(put_aside=put_aside))
            stack.push_async_callback(queue.aclose)
            return queue

        yield open


class Backend:
    """Counts what reaches it."""

    def __init__(self) -> None:
        self.calls = 0

    async def invoke(self, call: object) -> Message:
        self.calls += 1
        return Message(body=b"<reply-%d/>" % self.calls, content_type="text/xml")

    async def aclose(self) -> None:
        """Nothing is held open."""


@contextlib.asynccontextmanager
async def served(queue: AdministeredQueue, contract: Contract, backend: Backend):
    """Run a gateway over a real service, as a process of its own would."""
    service = ServiceEndpoint(Gate(contract, Limits()), backend, Policy(), queue.clock)
    stop = asyncio.Event()
    work = asyncio.create_task(Gateway(queue, service, GatewaySettings(grace=2.0)).run(stop))
    try:
        yield
    finally:
        stop.set()
        await work


def request(name: str = "place_order_11", **fields: object) -> Message:
    values = {
        "body": (ENVELOPES / f"{name}.xml").read_bytes(),
        "content_type": "text/xml; charset=utf-8",
        "target_service": "warehouse",
        "sender": "alice",
        # A minute old: queues look up what was used before only of ids that are not quite new.
        "id": new_id(lambda: time.time() - 60),
    }
    return Message(**(values | fields))  # type: ignore[arg-type]


async def settled(queue: AdministeredQueue, message: Message) -> Message:
    found = await queue.collect("alice", message.id, SOON)
    assert found.state is State.REPLY
    return found.reply


async def aside(queue: AdministeredQueue, count: int = 1) -> list[Quarantined]:
    """Return what is in quarantine, once there is so much: a copy follows its fault."""
    async with asyncio.timeout(SOON):
        while len(entries := [one async for one in queue.quarantine.entries()]) < count:
            await asyncio.sleep(0.05)
    return entries


async def test_a_request_replayed_after_everything_was_started_anew_gets_the_stored_reply(
    opened, warehouse
):
    sent, backend = request(), Backend()
    for _ in range(3):
        queue = await opened()
        async with served(queue, warehouse, backend):
            await queue.send(sent)
            assert (await settled(queue, sent)).body == b"<reply-1/>"
            await asyncio.sleep(0.3)  # a second message of it, in SQS, is dealt with
    assert backend.calls == 1


async def test_a_request_that_was_refused_stays_so_however_often_it_is_sent(opened, warehouse):
    sent, backend = request("place_order_invalid_11"), Backend()
    faults = []
    for _ in range(2):
        queue = await opened()
        async with served(queue, warehouse, backend):
            await queue.send(sent)
            faults.append((await settled(queue, sent)).body)
            await asyncio.sleep(0.3)
        assert len(await aside(queue)) == 1
    assert faults[0] == faults[1]
    assert backend.calls == 0


@pytest.mark.parametrize("name", ["place_order_11", "place_order_invalid_11"])
async def test_other_bytes_under_an_id_that_was_answered_are_refused_by_whoever_has_just_started(
    opened, warehouse, name
):
    sent, backend = request(name), Backend()
    queue = await opened()
    async with served(queue, warehouse, backend):
        await queue.send(sent)
        stored = (await settled(queue, sent)).body
    calls = backend.calls
    other = await opened()
    with pytest.raises(IdTaken):
        await other.send(replace(sent, body=sent.body + b"\n"))
    assert (await settled(await opened(), sent)).body == stored
    assert backend.calls == calls


async def test_a_request_past_its_deadline_gets_its_fault_once_and_is_never_carried_out(
    opened, warehouse
):
    queue, backend = await opened(), Backend()
    sent = request(expires=queue.clock() + 0.8)
    await queue.send(sent)
    await asyncio.sleep(1.5)
    faults = []
    for _ in range(2):
        again = await opened()
        async with served(again, warehouse, backend):
            await again.send(sent)
            faults.append((await settled(again, sent)).body)
            await asyncio.sleep(0.3)
    assert FaultCode.EXPIRED.encode() in faults[0]
    assert faults[0] == faults[1]
    assert backend.calls == 0
    (entry,) = await aside(queue)
    assert (entry.id, entry.code) == (sent.id, "Server.Expired")


async def test_a_deadline_that_was_put_off_does_not_revive_what_expired(opened, warehouse):
    queue, backend = await opened(), Backend()
    sent = request(expires=queue.clock() - 1)
    async with served(queue, warehouse, backend):
        await queue.send(sent)
        stored = (await settled(queue, sent)).body
        await queue.send(replace(sent, expires=queue.clock() + 3600))
        assert (await settled(queue, sent)).body == stored
        await asyncio.sleep(0.3)
    assert backend.calls == 0


async def test_what_expired_is_carried_out_when_a_person_sends_it_again(opened, warehouse):
    queue, backend = await opened(), Backend()
    sent = request(expires=queue.clock() - 1)
    async with served(queue, warehouse, backend):
        await queue.send(sent)
        stored = (await settled(queue, sent)).body
        (entry,) = await aside(queue)
        new = await queue.quarantine.send_again(entry)
        again = await queue.collect("alice", new, SOON)
    assert again.reply.body == b"<reply-1/>"
    assert again.reply.correlation_id == sent.id
    assert (await settled(queue, sent)).body == stored
    assert backend.calls == 1


async def test_another_message_under_the_id_of_a_refused_one_leaves_its_entry_as_it_was(
    opened, warehouse, monkeypatch
):
    refused, backend = request("place_order_invalid_11"), Backend()
    queue = await opened()
    async with served(queue, warehouse, backend):
        await queue.send(refused)
        await settled(queue, refused)
    # What a client does that looks nothing up: it writes into the bucket, or the queue, itself.
    monkeypatch.setattr("gateway.queues.bucket.client.FRESH", 1e9)
    monkeypatch.setattr("gateway.queues.sqs.replies.FRESH", 1e9)
    other = replace(request(), id=refused.id)
    with contextlib.suppress(IdTaken):
        await (await opened()).send(other)
    put_aside: list[tuple[Message | Unreadable, str]] = []
    again = await opened(lambda *what: put_aside.append(what))
    # The embedded queue does not take the other one at all.
    count = 1 if isinstance(again, SqliteQueue) else 2
    async with served(again, warehouse, backend):
        await aside(again, count)
        await asyncio.sleep(0.3)
    assert backend.calls == 0
    first, *rest = await aside(again, count)
    assert (first.id, first.sender) == (refused.id, "alice")
    assert (await again.quarantine.read(first)).body == refused.body
    assert [one.reason for one in rest] == [ID_TAKEN] * (count - 1)
    # No gateway had it as a delivery: the queue itself tells of it.
    told = [(one.sender, one.id, digest(one), reason) for one, reason in put_aside]
    assert told == [("alice", refused.id, digest(other), ID_TAKEN) for _ in rest]


async def test_of_two_requests_under_one_id_that_wait_one_is_carried_out(opened, warehouse):
    sent, backend = request(), Backend()
    first, second = await opened(), await opened()
    await first.send(sent)
    with contextlib.suppress(IdTaken):  # SQS tells nobody what waits in it
        await second.send(replace(sent, body=sent.body + b"\n"))
    queue = await opened()
    async with served(queue, warehouse, backend):
        reply = await queue.collect("alice", sent.id, SOON)
        await asyncio.sleep(0.5)
    assert reply.reply.body == b"<reply-1/>"
    assert backend.calls == 1
