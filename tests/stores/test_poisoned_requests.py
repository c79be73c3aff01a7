"""What one message of a stranger says ends no gateway: it is put aside, or it comes again alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import clouds
import pytest
import servers
from answering import Answering

from gateway.message import Message, new_id
from gateway.queue import AdministeredQueue
from gateway.queues.bucket import requests as s3_requests
from gateway.queues.options import QueueOptions, Sweeps
from gateway.queues.registry import open_queue
from gateway.queues.sqs import offload
from gateway.serving.loop import Gateway
from gateway.serving.settings import GatewaySettings

LONGEST = 240.0
LEASE = 2.0
RECEIPTS = 3
ENVELOPE = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/></e:Envelope>'
REPLY = Message(body=b"<Reply/>", content_type="text/xml")
HALF = "\ud800"
"""Half of a surrogate pair: JSON can say it, and UTF-8 cannot."""
SPLIT = "text/xml; a*=x; a*0=y"
"""A content type that the library of mail cannot read."""


class Place:
    """A bucket, a queue, and where that gives up what was received too often; by boto3."""

    def __init__(self, sqs: Any, s3: Any, cloud: servers.Cloud) -> None:
        self.sqs, self.s3 = sqs, s3
        self.bucket = servers.fresh_bucket(cloud)
        self.url, self.dead = servers.fresh_queue(cloud), servers.fresh_queue(cloud)
        asked = sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])
        arn = asked["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIPTS})
        sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"RedrivePolicy": policy})
        name = self.url.rpartition("/")[2]
        self.addresses = {
            "s3": f"s3://{self.bucket}/p",
            "doorbell": f"s3://{self.bucket}/p?doorbell={name}",
            "sqs": f"sqs://{name}?replies=s3://{self.bucket}/p",
        }

    def post(self, body: str, attributes: dict[str, tuple[str, str]] | None = None) -> None:
        given = {
            name: {"DataType": kind, "StringValue": value}
            for name, (kind, value) in (attributes or {}).items()
        }
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body, MessageAttributes=given)

    def request(self, body: str, content_type: str = "text/xml", **more: tuple[str, str]) -> None:
        """Send a request to SQS as a client of ours does."""
        own = json.dumps({"id": new_id(), "client": "al"})
        values = {"SOAPJMS_contentType": ("String", content_type), "gateway": ("String", own)}
        self.post(body, {**values, **more})

    def put(self, id: str, content_type: str = "text/xml") -> str:
        """Write a request into the bucket as a client of ours does; return its key."""
        key = f"p/requests/{id}.al"
        given = {"soapjms-contenttype": content_type}
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=ENVELOPE, Metadata=given)
        return key

    def put_aside(self) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="p/quarantine/")
        return [one["Key"] for one in found.get("Contents", ())]

    def is_empty(self) -> list[bool]:
        """Return something once the queue has no message, nor a hidden one."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return [True] if not any(int(found["Attributes"][name]) for name in names) else []

    def given_up(self) -> list[str]:
        found = self.sqs.receive_message(QueueUrl=self.dead, MaxNumberOfMessages=10)
        return [one["Body"] for one in found.get("Messages", ())]


@pytest.fixture
def place(request, monkeypatch):
    cloud = clouds.started("ministack", request)
    for name, value in servers.environment(cloud).items():
        monkeypatch.setenv(name, value)
    with contextlib.ExitStack() as stack:
        sqs, s3 = (
            stack.enter_context(contextlib.closing(servers.client(cloud, service)))
            for service in ("sqs", "s3")
        )
        yield Place(sqs, s3, cloud)


@contextlib.asynccontextmanager
async def gateway(place: Place, kind: str, tmp_path) -> AsyncIterator[AdministeredQueue]:
    """Run a gateway; at the end it must still run."""
    options = QueueOptions(lease=LEASE, sweeps=Sweeps(settling=600))
    queue = await open_queue(place.addresses[kind], tmp_path, options)
    stop, settings = asyncio.Event(), GatewaySettings(lease=LEASE, grace=1)

    async def endpoint(message: Message) -> Message:
        return REPLY

    running = asyncio.create_task(Gateway(queue, Answering(endpoint), settings).run(stop))
    try:
        yield queue
        assert not running.done()
    finally:
        stop.set()
        await running
        await queue.aclose()


