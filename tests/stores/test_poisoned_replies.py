"""Anybody can name a reply queue that takes nothing: it must not hold up the requests of others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import clouds
import faults
import pytest
import servers
from aiohttp import web
from answering import Answering
from faults import Call, FaultProxy, Forward

from gateway.message import Message
from gateway.queues.aws.address import parse_sqs
from gateway.queues.aws.http import HttpResponse
from gateway.queues.aws.sqs_errors import answer_error
from gateway.queues.options import QueueOptions
from gateway.queues.sqs.queue import SqsQueue
from gateway.serving.loop import USUAL, Gateway, VerdictLimits
from gateway.serving.settings import GatewaySettings

LONGEST = 60.0
CONCURRENCY = 4
LIMIT = 2048
ENVELOPE = '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/></e:Envelope>'
LARGE = Message(body=b"<r>%s</r>" % (b"x" * 2 * LIMIT), content_type="text/xml")


def bound(limit: int) -> faults.Fault:
    """SendMessageBatch to a queue whose MaximumMessageSize is less than what SQS itself takes."""

    async def fault(call: Call, forward: Forward) -> web.Response:
        entries = json.loads(call.body)["Entries"]
        if all(len(json.dumps(entry)) <= limit for entry in entries):
            return await forward()
        said = {"SenderFault": True, "Code": "InvalidParameterValue", "Message": "must be shorter"}
        return faults._json(200, {"Failed": [{"Id": entry["Id"], **said} for entry in entries]})

    return fault


def refused(code: str, status: int = 400) -> faults.Fault:
    async def fault(call: Call, forward: Forward) -> web.Response:
        return faults._error(call, status, code)

    return fault


@dataclass
class Place:
    """A queue without a bucket, behind a proxy, with a dead-letter queue beside it."""

    sqs: Any
    proxy: FaultProxy
    url: str
    dead: str

    def make(self, name: str) -> str:
        return str(self.sqs.create_queue(QueueName=name)["QueueUrl"])

    def send(self, reply_queue: str) -> None:
        # By the proxy's address, as the queue itself is known by.
        reply_queue = self.proxy.url + "/" + reply_queue.partition("://")[2].partition("/")[2]
        attributes = {
            "JMS_SQSReplyToQueueName": reply_queue.rpartition("/")[2],
            "JMS_SQSReplyToQueueURL": reply_queue,
        }
        given = {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        }
        self.sqs.send_message(QueueUrl=self.url, MessageBody=ENVELOPE, MessageAttributes=given)

    def receive(self, url: str) -> list[dict[str, Any]]:
        found = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return list(found.get("Messages", ()))

    async def arrived(self, url: str, count: int = 1) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(LONGEST):
            while len(found) < count:
                found += await asyncio.to_thread(self.receive, url)
                await asyncio.sleep(0.05)
        return found


@pytest.fixture
async def place(request, monkeypatch) -> AsyncIterator[Place]:
    cloud = clouds.started("ministack", request)
    for name, value in servers.environment(cloud).items():
        monkeypatch.setenv(name, value)
    url, dead = (servers.fresh_queue(cloud) for _ in "12")
    with contextlib.closing(servers.client(cloud, "sqs")) as sqs:
        asked = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        policy = {"deadLetterTargetArn": asked["Attributes"]["QueueArn"], "maxReceiveCount": 9}
        given = {"RedrivePolicy": json.dumps(policy)}
        sqs.set_queue_attributes(QueueUrl=url, Attributes=given)
        async with FaultProxy(cloud.sqs) as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", proxy.url)
            yield Place(sqs, proxy, url, dead)


@contextlib.asynccontextmanager
async def gateway(
    place: Place, lease: float = 10.0, limits: VerdictLimits = USUAL
) -> AsyncIterator[list[str]]:
    """Run a gateway; yield the ids of what its endpoint was given."""
    name = place.url.rpartition("/")[2]
    address = parse_sqs(f"sqs://{name}?unsafe_duplicates=true")
    queue = await SqsQueue.open(address, QueueOptions(lease=lease, concurrency=CONCURRENCY))
    settings = GatewaySettings(concurrency=CONCURRENCY, lease=lease, grace=1)
    stop = asyncio.Event()
    begun: list[str] = []

    async def endpoint(message: Message) -> Message:
        begun.append(message.id)
        return LARGE

    running = asyncio.create_task(
        Gateway(queue, Answering(endpoint), settings, limits=limits).run(stop)
    )
    try:
        yield begun
    finally:
        stop.set()
        await running
        await queue.aclose()


def buried(call: Call, place: Place) -> bool:
    url = json.loads(call.body).get("QueueUrl", "") if call.kind == "SendMessageBatch" else ""
    return url.rpartition("/")[2] == place.dead.rpartition("/")[2]


def poisoned(call: Call) -> bool:
    # Not the copies that go to the dead-letter queue: these have the name in an attribute.
    return call.kind == "SendMessageBatch" and "-poison-" in json.loads(call.body)["QueueUrl"]


async def call_behind_poison(place: Place) -> list[str]:
    """Fill each place with a request whose reply queue is ill; then a good one has its reply."""
    ill = [place.make(f"gateway-replies-poison-{uuid.uuid4().hex}") for _ in range(CONCURRENCY)]
    good = place.make(f"gateway-replies-{uuid.uuid4().hex}")
    for url in ill:
        place.send(url)
    async with asyncio.timeout(LONGEST):
        while rule_hits(place) < CONCURRENCY:
            await asyncio.sleep(0.05)
    place.send(good)
    (answer,) = await place.arrived(good)
    assert "xxx" in answer["Body"]
    return ill


def rule_hits(place: Place) -> int:
    return sum(rule.hits for rule in place.proxy._rules)


async def test_a_reply_queue_that_takes_less_gets_the_fault_that_fits(place, caplog):
    place.proxy.inject(bound(LIMIT), poisoned, times=math.inf)
    async with gateway(place):
        for url in await call_behind_poison(place):
            (fault,) = await place.arrived(url)
            assert "larger than the queue can carry" in fault["Body"]
            id = fault["MessageAttributes"]["JMS_SQSCorrelationID"]["StringValue"]
            assert f"<id>{id.removeprefix('ID:')}</id>" in fault["Body"]
    assert f"does not take (the reply has {len(LARGE.body)} bytes)" in caplog.text
    assert not place.receive(place.dead)


@pytest.mark.parametrize(
    "fault",
    [
        bound(0),
        faults.denied,
        refused("KmsAccessDenied"),
        refused("KmsDisabled"),
        refused("InvalidAddress", 404),
    ],
    ids=["size", "denied", "kms-denied", "kms-disabled", "address"],
)
async def test_a_reply_queue_that_refuses_for_good_ends_the_request(place, caplog, fault):
    place.proxy.inject(fault, poisoned, times=math.inf)
    async with gateway(place):
        await call_behind_poison(place)
        entries = await place.arrived(place.dead, CONCURRENCY)
    for entry in entries:
        said = json.loads(entry["MessageAttributes"]["gateway-reason"]["StringValue"])
        assert said["reason"].startswith("Server: it was answered, and its reply queue took no")
    assert caplog.text.count("its reply is dropped") == CONCURRENCY
    is_size = "must be shorter" in caplog.text
    assert rule_hits(place) == (2 if is_size else 1) * CONCURRENCY  # a fault would be refused too
    assert not place.receive(place.url)


async def test_verdicts_that_cannot_be_told_do_not_keep_their_places_and_are_told_later(
    place,
):
    place.proxy.inject(faults.failed_before, poisoned, times=math.inf)
    async with gateway(place, limits=VerdictLimits(telling=0.5, longest_pause=1.0)):
        ill = await call_behind_poison(place)
        place.proxy.heal()
        for url in ill:
            (answer,) = await place.arrived(url)
            assert "xxx" in answer["Body"]


async def test_a_copy_that_is_refused_is_all_that_is_tried_again(place, caplog):
    place.proxy.inject(faults.denied, poisoned, times=math.inf)
    place.proxy.inject(faults.denied, lambda call: buried(call, place), times=math.inf)
    place.send(place.make(f"gateway-replies-poison-{uuid.uuid4().hex}"))
    async with gateway(place, lease=2.0) as begun:
        async with asyncio.timeout(LONGEST):
            while rule_hits(place) < 4:  # the reply once, its copy again and again
                await asyncio.sleep(0.05)
        place.proxy.heal()
        (entry,) = await place.arrived(place.dead)
    said = json.loads(entry["MessageAttributes"]["gateway-reason"]["StringValue"])
    assert said["reason"].startswith("Server: it was answered, and its reply queue took no")
    assert begun == [said["id"]]
    assert caplog.text.count("not put aside yet") == 1
    assert "quarantined" not in caplog.text
    assert f"{said['id']} is put aside now" in caplog.text


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        ("AccessDenied", "allow sqs:SendMessage on it"),
        ("KmsAccessDenied", "allow kms:GenerateDataKey and kms:Decrypt on its key"),
    ],
)
def test_a_right_that_is_missing_is_named_as_iam_does(code, cure):
    answer = HttpResponse(403, {}, json.dumps({"__type": code}).encode())
    assert cure in str(answer_error("SendMessageBatch", "https://sqs.test/1/orders", answer))
