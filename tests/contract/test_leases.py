"""What every queue does with requests that somebody has: one suite, run on each implementation."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import kinds
import pytest

from gateway.errors import IdTaken, LeaseLost
from gateway.message import Message, new_id
from gateway.queue import Delivery, Queue
from gateway.queues.memory.queue import MemoryQueue
from gateway.queues.options import QueueOptions
from gateway.queues.registry import open_queue

SOON = 240.0
LEASE = 2.0
LONG = 600.0
"""Seconds that no test takes."""
STOOD_STILL = LEASE + 2.0
"""Seconds after which a lease that nobody renews is over, with what a queue adds to be sure."""


def request(body: bytes = b"<Envelope/>", **fields: object) -> Message:
    values = {"content_type": "text/xml", "sender": "alice", "target_service": "orders"}
    return Message(body=body, **(values | fields))  # type: ignore[arg-type]


def reply(body: bytes) -> Message:
    return Message(body=body, content_type="text/xml")


@dataclass
class Fleet:
    """Two gateways of one queue."""

    first: Queue
    second: Queue
    remembers: bool
    """Whether anything knows what became of a request, whoever receives it: SQS alone does not."""
    is_ended: bool = False

    async def end_first(self) -> None:
        """Have the first gateway end."""
        self.is_ended = True
        await self.first.aclose()


async def take(queue: Queue) -> Delivery:
    (delivery,) = await queue.receive(1, SOON)
    return delivery


async def is_begun_by(delivery: Delivery) -> bool:
    """Mark that work begins, as a gateway does; tell whether it may."""
    try:
        await delivery.extend(LEASE)
    except LeaseLost:
        return False
    return True


@contextlib.asynccontextmanager
async def opened(
    kind: str,
    lease: float,
    folder: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Fleet]:
    """Open a new queue of a kind twice; that in memory is one, and both are it."""
    if kind == "memory":
        one = MemoryQueue(lease=lease)
        yield Fleet(one, one, remembers=True)
        return
    local = "sqlite:///queue.db"
    address = local if kind == "sqlite" else kinds.address(kind, request, monkeypatch)
    options = QueueOptions(lease=lease)
    first, second = [await open_queue(address, folder, options) for _ in range(2)]
    fleet = Fleet(first, second, remembers=kind not in kinds.BARE)
    yield fleet
    if not fleet.is_ended:
        await fleet.end_first()
    await second.aclose()


@pytest.fixture(params=["memory", *kinds.KINDS, *kinds.BARE])
async def expiring(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Fleet]:
    """Gateways whose leases run out; in the embedded queue one ends with its process alone."""
    async with opened(request.param, LEASE, tmp_path, request, monkeypatch) as fleet:
        yield fleet


@pytest.fixture(params=["sqlite", *kinds.KINDS, *kinds.BARE])
async def lasting(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Fleet]:
    """Gateways whose leases outlast any test."""
    async with opened(request.param, LONG, tmp_path, request, monkeypatch) as fleet:
        yield fleet


remembering = pytest.mark.parametrize("expiring", ["memory", *kinds.KINDS], indirect=True)
remembered = pytest.mark.parametrize("lasting", ["sqlite", *kinds.KINDS], indirect=True)


@pytest.mark.parametrize("has_begun", [True, False])
async def test_a_request_whose_lease_ran_out_is_taken_over(expiring, has_begun):
    await expiring.first.send(sent := request())
    held = await take(expiring.first)
    if has_begun:
        await held.extend(LEASE)
    again = await take(expiring.second)
    assert (again.message.id, again.attempt) == (sent.id, 2)
    assert again.message.interrupted or not has_begun
    await again.answer(reply(b"right"))
    found = await expiring.first.collect("alice", sent.id, SOON)
    assert found.reply.body == b"right"


@remembering
async def test_whoever_lost_a_request_to_another_cannot_settle_it(expiring):
    await expiring.first.send(sent := request())
    held = await take(expiring.first)
    await held.extend(LEASE)
    again = await take(expiring.second)
    await again.extend(LONG)
    for settling in (held.extend(LEASE), held.answer(reply(b"zombie")), held.retry(0)):
        with pytest.raises(LeaseLost):
            await settling
    held.let_go()  # nothing happens: another has it
    await again.answer(reply(b"right"))
    found = await expiring.first.collect("alice", sent.id, SOON)
    assert found.reply.body == b"right"


@remembering
@pytest.mark.parametrize("is_first_asked", [True, False])
async def test_of_two_who_have_a_request_one_begins(expiring, is_first_asked):
    """The one that is asked first; but where the second is not contested, it was taken from the
    other, and may begin before it is marked."""
    await expiring.first.send(sent := request())
    held = await take(expiring.first)
    again = await take(expiring.second)
    asked = (held, again) if is_first_asked else (again, held)
    outcomes = [(await is_begun_by(one), one) for one in asked]
    ((_, winner),) = [one for one in outcomes if one[0]]
    ((_, loser),) = [one for one in outcomes if not one[0]]
    assert again.is_contested or winner is again
    with pytest.raises(LeaseLost):
        await loser.answer(reply(b"wrong"))
    await winner.answer(reply(b"right"))
    found = await expiring.first.collect("alice", sent.id, SOON)
    assert found.reply.body == b"right"


async def test_a_request_is_held_for_as_long_as_was_said(expiring):
    await expiring.first.send(sent := request())
    held = await take(expiring.first)
    await held.extend(LONG)
    began = time.monotonic()
    assert list(await expiring.second.receive(1, STOOD_STILL)) == []
    assert time.monotonic() - began >= 0.9 * STOOD_STILL
    await held.answer(reply(b"late"))
    found = await expiring.first.collect("alice", sent.id, SOON)
    assert found.reply.body == b"late"


async def test_what_may_have_been_begun_stays_so_though_it_is_given_back(expiring):
    await expiring.first.send(request())
    held = await take(expiring.first)
    await held.extend(LEASE)
    held.let_go()
    again = await take(expiring.second)
    assert again.message.interrupted
    await again.retry(0, counts=False)
    third = await take(expiring.second)
    assert (third.message.interrupted, third.attempt) == (True, 2)
    await third.answer(None)


async def test_what_a_gateway_has_when_it_ends_is_at_once_for_others(lasting):
    for _ in range(2):
        await lasting.first.send(request())
    begun, waiting = await take(lasting.first), await take(lasting.first)
    await begun.extend(LONG)
    await lasting.end_first()
    received: list[Delivery] = []
    while len(received) < 2:
        received += await lasting.second.receive(2, SOON)
    interrupted = {one.message.id for one in received if one.message.interrupted}
    assert begun.message.id in interrupted
    assert waiting.message.id not in interrupted or not lasting.remembers
    for one in received:
        await one.answer(None)


@remembered
@pytest.mark.parametrize("hours", [0, -5])
async def test_what_another_program_sends_again_after_its_reply_is_not_begun(lasting, hours):
    sent = request(id=new_id(lambda: time.time() + hours * 3600))
    await lasting.first.send(sent)
    await (await take(lasting.first)).answer(reply(b"first"))
    await lasting.second.send(sent)
    received = await lasting.second.receive(1, 1.0)
    assert len(received) <= (hours == 0)  # a look at what became of an id that is new would cost
    for late in received:
        assert not await is_begun_by(late)
    found = await lasting.second.collect("alice", sent.id, SOON)
    assert found.reply.body == b"first"


@remembered
async def test_an_id_that_was_answered_is_not_taken_by_other_bytes_of_another_program(lasting):
    sent = request(id=new_id(lambda: time.time() - 3600))
    await lasting.first.send(sent)
    await (await take(lasting.first)).answer(reply(b"first"))
    with pytest.raises(IdTaken):
        await lasting.second.send(replace(sent, body=b"<Other/>"))
