"""How long callers wait, and that the end of the listener ends it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.listening.waiting import Waits, preferred_wait


async def test_a_wait_ends_with_the_listener():
    waits = Waits()
    asyncio.get_running_loop().call_soon(waits.end)
    with pytest.raises(TimeoutError):
        async with waits.endable(), asyncio.timeout(240) as bound:
            await asyncio.Event().wait()
    assert not bound.expired()
    assert len(waits) == 0


async def test_a_wait_that_begins_after_the_end_ends_at_once():
    waits = Waits()
    waits.end()
    with pytest.raises(TimeoutError):
        async with waits.endable(), asyncio.timeout(240) as bound:
            await asyncio.Event().wait()
    assert not bound.expired()


async def test_what_need_not_wait_is_done_after_the_end_too():
    waits = Waits()
    waits.end()
    async with waits.endable():
        done = True
    assert done


async def test_those_who_wait_are_counted_while_they_wait():
    waits = Waits()
    async with waits.endable(), waits.endable():
        assert len(waits) == 2
    assert len(waits) == 0


async def test_an_error_inside_of_a_wait_ends_it_and_stays_what_it_is():
    waits = Waits()
    with pytest.raises(KeyError):
        async with waits.endable():
            raise KeyError
    assert len(waits) == 0


@pytest.mark.parametrize(
    ("preferred", "wait"),
    [
        ("", 7.0),
        ("respond-async", 7.0),
        ("wait=5", 5.0),
        ("wait=0", 0.0),
        ("respond-async, wait=5", 5.0),
        ("wait = 5", 5.0),
        ("handling=lenient; wait=5", 5.0),
        ("wait=5,wait=9", 5.0),
        ("wait=60", 60.0),
        ("wait=61", 60.0),
        ("wait=99999", 60.0),
        ("wait=9999999", 60.0),
        ("Wait=5", 5.0),
        ('wait="5"', 5.0),
        ("await=5", 7.0),
        ("no-wait=5", 7.0),
        ("note=wait=5", 7.0),
        ("wait=-5", 7.0),
        ("wait=soon", 7.0),
        ("wait=5s", 7.0),
        ("wait", 7.0),
    ],
)
def test_a_caller_waits_as_long_as_it_prefers_and_no_longer_than_the_settings_say(
    preferred: str, wait: float
):
    assert preferred_wait(preferred, 60.0, 7.0) == wait
