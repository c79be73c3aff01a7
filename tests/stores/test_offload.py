"""Bodies kept in the bucket, and the pointers to them."""

from __future__ import annotations

import json

import clouds
import pytest
import servers

from gateway.errors import IdTaken, Refused
from gateway.queues.aws.address import parse_bucket
from gateway.queues.aws.sqs import Attribute, Outgoing
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.store import AccessDenied, S3Store
from gateway.queues.sqs.offload import (
    BadPointer,
    PayloadGone,
    Payloads,
    Pointer,
    declared_size,
    is_pointer,
    read_pointer,
    write_pointer,
)

NAME = ("alice", "01JDF0000000000000000000AA")
THRESHOLD = 100


@pytest.fixture
async def store(request, monkeypatch):
    cloud = clouds.started("ministack", request)
    for name, value in servers.environment(cloud).items():
        monkeypatch.setenv(name, value)
    opened = await S3Store.open(parse_bucket(f"s3://{servers.fresh_bucket(cloud)}/orders"), 4)
    yield opened
    await opened.aclose()


@pytest.fixture
def payloads(store):
    address = parse_bucket(f"s3://{store.bucket}/orders")
    return Payloads(store, Keys(address), limit=1000, threshold=THRESHOLD)


def mark(size: str) -> dict[str, Attribute]:
    return {"ExtendedPayloadSize": Attribute("Number", size)}


async def test_a_body_over_the_threshold_goes_to_the_bucket_and_comes_back(payloads, store):
    body = "\u00e4" * THRESHOLD
    attributes = {"SOAPJMS_contentType": Attribute("String", "text/xml")}
    small = await payloads.offload(NAME, Outgoing(body=body, attributes=attributes))
    assert read_pointer(small.body) == Pointer(store.bucket, f"orders/payloads/{'/'.join(NAME)}")
    assert small.attributes == {**attributes, **mark(str(2 * THRESHOLD))}
    key = payloads.followed(small.body, small.attributes, "alice")
    assert (await payloads.read(key)).text == body


async def test_the_attributes_count_toward_the_threshold(payloads):
    attributes = {"a": Attribute("String", "b" * 20)}
    fits = Outgoing(body="x" * (THRESHOLD - 27), attributes=attributes)
    assert await payloads.offload(NAME, fits) is fits
    over = Outgoing(body="x" * (THRESHOLD - 26), attributes=attributes)
    assert is_pointer((await payloads.offload(NAME, over)).attributes)


async def test_an_empty_body_which_sqs_cannot_carry_goes_to_the_bucket(payloads):
    small = await payloads.offload(NAME, Outgoing(body=""))
    assert small.attributes == mark("0")
    kept = await payloads.read(payloads.followed(small.body, small.attributes, "alice"))
    assert kept.text == ""


async def test_a_pointer_takes_an_attribute_of_the_ten(payloads, store):
    ten = {f"a{n}": Attribute("String", "v") for n in range(10)}
    with pytest.raises(Refused, match="11 SQS attributes"):
        await payloads.offload(NAME, Outgoing(body="x" * THRESHOLD, attributes=ten))
    assert (await store.list("")).found == []


async def test_a_body_is_written_once(payloads):
    first = Outgoing(body="x" * THRESHOLD + "1")
    assert await payloads.offload(NAME, first) == await payloads.offload(NAME, first)
    with pytest.raises(IdTaken):
        await payloads.offload(NAME, Outgoing(body="x" * THRESHOLD + "2"))


async def test_a_removed_body_is_gone(payloads):
    small = await payloads.offload(NAME, Outgoing(body="x" * (THRESHOLD + 1)))
    key = payloads.followed(small.body, small.attributes, "alice")
    await payloads.remove("1", key)
    with pytest.raises(PayloadGone):
        await payloads.read(key)


