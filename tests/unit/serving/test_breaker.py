"""A service that is away holds up no other, and is tried by one request at a time."""

from __future__ import annotations

import asyncio

import pytest
from answering import call_of

from gateway.endpoint import Call
from gateway.errors import (
    Declined,
    LeftAlone,
    Unanswered,
    Unreached,
)
from gateway.message import Message
from gateway.serving.breaker import TRIAL, CircuitBreaker

REPLY = Message(body=b"<Reply/>", content_type="text/xml")


def request(service: str = "orders") -> Call:
    return call_of(Message(body=b"<a/>", content_type="text/xml", target_service=service))


class Backend:
    """A service that is away until told otherwise."""

    def __init__(self) -> None:
        self.error: Exception | None = Unreached("down")
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, call: Call) -> Message:
        self.calls += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return REPLY


async def test_a_request_that_did_not_leave_is_tried_again_in_place():
    backend = Backend()
    with pytest.raises(Unreached):
        await CircuitBreaker(backend, in_place=(0.0, 0.0))(request())
    assert backend.calls == 3


async def test_what_may_have_been_sent_is_not_tried_again_here():
    backend = Backend()
    backend.error = Unanswered("cut")
    breaker = CircuitBreaker(backend, in_place=(0.0, 0.0))
    for calls in (1, 2):
        with pytest.raises(Unanswered) as caught:
            await breaker(request())
        assert backend.calls == calls
        assert caught.value.retry_after is None


async def test_while_a_service_is_away_one_request_at_a_time_tries_it():
    backend = Backend()
    breaker = CircuitBreaker(backend, in_place=(0.0, 0.0))
    with pytest.raises(Unreached):
        await breaker(request())
    backend.gate.clear()
    trying = asyncio.create_task(breaker(request()))
    await asyncio.sleep(0)
    calls = backend.calls
    for _ in range(5):
        with pytest.raises(LeftAlone):
            await breaker(request())
    assert backend.calls == calls
    backend.error = None
    backend.gate.set()
    assert await trying is REPLY
    assert await breaker(request()) is REPLY


async def test_a_call_that_takes_long_keeps_no_others_from_a_service_that_is_back():
    now, backend = 0.0, Backend()
    breaker = CircuitBreaker(backend, monotonic=lambda: now, in_place=(0.0, 0.0))
    with pytest.raises(Unreached):
        await breaker(request())
    backend.error = None
    backend.gate.clear()
    lasting = asyncio.create_task(breaker(request()))
    await asyncio.sleep(0)
    now = TRIAL - 0.1
    with pytest.raises(LeftAlone):
        await breaker(request())
    now = TRIAL
    second = asyncio.create_task(breaker(request()))
    await asyncio.sleep(0)
    with pytest.raises(LeftAlone):
        await breaker(request())
    assert backend.calls == 5
    backend.gate.set()
    assert [await lasting, await second] == [REPLY, REPLY]
    assert await breaker(request()) is REPLY


async def test_a_try_that_is_cancelled_leaves_the_next_one_free_to_try():
    backend = Backend()
    breaker = CircuitBreaker(backend, in_place=(0.0, 0.0))
    with pytest.raises(Unreached):
        await breaker(request())
    backend.gate.clear()
    trying = asyncio.create_task(breaker(request()))
    await asyncio.sleep(0)
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    backend.error = None
    backend.gate.set()
    assert await breaker(request()) is REPLY


@pytest.mark.parametrize("error", [Unreached("down"), Declined("503")])
async def test_the_longer_a_service_is_away_the_longer_it_is_left_alone(error):
    now, backend = 0.0, Backend()
    backend.error = error
    breaker = CircuitBreaker(backend, monotonic=lambda: now, in_place=(0.0, 0.0))
    waits = []
    for now in (0.0, 20.0, 100.0):  # noqa: B007  # the clock reads it
        with pytest.raises(type(error)) as caught:
            await breaker(request())
        waits.append(caught.value.retry_after)
    assert waits == [0.0, 5.0, 25.0]
    assert error.retry_after is None  # what the backend met is as it was


async def test_a_service_that_says_when_to_come_back_is_believed():
    backend = Backend()
    backend.error = Declined("503", retry_after=60.0)
    with pytest.raises(Declined) as caught:
        await CircuitBreaker(backend, in_place=(0.0, 0.0))(request())
    assert caught.value.retry_after == 60.0
