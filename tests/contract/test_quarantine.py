"""What every quarantine does: the suite for everybody, run on each kind that is here."""

# ruff: noqa: F403, F405  # the suite comes by its names; the fixture is ours

from __future__ import annotations

import contextlib
import json

import clouds
import kinds
import pytest
import servers

from gateway.errors import EntryGone
from gateway.testing.queue_contract.quarantine import *

LOCAL = {"memory": "memory:", "sqlite": "sqlite:///queue.db"}
ALONE = "sqs alone"
FIFO = "fifo alone"


def alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, fifo: bool) -> str:
    """Make a queue with a dead-letter queue, and no bucket; return its address."""
    cloud = clouds.started("ministack", request)
    for name, value in servers.environment(cloud).items():
        monkeypatch.setenv(name, value)
    url, dead = servers.fresh_queue(cloud, fifo), servers.fresh_queue(cloud, fifo)
    with contextlib.closing(servers.client(cloud, "sqs")) as sqs:
        answer = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        policy = {
            "deadLetterTargetArn": answer["Attributes"]["QueueArn"],
            "maxReceiveCount": 1000,
        }
        attributes = {"RedrivePolicy": json.dumps(policy)}
        sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    return f"sqs://{url.rpartition('/')[2]}" + ("" if fifo else "?unsafe_duplicates=true")


@pytest.fixture(params=[*LOCAL, *kinds.KINDS, ALONE, FIFO])
def address(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    kind = request.param
    if kind in LOCAL:
        return LOCAL[kind]
    if kind in (ALONE, FIFO):
        return alone(request, monkeypatch, kind == FIFO)
    return kinds.address(kind, request, monkeypatch)


async def test_what_was_looked_at_for_too_long_is_not_touched(queue, address, monkeypatch):
    if not address.startswith("sqs") or "replies" in address:
        pytest.skip("only SQS hides what is looked at, for a while")
    await aside(queue)
    (entry,) = await entries(queue)
    monkeypatch.setattr("gateway.queues.sqs.quarantine.ACTING", 301.0)
    for act in (queue.quarantine.send_again, queue.quarantine.drop):
        with pytest.raises(EntryGone, match="list again"):
            await act(entry)
