"""The test vectors that implementations in other languages pass too, run in both directions."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.message import Message
from gateway.queues.aws.address import BucketAddress
from gateway.queues.aws.sqs import Attribute, Received
from gateway.queues.bucket.layout import (
    Keys,
    from_object,
    object_type,
    to_metadata,
)
from gateway.queues.bucket.store import Stored
from gateway.queues.sqs.attributes import check, from_sqs, to_sqs
from gateway.queues.sqs.entry import identify
from gateway.queues.sqs.offload import Pointer, read_pointer, write_pointer

VECTORS = Path(__file__).parents[2] / "vectors"
SQS = json.loads((VECTORS / "sqs.json").read_text("utf-8"))
BUCKET = json.loads((VECTORS / "bucket.json").read_text("utf-8"))
KEYS = Keys(BucketAddress(bucket="bucket", prefix=BUCKET["prefix"]))


def each(cases: list[Any], *, written: bool = False) -> Any:
    chosen = [case for case in cases if not (written and case.get("read_only"))]
    return pytest.mark.parametrize("case", chosen, ids=lambda case: case["name"])


def message(case: Any) -> Message:
    values = dict(case["message"])
    return Message(body=content(values), **values)


def content(values: dict[str, Any]) -> bytes:
    encoded = values.pop("body_base64", None)
    return values.pop("body").encode() if encoded is None else base64.b64decode(encoded)


def received(case: Any) -> Received:
    attributes = {
        name: Attribute(one["DataType"], one["StringValue"])
        for name, one in case["sqs"]["attributes"].items()
    }
    sent = 1732460000 if not case.get("read_only") else 0
    return Received(
        id=case.get("message_id", "0f3c9a52-1111-4222-8333-123456789abc"),
        handle="handle",
        body=case["sqs"]["body"],
        attributes=attributes,
        system={"SenderId": case.get("sender", "AIDAEXAMPLE"), "SentTimestamp": f"{sent}000"},
    )


@each(SQS["cases"], written=True)
def test_a_message_becomes_the_sqs_message(case):
    outgoing = to_sqs(
        message(case), as_bytes=case.get("as_bytes", False), is_reply=case.get("reply", False)
    )
    check(outgoing)
    assert outgoing.body == case["sqs"]["body"]
    assert comparable(outgoing.attributes) == comparable(received(case).attributes)


def comparable(attributes: Any) -> dict[str, Any]:
    found = {name: (one.type, one.value) for name, one in attributes.items()}
    if "gateway" in found:
        found["gateway"] = json.loads(found["gateway"][1])
    return found


@each(SQS["cases"])
def test_an_sqs_message_becomes_the_message(case):
    expected, one = message(case), received(case)
    identity = identify(one, {})
    assert identity.refusal == ""
    found = from_sqs(one.body, one.attributes, identity.tag)
    assert isinstance(found, Message)
    if case.get("reply"):
        # Of a reply, the correlation id says what it belongs to.
        expected = replace(expected, id=found.id, sender=found.sender)
    assert replace(found, violation=None) == expected


@each(SQS["pointers"], written=True)
def test_a_pointer_is_written(case):
    assert write_pointer(Pointer(case["bucket"], case["key"])) == case["body"]


@each(SQS["pointers"])
def test_a_pointer_is_read(case):
    assert read_pointer(case["body"]) == Pointer(case["bucket"], case["key"])


@each(BUCKET["cases"], written=True)
def test_a_message_becomes_the_object(case):
    sent, wanted = message(case), dict(case["object"])
    key = KEYS.reply if case.get("reply") else KEYS.request
    assert key((sent.sender, sent.id)) == wanted["key"]
    assert to_metadata(sent) == wanted["metadata"]
    assert object_type(sent.content_type) == wanted["content_type"]
    assert sent.body == content(wanted)


@each(BUCKET["cases"])
def test_an_object_becomes_the_message(case):
    expected, given = message(case), dict(case["object"])
    stored = Stored(content(given), "", given["metadata"], given["content_type"])
    name = KEYS.name(given["key"]) or (expected.sender, expected.id)
    found = from_object(stored, name)
    assert isinstance(found, Message)
    assert replace(found, violation=None) == expected
