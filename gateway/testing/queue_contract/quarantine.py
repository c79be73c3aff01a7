"""What every quarantine does."""

# ruff: noqa: F403, F405  # fixtures and helpers are shared by name, as those of a conftest are

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import EntryGone, Refused
from gateway.message import Message
from gateway.queue import AdministeredQueue, Quarantined, State
from gateway.queues.kind import Abilities, Reach
from gateway.queues.options import QueueOptions
from gateway.queues.registry import open_queue
from gateway.testing.queue_contract.fixtures import *

SOAP = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>'
FAULT = Message(body=b"<fault/>", content_type="text/xml", is_fault=True)


def soap_request(body: bytes = SOAP, **fields: Any) -> Message:
    values = {
        "content_type": "text/xml; charset=utf-8",
        "sender": "alice",
        "target_service": "orders",
        "request_uri": "jms:queue:orders",
        "soap_action": "urn:place",
    }
    return Message(body=body, **(values | fields))


async def aside(queue: AdministeredQueue, reason: str = "Client: no", **fields: Any) -> Message:
    """Have a request put aside; return it."""
    await queue.send(sent := soap_request(**fields))
    (delivery,) = await queue.receive(1, SOON)
    await delivery.quarantine(reason, FAULT)
    return sent


async def entries(queue: AdministeredQueue, id: str = "") -> list[Quarantined]:
    return [entry async for entry in queue.quarantine.entries(id)]


async def test_nothing_is_in_a_new_quarantine(queue: AdministeredQueue) -> None:
    assert await entries(queue) == []


async def test_an_entry_tells_who_sent_it_why_it_is_here_and_since_when(
    queue: AdministeredQueue,
) -> None:
    sent = await aside(queue, "Client: The Body is wrong.")
    (entry,) = await entries(queue)
    assert (entry.id, entry.sender, entry.service) == (sent.id, "alice", "orders")
    assert (entry.code, entry.reason) == ("Client", "Client: The Body is wrong.")
    assert entry.since is not None
    assert abs(entry.since - queue.clock()) < 60
    assert entry.size == len(SOAP)
    assert entry.is_request
    assert entry.sent_again == ""


async def test_an_entry_is_found_by_its_id(queue: AdministeredQueue) -> None:
    first, second = await aside(queue), await aside(queue)
    assert [entry.id for entry in await entries(queue, second.id)] == [second.id]
    assert {entry.id for entry in await entries(queue)} == {first.id, second.id}
    assert await entries(queue, "0" * 26) == []


@pytest.mark.parametrize("body", [SOAP, bytes(range(256)) * 600])
async def test_a_request_is_read_as_it_was_put_aside(queue: AdministeredQueue, body: bytes) -> None:
    sent = await aside(queue, body=body)
    (entry,) = await entries(queue)
    kept = await queue.quarantine.read(entry)
    assert (kept.body, kept.content_type) == (sent.body, sent.content_type)
    assert (kept.soap_action, kept.target_service) == ("urn:place", "orders")


async def test_more_than_a_page_of_entries_is_shown_each_once(queue: AdministeredQueue) -> None:
    sent = [await aside(queue) for _ in range(25)]
    found = await entries(queue)
    assert len(found) == 25
    assert {entry.id for entry in found} == {message.id for message in sent}


async def test_a_request_sent_again_is_a_new_one_that_names_the_old_and_the_fault_stands(
    queue: AdministeredQueue,
) -> None:
    sent = await aside(queue)
    (entry,) = await entries(queue)
    before = await fault_of(queue, sent)
    new = await queue.quarantine.send_again(entry, lifetime=120)
    assert new != sent.id
    assert await entries(queue) == []
    (delivery,) = await queue.receive(1, SOON)
    message = message_of(delivery)
    assert (message.id, message.sender, message.correlation_id) == (new, "alice", sent.id)
    assert (message.body, message.content_type) == (SOAP, sent.content_type)
    assert (message.soap_action, message.target_service) == ("urn:place", "orders")
    assert message.expires is not None
    assert 60 < message.expires - queue.clock() <= 121
    assert not message.interrupted
    await delivery.answer(Message(body=b"<ok/>", content_type="text/xml"))
    assert await fault_of(queue, sent) == before


