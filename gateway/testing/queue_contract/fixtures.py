"""What the tests of the contract have in common; ``address`` is the tester's own fixture."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.message import Message, new_id
from gateway.queue import AdministeredQueue, Collected, Delivery, Queue
from gateway.queues.kind import Abilities
from gateway.queues.options import QueueOptions
from gateway.queues.registry import abilities_of, open_queue

SOON = 240.0
"""Seconds for what comes at once: they bound a test that hangs."""

with_a_store = pytest.mark.usefixtures("keeps_replies")


@pytest.fixture
def abilities(address: str, tmp_path: Path) -> Abilities:
    """What the queue says that it can do."""
    return abilities_of(address, tmp_path)


@pytest.fixture
def keeps_replies(abilities: Abilities) -> None:
    """Skip what a queue without a store of replies cannot do.

    SQS alone carries no body that is empty or over 1 MiB, and names its own reply queue; it tells
    neither that a request is at work nor that a one-way one is done, and two requests of one id
    could not be told apart in a reply queue.
    """
    if not abilities.keeps_replies:
        pytest.skip("it keeps no replies")


@pytest.fixture
async def queue(address: str, tmp_path: Path) -> AsyncIterator[AdministeredQueue]:
    """A new queue."""
    opened = await open_queue(address, tmp_path, QueueOptions(limit=4 << 20))
    yield opened
    await opened.aclose()


def request(body: bytes = b"<Envelope/>", **fields: Any) -> Message:
    values = {"content_type": "text/xml", "sender": "alice", "target_service": "orders"}
    return Message(body=body, **(values | fields))


def reply(body: bytes = b"<Reply/>", **fields: Any) -> Message:
    return Message(body=body, **({"content_type": "text/xml"} | fields))


def id_at(moment: float) -> str:
    """Return an id of a time."""
    return new_id(lambda: moment)


async def take(queue: Queue) -> Delivery:
    (delivery,) = await queue.receive(1, SOON)
    return delivery


def message_of(delivery: Delivery) -> Message:
    assert isinstance(delivery.message, Message)
    return delivery.message


def reply_of(collected: Collected) -> Message:
    assert collected.reply is not None
    return collected.reply
