"""A verdict that a queue does not take: it is kept beside the places, within bounds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

import pytest
from answering import Answering

from gateway.errors import QueueUnavailable
from gateway.message import Message
from gateway.queue import Delivery
from gateway.queues.memory import MemoryQueue
from gateway.serving.loop import Gateway, VerdictLimits
from gateway.serving.settings import GatewaySettings

LONGEST = 60.0
PLACES = 2
REPLY = Message(body=b"<reply/>", content_type="text/xml")
SOON = VerdictLimits(telling=0.3, longest_pause=0.2)


class Stuck:
    """A delivery whose reply is not taken until its queue is well."""

    is_contested = False
    attempt = 1

    def __init__(self, queue: Ill, message: Message) -> None:
        self.message = message
        self._queue = queue

    async def answer(self, reply: Message | None) -> None:
        if self.message.body == b"<bug/>":
            raise ValueError("nobody foresaw this")
        if not self._queue.is_well and self.message.body != b"<good/>":
            raise QueueUnavailable("no room")
        self._queue.answered.append(self.message.id)

    async def retry(self, delay: float, *, counts: bool = True) -> None:
        raise AssertionError

    async def quarantine(self, reason: str, reply: Message | None) -> None:
        raise AssertionError

    def let_go(self) -> None:
        self._queue.let_go.append(self.message.id)

    async def extend(self, lease: float) -> None:
        self._queue.extended[self.message.id] = self._queue.extended.get(self.message.id, 0) + 1


class Ill(MemoryQueue):
    """Hands out what was put into ``waiting``."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Message] = []
        self.answered: list[str] = []
        self.let_go: list[str] = []
        self.extended: dict[str, int] = {}
        self.is_well = False

    async def receive(
        self, limit: int, wait: float, shares: Mapping[str, int] | None = None
    ) -> Sequence[Delivery]:
        await asyncio.sleep(0.01)
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return [Stuck(self, one) for one in taken]

    async def until(self, id: str) -> None:
        async with asyncio.timeout(LONGEST):
            while id not in self.answered:
                await asyncio.sleep(0.01)


def request(body: bytes = b"<ill/>") -> Message:
    return Message(body=body, content_type="text/xml", sender="alice")


@pytest.fixture
def limits() -> VerdictLimits:
    return SOON


@pytest.fixture
async def queue(limits: VerdictLimits) -> AsyncIterator[Ill]:
    ill, stop = Ill(), asyncio.Event()

    async def endpoint(message: Message) -> Message:
        return REPLY

    settings = GatewaySettings(concurrency=PLACES, lease=0.3, grace=0.1)
    running = asyncio.create_task(
        Gateway(ill, Answering(endpoint), settings, limits=limits).run(stop)
    )
    try:
        yield ill
    finally:
        stop.set()
        async with asyncio.timeout(LONGEST):
            await running


async def test_it_leaves_its_place_keeps_its_lease_and_is_told_later(queue):
    ill, good = [request() for _ in range(2 * PLACES)], request(b"<good/>")
    queue.waiting += [*ill, good]
    await queue.until(good.id)
    assert queue.answered == [good.id]
    before = dict(queue.extended)
    async with asyncio.timeout(LONGEST):
        while not all(queue.extended.get(one.id, 0) > before.get(one.id, 0) for one in ill):
            await asyncio.sleep(0.05)
    queue.is_well = True
    for one in ill:
        await queue.until(one.id)
    assert sorted(queue.answered) == sorted([good.id, *(one.id for one in ill)])


@pytest.mark.parametrize("limits", [replace(SOON, kept=1), replace(SOON, kept_bytes=20)])
async def test_more_than_can_be_kept_is_let_go_and_holds_nobody_up(queue, caplog):
    ill, good = [request() for _ in range(2 * PLACES)], request(b"<good/>")
    queue.waiting += [*ill, good]
    await queue.until(good.id)
    assert "its verdict is let go" in caplog.text
    async with asyncio.timeout(LONGEST):
        while len(queue.let_go) < len(ill) - 1:  # the queue knows of each but the one that is kept
            await asyncio.sleep(0.01)
    assert len(set(queue.let_go)) == len(ill) - 1
    queue.is_well = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            while len(queue.answered) < 2:
                await asyncio.sleep(0.01)
    assert len(queue.answered) == 2  # the good one, and the one that was kept


@pytest.mark.parametrize("limits", [replace(SOON, kept_for=0.6)])
async def test_what_is_kept_for_too_long_is_let_go(queue, caplog):
    queue.waiting.append(request())
    async with asyncio.timeout(LONGEST):
        while "its verdict is let go" not in caplog.text:
            await asyncio.sleep(0.05)
    assert queue.answered == []


async def test_what_could_not_be_settled_for_a_bug_is_let_go(queue):
    queue.waiting.append(bad := request(b"<bug/>"))
    async with asyncio.timeout(LONGEST):
        while bad.id not in queue.let_go:
            await asyncio.sleep(0.01)