async def fault_of(queue: AdministeredQueue, sent: Message) -> Message | None:
    return (await queue.collect("alice", sent.id, SOON)).reply


async def test_a_repaired_envelope_goes_out_in_the_place_of_the_old_one(
    queue: AdministeredQueue,
) -> None:
    await aside(queue, body=b"<broken")
    (entry,) = await entries(queue)
    await queue.quarantine.send_again(entry, SOAP)
    (delivery,) = await queue.receive(1, SOON)
    assert message_of(delivery).body == SOAP
    assert message_of(delivery).soap_action == "urn:place"


async def test_a_repaired_envelope_of_the_other_soap_version_has_its_content_type(
    queue: AdministeredQueue,
) -> None:
    await aside(queue)
    (entry,) = await entries(queue)
    soap_12 = SOAP.replace(
        b"http://schemas.xmlsoap.org/soap/envelope/", b"http://www.w3.org/2003/05/soap-envelope"
    )
    await queue.quarantine.send_again(entry, soap_12)
    (delivery,) = await queue.receive(1, SOON)
    assert message_of(delivery).content_type == "application/soap+xml; charset=utf-8"


async def test_a_request_sent_again_that_fails_again_is_an_entry_of_its_own(
    queue: AdministeredQueue,
) -> None:
    await aside(queue)
    (entry,) = await entries(queue)
    new = await queue.quarantine.send_again(entry)
    (delivery,) = await queue.receive(1, SOON)
    await delivery.quarantine("Server: down", FAULT)
    (again,) = await entries(queue)
    assert (again.id, again.code) == (new, "Server")


async def test_of_two_who_send_an_entry_again_one_request_goes_out(
    queue: AdministeredQueue,
) -> None:
    await aside(queue)
    (entry,) = await entries(queue)
    new = await queue.quarantine.send_again(entry)
    with pytest.raises(EntryGone, match=entry.id):
        await queue.quarantine.send_again(entry)
    received = await queue.receive(2, SOON)
    assert [message_of(delivery).id for delivery in received] == [new]


async def test_a_dropped_entry_is_gone_and_its_fault_stands(queue: AdministeredQueue) -> None:
    sent, kept = await aside(queue), await aside(queue)
    (entry,) = await entries(queue, sent.id)
    await queue.quarantine.drop(entry)
    assert [entry.id for entry in await entries(queue)] == [kept.id]
    assert reply_of(await queue.collect("alice", sent.id, SOON)).is_fault
    with pytest.raises(EntryGone):
        await queue.quarantine.drop(entry)


async def test_what_has_no_sender_is_not_sent_again(queue: AdministeredQueue) -> None:
    entry = Quarantined(id="photo.jpg", sender="", reason="", since=None, size=1)
    with pytest.raises(Refused, match="Nobody knows who sent it"):
        await queue.quarantine.send_again(entry, SOAP)


@with_a_store
async def test_the_same_bytes_sent_after_quarantine_get_the_stored_fault(
    queue: AdministeredQueue,
) -> None:
    sent = await aside(queue)
    await queue.send(sent)
    assert list(await queue.receive(1, 0.2)) == []
    found = await queue.collect("alice", sent.id, SOON)
    assert (found.state, reply_of(found).is_fault) == (State.REPLY, True)
    assert len(await entries(queue)) == 1


async def test_of_two_who_send_an_entry_again_and_drop_it_one_is_told_that_the_other_was_first(
    queue: AdministeredQueue, address: str, abilities: Abilities, tmp_path: Path
) -> None:
    if abilities.reach is Reach.PROCESS:
        pytest.skip("nobody else can open it")
    await aside(queue)
    other = await open_queue(address, tmp_path, QueueOptions())
    try:
        (mine,) = await entries(queue)
        theirs = mine
        if abilities.keeps_replies:  # what one holds of a dead-letter queue, the other does not see
            (theirs,) = await entries(other)
        done = await asyncio.gather(
            queue.quarantine.send_again(mine), other.quarantine.drop(theirs), return_exceptions=True
        )
        assert [isinstance(one, EntryGone) for one in done].count(True) == 1, done
        received = await queue.receive(1, 1.0)
        assert len(received) == (not isinstance(done[0], EntryGone))
    finally:
        await other.aclose()
