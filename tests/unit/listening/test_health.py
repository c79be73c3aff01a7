"""Whether a listener says that it is of use, and how often it looks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from wire import Asked

from gateway.client.remote import Remote, RemoteSettings
from gateway.errors import (
    QueueAway,
    QueueBroken,
    QueueError,
    QueueFull,
    QueueHeld,
    QueueUnavailable,
)
from gateway.listening.health import AWAY, FRESH, FULL, HELD, TROUBLED, Health
from gateway.queue import Collected
from gateway.queues.memory import MemoryQueue


class Watched(MemoryQueue):
    """A queue that can be asked whether it takes something; its store is as well as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.reading: QueueError | None = None
        self.writing: QueueError | None = None
        self.looks = 0

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        self.looks += 1
        if self.reading is not None:
            raise self.reading
        return await super().collect(sender, id, wait)

    async def check(self) -> None:
        if self.writing is not None:
            raise self.writing


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def queue() -> Watched:
    return Watched()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def noted() -> list[QueueError]:
    return []


@pytest.fixture
async def door(
    queue: Watched, clock: Clock, noted: list[QueueError], opened: Callable[..., Any]
) -> Asked:
    application = web.Application()
    remote = Remote(queue, RemoteSettings())
    application.router.add_get("/healthz", Health(remote, noted.append, clock).answer)
    return await opened(application)


async def health(door: Asked) -> tuple[int, Any]:
    answer = await door.get("/healthz")
    return answer.status, json.loads(answer.body)


async def test_a_queue_that_can_be_read_and_written_is_ok(door: Asked, noted: list[QueueError]):
    assert await health(door) == (200, {"status": "ok"})
    assert noted == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (QueueAway("/srv"), AWAY),
        (QueueFull("/srv"), FULL),
        (QueueHeld("/srv"), HELD),
        (QueueBroken("/srv"), TROUBLED),
        (QueueUnavailable("/srv"), TROUBLED),
    ],
)
@pytest.mark.parametrize("fails", ["reading", "writing"])
async def test_a_queue_that_cannot_be_used_is_503_with_the_kind_of_reason_alone(
    door: Asked,
    queue: Watched,
    noted: list[QueueError],
    caplog,
    error: QueueError,
    reason: str,
    fails: str,
):
    setattr(queue, fails, error)
    ill = {"status": "the queue cannot be used", "reason": reason}
    assert await health(door) == (503, ill)
    assert noted == [error]
    assert caplog.messages == ["not healthy: /srv"]


async def test_a_queue_that_cannot_be_asked_whether_it_takes_something_is_ok_when_it_is_read(
    clock: Clock, opened
):
    application = web.Application()
    health_of = Health(Remote(MemoryQueue(), RemoteSettings()), lambda error: None, clock)
    application.router.add_get("/healthz", health_of.answer)
    assert await health(await opened(application)) == (200, {"status": "ok"})


async def test_an_answer_stands_for_a_moment_whoever_asks(
    door: Asked, queue: Watched, clock: Clock
):
    await asyncio.gather(*(health(door) for _ in range(10)))
    assert queue.looks == 1
    queue.reading = QueueAway("gone")
    clock.now += FRESH * 0.9
    assert (await health(door))[0] == 200
    clock.now += FRESH * 0.2
    assert (await health(door))[0] == 503
    assert queue.looks == 2


async def test_the_log_has_each_change_once(door: Asked, queue: Watched, clock: Clock, caplog):
    for error in (None, QueueAway("a"), QueueAway("b"), QueueFull("c"), None, None):
        queue.reading = error
        clock.now += FRESH
        await health(door)
    assert caplog.messages == ["not healthy: a", "not healthy: c", "healthy again"]
