"""Receiving from SQS, where it is broken off: nothing that was received is kept from others."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import QueueBroken, QueueUnavailable
from gateway.message import Message
from gateway.queues.aws.sqs import Received
from gateway.queues.claims import basket, records
from gateway.queues.claims.intake import LeasedIntake
from gateway.queues.options import QueueOptions

LEASE = 30.0


class Pump:
    """A queue of SQS in memory: what it has is handed out once, and a hold of 0 gives it back."""

    def __init__(self, count: int) -> None:
        self.waiting = [
            Received(
                id=f"m{n}",
                handle=f"h{n}",
                body="",
                attributes={},
                system={"ApproximateReceiveCount": "1"},
            )
            for n in range(count)
        ]
        self.given_back: list[str] = []
        self.never = asyncio.Event()

    async def receive(self, limit: int, wait: float) -> list[Received]:
        if not self.waiting:
            await self.never.wait()
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    async def hold(self, handle: str, seconds: float) -> None:
        if seconds == 0:
            self.given_back.append(handle)


class Ledger:
    remembers = True


class Entry:
    """A request that waits for nothing; or for ever, or until a store fails."""

    ledger = Ledger()
    was_used = False
    is_late = False

    def __init__(self, pump: Pump, received: Received, read: Callable[[], Any]) -> None:
        self.name = ("alice", received.id)
        self.received = received
        self._pump = pump
        self._read = read

    async def read(self, *, interrupted: bool) -> Message:
        await self._read()
        return Message(body=b"<a/>", content_type="text/xml", id=self.received.id)

    async def hold(self, seconds: float) -> None:
        await self._pump.hold(self.received.handle, seconds)


async def at_once() -> None:
    pass


def intake(pump: Pump, read: Callable[[], Any] = at_once) -> LeasedIntake:
    async def open_entry(received: Received) -> Any:
        return Entry(pump, received, read)

    options = QueueOptions(lease=LEASE, concurrency=10)
    return LeasedIntake(pump, time.time, options, open_entry)  # type: ignore[arg-type]


@pytest.fixture
def unawaited(recwarn) -> Iterator[None]:
    """Fail where a coroutine was made and never awaited."""
    yield
    assert [str(one.message) for one in recwarn if "never awaited" in str(one.message)] == []


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(240):
        while not is_so():
            await asyncio.sleep(0)


async def test_what_is_given_back_when_that_is_broken_off_goes_back_in_the_end(unawaited):
    pump = Pump(3)
    taking = intake(pump)
    await taking._fetch(3, 0)
    await taking.receive(1, 0, {})  # one is handed out, and two are left over
    returning = asyncio.create_task(taking._ahead.basket.return_ready())
    await asyncio.sleep(0)  # it has asked for two tasks, and neither has begun
    returning.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await returning
    await taking.give_back()
    assert sorted(pump.given_back) == ["h0", "h1", "h2"]


async def test_what_is_being_looked_at_when_a_gateway_ends_goes_back(monkeypatch, unawaited):
    monkeypatch.setattr(basket, "LAST_LOOK", 0.0)
    pump = Pump(2)
    begun: list[None] = []

    async def for_ever() -> None:
        begun.append(None)
        await pump.never.wait()

    taking = intake(pump, for_ever)
    receiving = asyncio.create_task(taking.receive(2, 0, {}))
    await until(lambda: len(begun) == 2)
    receiving.cancel()
    await taking.give_back()
    assert sorted(pump.given_back) == ["h0", "h1"]


async def test_what_the_store_did_not_give_goes_back_when_a_gateway_ends(unawaited):
    pump = Pump(1)

    async def fails() -> None:
        raise QueueUnavailable("the store is gone")

    taking = intake(pump, fails)
    await taking._fetch(1, 0)
    await taking.give_back()
    assert pump.given_back == ["h0"]


async def test_a_message_that_fails_in_a_way_nobody_foresaw_is_left_and_the_others_go_on(caplog):
    pump = Pump(3)
    left = iter([ValueError("nobody foresaw this")])

    async def fails_once() -> None:
        for error in left:
            raise error

    taking = intake(pump, fails_once)
    taken = list(await taking.receive(3, 0, {}))
    while len(taken) < 2:
        taken += await taking.receive(3, 0, {})
    assert [one.message.id for one in taken] == ["m1", "m2"]
    await taking.give_back()
    assert sorted(pump.given_back) == ["h1", "h2"]  # the other comes when SQS shows it again
    assert caplog.text.count("message m0 failed in the gateway: it comes again") == 1
    # What is known of it here says no more that it is here.
    pump.waiting = [replace(taken[0].entry.received, id="m0", handle="h0")]
    (again,) = await taking.receive(1, 0, {})
    assert again.message.id == "m0"


@pytest.mark.parametrize("error", [QueueBroken("it is over"), QueueUnavailable("not now")])
async def test_what_is_wrong_with_the_queue_is_raised(error):
    async def fails() -> None:
        raise error

    taking = intake(Pump(1), fails)
    await taking._fetch(1, 0)
    with pytest.raises(type(error)):
        await taking.receive(1, 240, {})


async def test_what_the_store_did_not_give_costs_the_others_nothing(caplog):
    pump = Pump(4)
    left = iter([QueueUnavailable("not this one"), QueueUnavailable("nor this one")])

    async def fails_twice() -> None:
        for error in left:
            raise error

    taking = intake(pump, fails_twice)
    await taking._fetch(4, 0)
    await until(lambda: all(task.done() for task in taking._ahead.basket.taking))
    taken = await taking.receive(4, 240, {})
    assert [one.message.id for one in taken] == ["m2", "m3"]
    assert caplog.text.count("not this one; trying again") == 1
    assert not taking._ahead.basket.taking  # none is left to be raised by a later receive
    await taking.give_back()


class Unsettled:
    """A ledger, and a way out of the queue, that fail as nobody foresaw."""

    remembers = False

    def __init__(self, failing: str) -> None:
        self.failing = failing

    async def look(self, name: object) -> None:
        return None

    async def write(self, *about: object) -> str:
        if self.failing == "settle":
            raise ValueError("nobody foresaw this")
        return ""

    async def put_aside(self, message: object, reason: str) -> None:
        if self.failing == "put_aside":
            self.failing = ""
            raise ValueError("nobody foresaw this")


@pytest.mark.parametrize("failing", ["settle", "put_aside"])
async def test_a_request_that_could_not_be_settled_is_looked_at_when_it_comes_again(failing):
    pump, ledger = Pump(1), Unsettled(failing)
    (received,) = pump.waiting
    aside: list[str] = []

    async def open_entry(received: Received) -> Any:
        entry = Entry(pump, received, at_once)
        entry.ledger = ledger  # type: ignore[assignment]

        async def put_aside(message: object, reason: str) -> None:
            await ledger.put_aside(message, reason)
            aside.append(reason)

        entry.put_aside = put_aside  # type: ignore[attr-defined]
        return entry

    options = QueueOptions(lease=LEASE, concurrency=10)
    taking = LeasedIntake(pump, time.time, options, open_entry)  # type: ignore[arg-type]
    (delivery,) = await taking.receive(1, 0, {})
    with pytest.raises(ValueError, match="nobody foresaw"):
        await delivery.quarantine("unreadable: it", None)
    pump.waiting = [received]
    again = await taking.receive(1, 0, {})
    if failing == "settle":
        assert [one.message.id for one in again] == ["m0"]
    else:  # it is answered, and still put aside
        assert (again, aside) == ([], ["unreadable: it"])
    await taking.give_back()


async def test_a_request_that_was_given_back_for_ever_is_taken_after_the_longest_delay(monkeypatch):
    """Another's clock says until when: it may be years off."""
    monkeypatch.setattr(records, "LONGEST_DELAY", 0.2)
    looks: list[float] = []

    async def look(name: object) -> records.ClaimRecord:
        looks.append(time.monotonic())
        far = time.time() + 1e9
        state = records.ClaimState.RELEASED
        return records.ClaimRecord(state=state, version="v1", attempt=3, not_before=far)

    monkeypatch.setattr(Ledger, "look", staticmethod(look), raising=False)
    monkeypatch.setattr(Entry, "was_used", True)
    pump = Pump(1)
    (delivery,) = await intake(pump).receive(1, 60.0, {})
    assert delivery.attempt == 4
    assert len(looks) == 2
    assert looks[1] - looks[0] >= 0.2
