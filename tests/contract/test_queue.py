"""What every queue does: the suite for everybody, run on each kind that is here."""

# ruff: noqa: F403, F405  # the suite comes by its names; the fixture is ours

from __future__ import annotations

from pathlib import Path

import kinds
import pytest

from gateway.queues.embedded.group_commit import Periods
from gateway.queues.embedded.queue import SqliteQueue
from gateway.queues.options import QueueOptions
from gateway.queues.registry import open_queue
from gateway.testing.queue_contract.requests import *

LOCAL = {"memory": "memory:", "sqlite": "sqlite:///queue.db"}


@pytest.fixture(params=[*LOCAL, *kinds.KINDS, *kinds.BARE])
def address(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    kind = request.param
    return LOCAL[kind] if kind in LOCAL else kinds.address(kind, request, monkeypatch)


NO_LOOK = Periods(look=600.0)
"""Whoever waits does not look for itself: only being woken helps."""


async def test_in_the_embedded_queue_whoever_waits_for_a_request_is_woken(tmp_path: Path):
    queue = await SqliteQueue.open(tmp_path / "queue.db", periods=NO_LOOK)
    await test_whoever_waits_is_woken_by_a_request(queue)
    await queue.aclose()


async def test_in_the_embedded_queue_whoever_waits_for_a_reply_is_woken(tmp_path: Path):
    queue = await SqliteQueue.open(tmp_path / "queue.db", periods=NO_LOOK)
    await test_whoever_waits_for_a_reply_is_woken_by_it(queue)
    await queue.aclose()


@pytest.mark.parametrize("kind", LOCAL)
async def test_ten_thousand_requests_of_one_client_are_not_in_the_way_of_another(
    kind: str, tmp_path: Path
):
    queue = await open_queue(LOCAL[kind], tmp_path, QueueOptions())
    await fill(queue, alice=10_000)
    await senders(queue, 1)
    await fill(queue, bob=2)
    assert sorted(await senders(queue, 2)) == ["alice", "bob"]
    assert "bob" in [*await senders(queue, 1), *await senders(queue, 1)]
    await queue.aclose()
