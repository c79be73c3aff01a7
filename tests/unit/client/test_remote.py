"""A queue that stands still: nobody who calls through it waits for longer than was said."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.client.remote import (
    ACCEPTING,
    LAST_LOOK,
    Remote,
    RemoteSettings,
)
from gateway.errors import (
    IdForgotten,
    NoReplyYet,
    QueueAway,
    QueueBroken,
    QueueUnavailable,
    Unsure,
)
from gateway.message import Message, id_time, new_id
from gateway.queue import Collected, State
from gateway.queues.memory import MemoryQueue

ROOT = Path(__file__).parents[3]
SOON = RemoteSettings(wait=0.1, accepting=0.1, last_look=0.1)
REQUEST = Message(body=b"<a/>", content_type="text/xml", target_service="orders")


class StandingStill(MemoryQueue):
    """Takes requests where it ``takes`` any, and then says nothing."""

    takes = True

    async def send(self, message: Message) -> None:
        if not self.takes:
            await asyncio.Event().wait()
        await super().send(message)

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_request_that_the_queue_does_not_confirm_is_told_as_one_that_it_may_have():
    queue = StandingStill()
    queue.takes = False
    calls = Remote(queue, SOON)
    with pytest.raises(Unsure):
        await calls.send(REQUEST)
    with pytest.raises(NoReplyYet, match="may be in the queue") as told:
        await calls(REQUEST)
    assert told.value.id == REQUEST.id


async def test_a_reply_that_cannot_be_looked_for_is_told_when_the_wait_is_over():
    calls = Remote(StandingStill(), SOON)
    with pytest.raises(QueueAway, match=r"no answer in 0\.2 s"):  # the wait, and a last look
        await calls.collect(REQUEST.id, 0.1)
    with pytest.raises(NoReplyYet, match="is in the queue, but"):
        await calls(REQUEST)


async def test_a_request_that_a_broken_queue_took_is_told_as_one_that_may_be_lost():
    class Broken(MemoryQueue):
        async def collect(self, sender: str, id: str, wait: float) -> Collected:
            raise QueueBroken("its file was removed")

    with pytest.raises(NoReplyYet, match="may be lost: its file was removed") as told:
        await Remote(Broken(), SOON)(REQUEST)
    assert told.value.id == REQUEST.id


async def test_a_request_that_broke_the_queue_is_told_as_one_that_it_may_have():
    class Breaking(MemoryQueue):
        async def send(self, message: Message) -> None:
            raise QueueBroken("an fsync failed")

    calls = Remote(Breaking(), SOON)
    for call in (calls, calls.post):
        with pytest.raises(NoReplyYet, match="may be in the queue: an fsync failed") as told:
            await call(REQUEST)
        assert told.value.id == REQUEST.id


async def test_time_spent_on_sending_is_part_of_the_wait():
    waited: list[float] = []

    class Slow(MemoryQueue):
        async def send(self, message: Message) -> None:
            await asyncio.sleep(0.5)
            await super().send(message)

        async def collect(self, sender: str, id: str, wait: float) -> Collected:
            waited.append(wait)
            return await super().collect(sender, id, 0)

    with contextlib.suppress(NoReplyYet):
        await Remote(Slow(), replace(SOON, wait=20.0))(REQUEST)
    assert waited[0] <= 19.5


async def test_another_error_of_time_is_not_taken_for_the_end_of_the_wait():
    class Failing(MemoryQueue):
        async def send(self, message: Message) -> None:
            raise TimeoutError("its own")

    began = time.monotonic()
    with pytest.raises(TimeoutError, match="its own"):
        await Remote(Failing(), RemoteSettings()).send(REQUEST)
    assert time.monotonic() - began < 10.0


async def test_a_reply_that_comes_when_the_wait_is_over_is_found_by_the_last_look():
    class Late(MemoryQueue):
        async def collect(self, sender: str, id: str, wait: float) -> Collected:
            await asyncio.sleep(wait + 0.05)
            return await super().collect(sender, id, 0)

    queue = Late()
    await queue.send(replace(REQUEST, sender="local"))
    (delivery,) = await queue.receive(1, 0)
    await delivery.answer(None)
    calls = Remote(queue, RemoteSettings(wait=0.1, last_look=20.0))
    assert (await calls.collect(REQUEST.id, 0.1)).state is State.DONE


def test_the_promise_names_both_limits():
    text = " ".join((ROOT / "docs" / "explanation" / "promise.md").read_text("utf-8").split())
    assert (ACCEPTING, LAST_LOOK) == (10.0, 2.0)
    assert "`listener.wait`, or 10 seconds if that is less, and two more seconds" in text


async def test_a_deadline_of_long_ago_stays_one():
    queue = MemoryQueue()
    await Remote(queue, RemoteSettings()).send(replace(REQUEST, expires=0.0))
    (delivery,) = await queue.receive(1, 0)
    assert delivery.message.expires == 0.0


async def test_an_id_has_the_time_of_its_queue():
    calls = Remote(MemoryQueue(clock=lambda: 1_700_000_000.0), RemoteSettings())
    assert id_time(calls.new_id()) == 1_700_000_000.0


async def test_an_id_that_is_refused_for_its_time_is_no_mistake_of_the_caller():
    """He never chose it: the clock was set between the two, or it was wrong before."""
    queue = MemoryQueue(clock=lambda: time.time() + 3 * 24 * 3600)
    calls = Remote(queue, SOON)
    with pytest.raises(QueueUnavailable, match=r"72\.0 h behind the queue's clock"):
        await calls(replace(REQUEST, id=new_id()))

    class Swept(MemoryQueue):
        async def send(self, message: Message) -> None:
            raise IdForgotten

    with pytest.raises(QueueUnavailable, match="replies of its time were swept"):
        await Remote(Swept(), RemoteSettings()).send(REQUEST)