@pytest.mark.parametrize(
    ("key", "client", "followed"),
    [
        ("orders/payloads/alice/1", "alice", True),
        ("orders/payloads/alice/deeper/1", "alice", True),
        ("orders/payloads/bob/1", "alice", False),
        ("orders/payloads/alice", "alice", False),
        ("orders/payloads/7f3c9a52", "alice", False),
        ("orders/payloads/7f3c9a52", "", False),
        ("orders/payloads//1", "", False),
        ("orders/replies/alice/1", "alice", False),
        ("orders/payloads/alice/../bob/1", "alice", False),
        ("orders/payloads/alice/./1", "alice", False),
        ("orders/payloads/alice//1", "alice", False),
        ("orders/payloads/alice/", "alice", False),
        ("else/orders/payloads/alice/1", "alice", False),
    ],
)
async def test_a_pointer_is_followed_to_where_its_sender_may_write_only(
    payloads, store, key, client, followed
):
    body = write_pointer(Pointer(store.bucket, key))
    if followed:
        assert payloads.followed(body, mark("1"), client) == key
    else:
        with pytest.raises(BadPointer, match="out of the folder") as caught:
            payloads.followed(body, mark("1"), client)
        assert key not in str(caught.value)


async def test_a_pointer_to_another_bucket_is_not_followed(payloads):
    body = write_pointer(Pointer("elsewhere", "orders/payloads/alice/1"))
    with pytest.raises(BadPointer, match="another bucket") as caught:
        payloads.followed(body, mark("1"), "alice")
    assert "elsewhere" not in str(caught.value)


async def test_a_body_over_the_limit_is_not_read(payloads, store):
    pointer = Pointer(store.bucket, "orders/payloads/alice/1")
    with pytest.raises(BadPointer, match="larger"):
        payloads.followed(write_pointer(pointer), mark("1338"), "alice")
    await store.put(pointer.key, b"x" * 1338)
    with pytest.raises(BadPointer, match="larger"):
        await payloads.read(payloads.followed(write_pointer(pointer), mark("1"), "alice"))


async def test_what_the_store_says_of_a_body_is_told_without_its_key(payloads, store, caplog):
    class Failing:
        bucket = store.bucket

        async def get(self, key, limit):
            raise AccessDenied(f"s3://{self.bucket}/{key} may not be read (403): allow it")

        async def delete(self, key):
            raise AccessDenied(f"s3://{self.bucket}/{key} may not be removed (403): allow it")

    payloads._store = Failing()
    with pytest.raises(AccessDenied, match=r"^the body that it points to may not be read \(403\)"):
        await payloads.read("orders/payloads/alice/told-to-nobody")
    await payloads.remove("the-request", "orders/payloads/alice/told-to-nobody")
    assert "the-request: the body that it points to may not be removed" in caplog.text
    assert "told-to-nobody" not in caplog.text
    assert store.bucket not in caplog.text


async def test_a_body_that_is_not_text_is_not_read(payloads, store):
    await store.put("orders/payloads/1", b"\xff\x00")
    with pytest.raises(BadPointer, match="UTF-8"):
        await payloads.read("orders/payloads/1")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "x",
        "[]",
        "{}",
        "[1, 2, 3]",
        '["a", 1]',
        '["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "b"}]',
        '["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": 1, "s3Key": "k"}]',
        '["java.lang.Runtime", {"s3BucketName": "b", "s3Key": "k"}]',
        '["software.amazon.payloadoffloading.PayloadS3Pointer",'
        r'{"s3BucketName": "b", "s3Key": "\ud800"}]',
        '["software.amazon.payloadoffloading.PayloadS3Pointer",'
        r'{"s3BucketName": "\udfff", "s3Key": "k"}]',
        write_pointer(Pointer("b", "k" * 1025)),
        "[" * 100_000,
    ],
)
def test_what_is_no_pointer_is_refused(body):
    with pytest.raises(BadPointer):
        read_pointer(body)


def test_a_pointer_is_written_as_the_extended_client_writes_it():
    assert write_pointer(Pointer("b", "k")) == (
        '["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]'
    )


def test_a_pointer_of_the_older_library_is_read():
    place = {"s3BucketName": "b", "s3Key": "k"}
    old = json.dumps(["com.amazon.sqs.javamessaging.MessageS3Pointer", place])
    assert read_pointer(old) == Pointer("b", "k")
    assert is_pointer({"SQSLargePayloadSize": Attribute("Number", "1")})


@pytest.mark.parametrize(("said", "size"), [("12", 12), ("-1", 0), ("x", 0), ("9" * 30, 0)])
def test_a_mark_says_how_large_the_body_is_or_nothing(said, size):
    assert declared_size(mark(said)) == size