async def call(queue: AdministeredQueue) -> None:
    sent = Message(body=ENVELOPE, content_type="text/xml", sender="bo", target_service="orders")
    await queue.send(sent)
    assert (await queue.collect("bo", sent.id, LONGEST)).reply.body == REPLY.body


async def until(found: Any, count: int = 1) -> list[Any]:
    seen: list[Any] = []
    async with asyncio.timeout(LONGEST):
        while len(seen) < count:
            seen = await asyncio.to_thread(found)
            await asyncio.sleep(0.05)
    return seen


def pointer(bucket: str, key: str) -> str:
    return json.dumps([offload.CLASS, {"s3BucketName": bucket, "s3Key": key}])


def event(key: str) -> str:
    return json.dumps({"Records": [{"s3": {"object": {"key": key}}}]})


SIZE = {"ExtendedPayloadSize": ("Number", "100")}


@pytest.mark.parametrize("part", ["bucket", "key"])
async def test_a_pointer_that_is_no_text_is_put_aside(place, tmp_path, part):
    bucket, key = place.bucket, "p/payloads/al/a"
    bucket, key = (bucket + HALF, key) if part == "bucket" else (bucket, key + HALF)
    place.request(pointer(bucket, key), **SIZE)
    async with gateway(place, "sqs", tmp_path) as queue:
        await call(queue)
        assert len(await until(place.put_aside)) == 1


async def test_a_ring_that_is_no_text_is_put_aside(place, tmp_path):
    place.post(json.dumps({"gateway": "ring", "key": "p/requests/" + HALF}))
    place.post(event("p/requests/" + HALF))
    async with gateway(place, "doorbell", tmp_path) as queue:
        await call(queue)
        assert len(await until(place.put_aside, 2)) == 2


@pytest.mark.parametrize("kind", ["s3", "doorbell", "sqs"])
async def test_a_content_type_that_cannot_be_read_is_for_the_gate_to_refuse(place, tmp_path, kind):
    async with gateway(place, kind, tmp_path) as queue:
        if kind == "sqs":
            place.request(ENVELOPE.decode(), SPLIT)
        else:
            key = place.put(id := new_id(), SPLIT)
            if kind == "doorbell":
                place.post(event(key))
            assert (await queue.collect("al", id, LONGEST)).reply.body == REPLY.body
        await call(queue)
        await until(place.is_empty)


def failures(caplog) -> list[logging.LogRecord]:
    found = [one for one in caplog.records if "failed in the gateway" in one.getMessage()]
    assert all(one.exc_info for one in found)
    return found


async def test_what_nobody_foresaw_of_one_message_leaves_it_to_sqs(
    place, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(offload, "is_key", lambda given: True)
    place.request(pointer(place.bucket, "p/payloads/al/" + HALF), **SIZE)
    async with gateway(place, "sqs", tmp_path) as queue:
        await call(queue)
        (given_up,) = await until(place.given_up)
        await call(queue)
    assert "payloads" in given_up
    assert len(failures(caplog)) == RECEIPTS
    assert not any("payloads" in one.getMessage() for one in failures(caplog))


async def test_what_nobody_foresaw_of_putting_aside_leaves_it_to_sqs(
    place, tmp_path, caplog, monkeypatch
):
    async def failing(removal, key, reason):
        raise ValueError("nobody foresaw this")

    monkeypatch.setattr(s3_requests.Requests, "put_aside", failing)
    place.post(json.dumps({"gateway": "ring", "key": "p/requests/none"}))
    async with gateway(place, "doorbell", tmp_path) as queue:
        await call(queue)
        (given_up,) = await until(place.given_up)
        await call(queue)
    assert "ring" in given_up
    assert len(failures(caplog)) == RECEIPTS


async def test_what_nobody_foresaw_in_a_bucket_is_left_for_a_lease(
    place, tmp_path, caplog, monkeypatch
):
    place.put(bad := new_id())
    from_object, met, at = s3_requests.from_object, asyncio.Semaphore(0), []

    def failing(stored, name, **options):
        if name[1] == bad:
            at.append(time.monotonic())
            met.release()
            raise ValueError("nobody foresaw this")
        return from_object(stored, name, **options)

    monkeypatch.setattr(s3_requests, "from_object", failing)
    async with gateway(place, "s3", tmp_path) as queue, asyncio.timeout(LONGEST):
        await met.acquire()
        await call(queue)
        await met.acquire()
        await call(queue)
    assert at[1] - at[0] >= LEASE
    assert len(failures(caplog)) == len(at)
