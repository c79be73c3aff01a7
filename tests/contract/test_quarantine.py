"""What every quarantine does: one suite, run on each kind of queue."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import clouds
import kinds
import pytest
import servers

from gateway.errors import EntryGone, Refused
from gateway.message import Message
from gateway.queue import Quarantined, Queue, State
from gateway.queues.options import QueueOptions
from gateway.queues.registry import open_queue

SOON = 60.0
SOAP = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>'
FAULT = Message(body=b"<fault/>", content_type="text/xml", is_fault=True)
LOCAL = {"memory": "memory:", "sqlite": "sqlite:///queue.db"}
ALONE = "sqs alone"
FIFO = "fifo alone"


def request(body: bytes = SOAP, **fields: object) -> Message:
    values = {
        "content_type": "text/xml; charset=utf-8",
        "sender": "alice",
        "target_service": "orders",
        "request_uri": "jms:queue:orders",
        "soap_action": "urn:place",
    }
    return Message(body=body, **(values | fields))  # type: ignore[arg-type]


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


@pytest.fixture
async def queue(address: str, tmp_path: Path) -> AsyncIterator[Queue]:
    opened = await open_queue(address, tmp_path, QueueOptions(limit=4 << 20))
    yield opened
    await opened.aclose()


async def aside(queue: Queue, reason: str = "Client: no", **fields: object) -> Message:
    """Have a request put aside; return it."""
    await queue.send(sent := request(**fields))
    (delivery,) = await queue.receive(1, SOON)
    await delivery.quarantine(reason, FAULT)
    return sent


async def entries(queue: Queue, id: str = "") -> list[Quarantined]:
    return [entry async for entry in queue.quarantine.entries(id)]


async def test_nothing_is_in_a_new_quarantine(queue):
    assert await entries(queue) == []


async def test_an_entry_tells_who_sent_it_why_it_is_here_and_since_when(queue):
    sent = await aside(queue, "Client: The Body is wrong.")
    (entry,) = await entries(queue)
    assert (entry.id, entry.sender, entry.service) == (sent.id, "alice", "orders")
    assert (entry.code, entry.reason) == ("Client", "Client: The Body is wrong.")
    assert abs(entry.since - queue.clock()) < 60
    assert entry.size == len(SOAP)
    assert entry.is_request
    assert entry.sent_again == ""


async def test_an_entry_is_found_by_its_id(queue):
    first, second = await aside(queue), await aside(queue)
    assert [entry.id for entry in await entries(queue, second.id)] == [second.id]
    assert {entry.id for entry in await entries(queue)} == {first.id, second.id}
    assert await entries(queue, "0" * 26) == []


@pytest.mark.parametrize("body", [SOAP, bytes(range(256)) * 600])
async def test_a_request_is_read_as_it_was_put_aside(queue, body):
    sent = await aside(queue, body=body)
    (entry,) = await entries(queue)
    kept = await queue.quarantine.read(entry)
    assert (kept.body, kept.content_type) == (sent.body, sent.content_type)
    assert (kept.soap_action, kept.target_service) == ("urn:place", "orders")


async def test_more_than_a_page_of_entries_is_shown_each_once(queue):
    sent = [await aside(queue) for _ in range(25)]
    found = await entries(queue)
    assert len(found) == 25
    assert {entry.id for entry in found} == {message.id for message in sent}


async def test_a_request_sent_again_is_a_new_one_that_names_the_old_and_the_fault_stands(queue):
    sent = await aside(queue)
    (entry,) = await entries(queue)
    before = await fault_of(queue, sent)
    new = await queue.quarantine.send_again(entry, lifetime=120)
    assert new != sent.id
    assert await entries(queue) == []
    (delivery,) = await queue.receive(1, SOON)
    message = delivery.message
    assert (message.id, message.sender, message.correlation_id) == (new, "alice", sent.id)
    assert (message.body, message.content_type) == (SOAP, sent.content_type)
    assert (message.soap_action, message.target_service) == ("urn:place", "orders")
    assert 60 < message.expires - queue.clock() <= 121
    assert not message.interrupted
    await delivery.answer(Message(body=b"<ok/>", content_type="text/xml"))
    assert await fault_of(queue, sent) == before


async def fault_of(queue: Queue, sent: Message) -> Message | None:
    return (await queue.collect("alice", sent.id, SOON)).reply


async def test_a_repaired_envelope_goes_out_in_the_place_of_the_old_one(queue):
    await aside(queue, body=b"<broken")
    (entry,) = await entries(queue)
    await queue.quarantine.send_again(entry, SOAP)
    (delivery,) = await queue.receive(1, SOON)
    assert delivery.message.body == SOAP
    assert delivery.message.soap_action == "urn:place"


async def test_a_repaired_envelope_of_the_other_soap_version_has_its_content_type(queue):
    await aside(queue)
    (entry,) = await entries(queue)
    soap_12 = SOAP.replace(
        b"http://schemas.xmlsoap.org/soap/envelope/", b"http://www.w3.org/2003/05/soap-envelope"
    )
    await queue.quarantine.send_again(entry, soap_12)
    (delivery,) = await queue.receive(1, SOON)
    assert delivery.message.content_type == "application/soap+xml; charset=utf-8"


async def test_a_request_sent_again_that_fails_again_is_an_entry_of_its_own(queue):
    await aside(queue)
    (entry,) = await entries(queue)
    new = await queue.quarantine.send_again(entry)
    (delivery,) = await queue.receive(1, SOON)
    await delivery.quarantine("Server: down", FAULT)
    (again,) = await entries(queue)
    assert (again.id, again.code) == (new, "Server")


async def test_of_two_who_send_an_entry_again_one_request_goes_out(queue):
    await aside(queue)
    (entry,) = await entries(queue)
    new = await queue.quarantine.send_again(entry)
    with pytest.raises(EntryGone, match=entry.id):
        await queue.quarantine.send_again(entry)
    received = await queue.receive(2, SOON)
    assert [delivery.message.id for delivery in received] == [new]


async def test_a_dropped_entry_is_gone_and_its_fault_stands(queue):
    sent, kept = await aside(queue), await aside(queue)
    (entry,) = await entries(queue, sent.id)
    await queue.quarantine.drop(entry)
    assert [entry.id for entry in await entries(queue)] == [kept.id]
    assert (await queue.collect("alice", sent.id, SOON)).reply.is_fault
    with pytest.raises(EntryGone):
        await queue.quarantine.drop(entry)


async def test_what_has_no_sender_is_not_sent_again(queue):
    entry = Quarantined(id="photo.jpg", sender="", reason="", since=None, size=1)
    with pytest.raises(Refused, match="Nobody knows who sent it"):
        await queue.quarantine.send_again(entry, SOAP)


async def test_the_same_bytes_sent_after_quarantine_get_the_stored_fault(queue, address):
    if address.startswith("sqs://") and "replies" not in address:
        pytest.skip("SQS alone keeps no replies")
    sent = await aside(queue)
    await queue.send(sent)
    assert list(await queue.receive(1, 0.2)) == []
    found = await queue.collect("alice", sent.id, SOON)
    assert (found.state, found.reply.is_fault) == (State.REPLY, True)
    assert len(await entries(queue)) == 1


async def test_of_two_who_send_an_entry_again_and_drop_it_one_is_told_that_the_other_was_first(
    queue, address, tmp_path
):
    if address == "memory:":
        pytest.skip("nobody else can open it")
    await aside(queue)
    other = await open_queue(address, tmp_path, QueueOptions())
    try:
        (mine,) = await entries(queue)
        theirs = mine if address.startswith("sqs") and "replies" not in address else None
        if theirs is None:  # what one holds of a dead-letter queue, the other does not see
            (theirs,) = await entries(other)
        done = await asyncio.gather(
            queue.quarantine.send_again(mine), other.quarantine.drop(theirs), return_exceptions=True
        )
        assert [isinstance(one, EntryGone) for one in done].count(True) == 1, done
        received = await queue.receive(1, 1.0)
        assert len(received) == (not isinstance(done[0], EntryGone))
    finally:
        await other.aclose()


async def test_what_was_looked_at_for_too_long_is_not_touched(queue, address, monkeypatch):
    if not address.startswith("sqs") or "replies" in address:
        pytest.skip("only SQS hides what is looked at, for a while")
    await aside(queue)
    (entry,) = await entries(queue)
    monkeypatch.setattr("gateway.queues.sqs.quarantine.ACTING", 301.0)
    for act in (queue.quarantine.send_again, queue.quarantine.drop):
        with pytest.raises(EntryGone, match="list again"):
            await act(entry)
