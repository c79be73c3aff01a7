"""How long a service is waited for, and what the log says of one that stands still."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.errors import QueueAway, Unsure
from gateway.queues.aws.limits import SILENT, Silence, TimeLimits


async def test_what_takes_longer_than_its_limit_may_have_been_done():
    with pytest.raises(Unsure, match=r"S3 gave no answer in .* s: check that it is healthy"):
        async with TimeLimits("S3").within(0.05):
            await asyncio.Event().wait()


async def test_a_cancellation_is_no_end_of_a_limit():
    async def work() -> None:
        async with TimeLimits("S3").within():
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_end_of_a_program_ends_what_is_under_way_and_lets_nothing_begin():
    limits = TimeLimits("S3")

    async def work() -> None:
        async with limits.within(), limits.within():
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    limits.end_within(0.05)
    with pytest.raises(Unsure):
        await task
    with pytest.raises(QueueAway, match="not asked any more"):
        async with limits.within():
            raise AssertionError


def test_a_service_that_stands_still_is_told_once_and_so_is_its_return(caplog):
    silence = Silence("S3")
    began = time.monotonic() - SILENT - 1
    for _ in range(3):
        silence.note_none(began, began)
    assert caplog.text.count("S3 has not answered for 6 s") == 1
    for _ in range(3):
        silence.note_answer()
    assert caplog.text.count("S3 answers again, after") == 1


def test_a_service_that_answers_others_or_was_to_be_silent_does_not_stand_still(caplog):
    silence = Silence("SQS")
    began = time.monotonic() - SILENT - 1
    silence.note_none(began, time.monotonic())  # a long poll that was broken off
    silence.note_answer()
    silence.note_none(began, began)
    assert not caplog.records


def test_looks_that_were_broken_off_early_tell_together(caplog):
    silence, now = Silence("S3"), time.monotonic()
    silence.note_none(now - SILENT + 2, now - SILENT + 2)
    assert not caplog.records
    silence.note_none(now - SILENT - 1, now - SILENT - 1)
    assert caplog.text.count("S3 has not answered for 6 s") == 1
