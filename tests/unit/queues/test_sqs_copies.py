"""What goes into a dead-letter queue says whose it is and why, however little room there is."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from gateway.queues.aws.sqs import (
    BATCH_BYTES,
    Attribute,
    Outgoing,
    Received,
)
from gateway.queues.sqs.attributes import ATTRIBUTES
from gateway.queues.sqs.copies import REASON, copies

NAME = ("alice", "01HF7YAT00TRHVQ6ZYWFRA32NT")
WHY = "Client.schema: The Body does not follow the contract."
SOAP = ("contentType", "contentEncoding", "soapAction", "targetService", "requestURI")
NEEDED = (
    "JMS_SQSMessageType",
    "JMS_SQSReplyToQueueName",
    "JMS_SQSReplyToQueueURL",
    *(f"SOAPJMS_{one}" for one in SOAP),
)


def received(*names: str, body: str = "<e/>", **values: str) -> Received:
    said = dict.fromkeys(names, "x") | values
    attributes = {name: Attribute("String", value) for name, value in said.items()}
    return Received(id="m-1", handle="h", body=body, attributes=attributes, system={})


def said(outgoing: Outgoing) -> Mapping[str, str]:
    return json.loads(outgoing.attributes[REASON].value)


@pytest.mark.parametrize("gives_way", ["JMSXGroupID", "SOAPJMS_isFault", "SOAPJMS_bindingVersion"])
def test_of_ten_attributes_one_that_no_sending_needs_gives_way_to_the_reason(gives_way):
    full = received(gives_way, "JMS_SQSCorrelationID", *NEEDED)
    assert len(full.attributes) == ATTRIBUTES
    first = next(copies(full, NAME, WHY))
    assert said(first) == {"id": NAME[1], "client": NAME[0], "reason": WHY}
    assert set(first.attributes) == {REASON, "JMS_SQSCorrelationID", *NEEDED}


def test_a_body_near_the_limit_keeps_id_and_reason_and_gives_up_the_rest():
    whole = received("JMSXGroupID", *NEEDED, JMS_SQSCorrelationID="c" * 300)
    room = BATCH_BYTES - Outgoing(body="", attributes=whole.attributes).size
    full = received("JMSXGroupID", *NEEDED, body="x" * room, JMS_SQSCorrelationID="c" * 300)
    first, *_ = copies(full, NAME, WHY)
    assert first.size <= BATCH_BYTES
    assert said(first) == {"id": NAME[1], "client": NAME[0], "reason": WHY}
    assert "SOAPJMS_soapAction" in first.attributes


def test_each_copy_is_smaller_and_the_last_is_the_request_without_a_reason_of_its_senders():
    spoofed = received("gateway", "JMSXGroupID", REASON, *NEEDED[:5])
    found = list(copies(spoofed, NAME, WHY))
    assert [one.size for one in found] == sorted((one.size for one in found), reverse=True)
    assert said(found[-2])["reason"] == "Client.schema"
    assert set(found[-1].attributes) == {"gateway", "JMSXGroupID", *NEEDED[:5]}


def test_a_body_that_fills_a_message_is_kept_as_it_came():
    (only,) = copies(received(body="x" * BATCH_BYTES), NAME, WHY)
    assert (len(only.body), dict(only.attributes)) == (BATCH_BYTES, {})
