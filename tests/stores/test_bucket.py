"""Messages as objects of a bucket, and the format that a bucket says it has."""

from __future__ import annotations

import json

import clouds
import pytest
import servers
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError, Refused
from gateway.message import Message, Unreadable
from gateway.queues.aws.address import BucketAddress, parse_bucket
from gateway.queues.bucket.layout import (
    Keys,
    check_format,
    encoded,
    from_object,
    to_metadata,
)
from gateway.queues.bucket.store import S3Store, Stored

KEYS = Keys(BucketAddress(bucket="bucket", prefix="orders"))
NAME = ("alice", "01JDF0000000000000000000AA")


def test_the_keys_are_those_of_the_protocol():
    assert KEYS.request(NAME) == "orders/requests/01JDF0000000000000000000AA.alice"
    assert KEYS.reply(NAME) == "orders/replies/alice/01JDF0000000000000000000AA"
    assert KEYS.name(KEYS.request(NAME)) == NAME


@pytest.mark.parametrize(
    "key",
    [
        "orders/requests/short.alice",
        "orders/requests/01JDF0000000000000000000AA",
        "orders/requests/01JDF0000000000000000000AA.alice.more",
        "orders/requests/deeper/01JDF0000000000000000000AA.alice",
        "elsewhere/requests/01JDF0000000000000000000AA.alice",
        "orders/requests/",
    ],
)
def test_a_key_of_no_request_names_nobody(key):
    assert KEYS.name(key) is None


def test_what_is_no_text_is_a_question_mark_in_a_reason():
    assert encoded("a\ud800b") == "a?b"


def test_a_content_type_that_is_no_text_makes_no_message():
    stored = Stored(b"<a/>", "e", content_type="text/xml; x=\ufffd")
    assert isinstance(from_object(stored, NAME), Unreadable)


@given(st.text())
def test_any_text_travels_in_metadata_that_is_ascii_and_not_trimmed(text):
    value = encoded(text)
    assert value.isascii()
    assert value == " ".join(value.split())
    message = Message(body=b"x", content_type="text/xml", correlation_id=text)
    if len(value) < 1000 and text.isprintable():
        back = from_object(Stored(b"x", "", to_metadata(message)), NAME)
        assert isinstance(back, Message)
        assert back.correlation_id == text


def test_properties_that_are_longer_than_metadata_may_be_are_refused_before_they_are_sent():
    long = Message(body=b"x", content_type="text/xml", soap_action="urn:" + "a" * 2000)
    with pytest.raises(Refused, match="1536"):
        to_metadata(long)


@pytest.mark.parametrize("value", ["caf\udce9", "a%0Ab", "%FF"])
def test_metadata_that_cannot_be_read_is_told_and_not_raised(value):
    found = from_object(Stored(b"x", "", {"soapjms-soapaction": value}), NAME)
    assert isinstance(found, Unreadable)


def test_names_with_underscores_are_read_too():
    found = from_object(Stored(b"x", "", {"soapjms_targetservice": "orders"}), NAME)
    assert isinstance(found, Message)
    assert found.target_service == "orders"


def test_the_type_of_the_object_serves_where_no_property_says_it():
    found = from_object(Stored(b"x", "", {}, "text/xml; charset=utf-8"), NAME)
    assert isinstance(found, Message)
    assert found.content_type == "text/xml; charset=utf-8"


WRITTEN = "Thu, 26 Nov 2026 02:00:00 GMT"


@pytest.mark.parametrize(
    ("etag", "modified", "arrived"),
    [
        ("9a0364b9e99bb480dd25e1f0284c8555", WRITTEN, 1795658400.0),
        ("9a0364b9e99bb480dd25e1f0284c8555-1", WRITTEN, None),
        ("", "", None),
        ("", "yesterday", None),
    ],
)
def test_a_client_cannot_date_a_request_by_announcing_its_parts_early(etag, modified, arrived):
    found = from_object(Stored(b"x", etag, {}, modified=modified), NAME)
    assert isinstance(found, Message)
    assert found.arrived == arrived


@pytest.fixture
async def store(request, monkeypatch):
    cloud = clouds.started("ministack", request)
    for name, value in servers.environment(cloud).items():
        monkeypatch.setenv(name, value)
    bucket = servers.fresh_bucket(cloud)
    opened = await S3Store.open(parse_bucket(f"s3://{bucket}/orders"), 4)
    yield opened
    await opened.aclose()


async def test_whoever_comes_first_writes_what_the_bucket_is(store):
    await check_format(store, KEYS, "plain")
    await check_format(store, KEYS, "plain")
    found = await store.get(KEYS.format)
    assert json.loads(found.body) == {"format": "gateway-queue", "version": 1, "mode": "plain"}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b'{"version": 2, "mode": "plain"}', "format version 2"),
        (b'{"version": 1, "mode": "doorbell"}', "in mode 'doorbell', not 'plain'"),
        (b"<html>", "use another prefix"),
        (b"[]", "use another prefix"),
    ],
)
async def test_a_bucket_of_another_kind_is_refused_with_its_cure(store, said, told):
    await store.put(KEYS.format, said)
    with pytest.raises(ConfigurationError, match=told):
        await check_format(store, KEYS, "plain")


async def test_a_bucket_that_is_not_there_is_told(store):
    elsewhere = await S3Store.open(parse_bucket("s3://no-such-bucket-anywhere"), 4)
    with pytest.raises(ConfigurationError, match="no bucket no-such-bucket-anywhere"):
        await check_format(elsewhere, KEYS, "plain")
    await elsewhere.aclose()
