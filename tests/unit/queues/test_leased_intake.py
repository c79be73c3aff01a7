"""Receiving from SQS, where it is broken off: nothing that was received is kept from others."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.errors import QueueUnavailable
from gateway.message import Message
from gateway.queues import leased_intake
from gateway.queues.leased_intake import Intake
from gateway.queues.options import QueueOptions
from gateway.queues.sqs_client import Received

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

    def __init__(self, received: Received, read: Callable[[], Any]) -> None:
        self.name = ("alice", received.id)
        self.received = received
        self._read = read

    async def read(self, *, interrupted: bool) -> Message:
        await self._read()
        return Message(body=b"<a/>", content_type="text/xml", id=self.received.id)


async def at_once() -> None:
    pass


def intake(pump: Pump, read: Callable[[], Any] = at_once) -> Intake:
    async def open_entry(received: Received) -> Any:
        return Entry(received, read)

    options = QueueOptions(lease=LEASE, concurrency=10)
    return Intake(pump, time.time, options, open_entry)  # type: ignore[arg-type]


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
    returning = asyncio.create_task(taking._return_ready())
    await asyncio.sleep(0)  # it has asked for two tasks, and neither has begun
    returning.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await returning
    await taking.give_back()
    assert sorted(pump.given_back) == ["h0", "h1", "h2"]


async def test_what_is_being_looked_at_when_a_gateway_ends_goes_back(monkeypatch, unawaited):
    monkeypatch.setattr(leased_intake, "LAST_LOOK", 0.0)
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
