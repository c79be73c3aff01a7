"""Waits that the end of the listener ends."""

from __future__ import annotations

import asyncio

import pytest

from gateway.listening.waiting import Waits


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
