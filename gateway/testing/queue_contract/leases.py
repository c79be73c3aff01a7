"""What every queue does with requests that somebody has."""

# ruff: noqa: F403, F405  # fixtures and helpers are shared by name, as those of a conftest are

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.errors import IdTaken, LeaseLost
from gateway.queue import Delivery, Queue, let_go
from gateway.queues.kind import Abilities, Reach
from gateway.queues.options import QueueOptions
from gateway.queues.registry import open_queue
from gateway.testing.queue_contract.fixtures import *

LEASE = 2.0
LONG = 600.0
"""Seconds that no test takes."""
STOOD_STILL = LEASE + 2.0
"""Seconds after which a lease that nobody renews is over, with what a queue adds to be sure."""


@dataclass
class Gateways:
    """Two gateways of one queue."""

    first: Queue
    second: Queue
    remembers: bool
    """Whether anything knows what became of a request, whoever receives it."""
    is_ended: bool = False

    async def end_first(self) -> None:
        """Have the first gateway end."""
        self.is_ended = True
        await self.first.aclose()


async def is_begun_by(delivery: Delivery) -> bool:
    """Mark that work begins, as a gateway does; tell whether it may."""
    try:
        await delivery.extend(LEASE)
    except LeaseLost:
        return False
    return True


@contextlib.asynccontextmanager
async def opened_twice(
    address: str, folder: Path, lease: float, abilities: Abilities
) -> AsyncIterator[Gateways]:
    """Open a queue twice; one that nobody else can open is both."""
    options = QueueOptions(lease=lease)
    first = await open_queue(address, folder, options)
    is_alone = abilities.reach is Reach.PROCESS
    second = first if is_alone else await open_queue(address, folder, options)
    fleet = Gateways(first, second, remembers=abilities.keeps_replies)
    yield fleet
    if not fleet.is_ended:
        await fleet.end_first()
    if not is_alone:
        await second.aclose()


@pytest.fixture
async def expiring(address: str, abilities: Abilities, tmp_path: Path) -> AsyncIterator[Gateways]:
    """Gateways whose leases run out."""
    if not abilities.leases_run_out:
        pytest.skip("a lease ends with its program alone")
    async with opened_twice(address, tmp_path, LEASE, abilities) as fleet:
        yield fleet


@pytest.fixture
async def lasting(address: str, abilities: Abilities, tmp_path: Path) -> AsyncIterator[Gateways]:
    """Gateways whose leases outlast any test."""
    if abilities.reach is Reach.PROCESS:
        pytest.skip("nobody else can open it")
    async with opened_twice(address, tmp_path, LONG, abilities) as fleet:
        yield fleet


@pytest.mark.parametrize("has_begun", [True, False])
async def test_a_request_whose_lease_ran_out_is_taken_over(
    expiring: Gateways, has_begun: bool
) -> None:
    await expiring.first.send(sent := request())
    held = await take(expiring.first)
    if has_begun:
        await held.extend(LEASE)
    again = await take(expiring.second)
    assert (message_of(again).id, again.attempt) == (sent.id, 2)
    assert message_of(again).interrupted or not has_begun
    await again.answer(reply(b"right"))
    found = await expiring.first.collect("alice", sent.id, SOON)
    assert reply_of(found).body == b"right"


@with_a_store
async def test_whoever_lost_a_request_to_another_cannot_settle_it(expiring: Gateways) -> None:
    await expiring.first.send(sent := request())
    held = await take(expiring.first)
    await held.extend(LEASE)
    again = await take(expiring.second)
    await again.extend(LONG)
    for settling in (held.extend(LEASE), held.answer(reply(b"zombie")), held.retry(0)):
        with pytest.raises(LeaseLost):
            await settling
    let_go(held)  # nothing happens: another has it
    await again.answer(reply(b"right"))
    found = await expiring.first.collect("alice", sent.id, SOON)
    assert reply_of(found).body == b"right"


@with_a_store
@pytest.mark.parametrize("is_first_asked", [True, False])
async def test_of_two_who_have_a_request_one_begins(
    expiring: Gateways, is_first_asked: bool
) -> None:
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
    assert reply_of(found).body == b"right"


async def test_a_request_is_held_for_as_long_as_was_said(expiring: Gateways) -> None:
    await expiring.first.send(sent := request())
    held = await take(expiring.first)
    await held.extend(LONG)
    began = time.monotonic()
    assert list(await expiring.second.receive(1, STOOD_STILL)) == []
    assert time.monotonic() - began >= 0.9 * STOOD_STILL
    await held.answer(reply(b"late"))
    found = await expiring.first.collect("alice", sent.id, SOON)
    assert reply_of(found).body == b"late"


async def test_what_may_have_been_begun_stays_so_though_it_is_given_back(
    expiring: Gateways,
) -> None:
    await expiring.first.send(request())
    held = await take(expiring.first)
    await held.extend(LEASE)
    let_go(held)
    again = await take(expiring.second)
    assert message_of(again).interrupted
    await again.retry(0, counts=False)
    third = await take(expiring.second)
    assert (message_of(third).interrupted, third.attempt) == (True, 2)
    await third.answer(None)


async def test_what_a_gateway_has_when_it_ends_is_at_once_for_others(lasting: Gateways) -> None:
    for _ in range(2):
        await lasting.first.send(request())
    begun, waiting = await take(lasting.first), await take(lasting.first)
    await begun.extend(LONG)
    await lasting.end_first()
    received: list[Delivery] = []
    while len(received) < 2:
        received += await lasting.second.receive(2, SOON)
    interrupted = {message_of(one).id for one in received if message_of(one).interrupted}
    assert message_of(begun).id in interrupted
    assert message_of(waiting).id not in interrupted or not lasting.remembers
    for one in received:
        await one.answer(None)


@with_a_store
@pytest.mark.parametrize("hours", [0, -5])
async def test_what_another_program_sends_again_after_its_reply_is_not_begun(
    lasting: Gateways, hours: float
) -> None:
    sent = request(id=id_at(time.time() + hours * 3600))
    await lasting.first.send(sent)
    await (await take(lasting.first)).answer(reply(b"first"))
    await lasting.second.send(sent)
    received = await lasting.second.receive(1, 1.0)
    assert len(received) <= (hours == 0)  # a look at what became of an id that is new would cost
    for late in received:
        assert not await is_begun_by(late)
    found = await lasting.second.collect("alice", sent.id, SOON)
    assert reply_of(found).body == b"first"


@with_a_store
async def test_an_id_that_was_answered_is_not_taken_by_other_bytes_of_another_program(
    lasting: Gateways,
) -> None:
    sent = request(id=id_at(time.time() - 3600))
    await lasting.first.send(sent)
    await (await take(lasting.first)).answer(reply(b"first"))
    with pytest.raises(IdTaken):
        await lasting.second.send(replace(sent, body=b"<Other/>"))
