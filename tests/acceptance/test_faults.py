"""The proxy that other tests fail requests with does what it says, and otherwise nothing."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import faults
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from deployment import end
from faults import Fault, FaultProxy, conditional, kind
from servers import Cloud, client, fresh_bucket, fresh_queue

AWKWARD = "a b+c%2Fd/é/~'()*!,;=:@&.xml"


@pytest.fixture
async def proxy(ministack_cloud: Cloud) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(ministack_cloud.s3, seed=7) as made:
        yield made


class Place:
    """A new bucket and a new queue, reached through a proxy and past it."""

    def __init__(self, cloud: Cloud, proxy: FaultProxy) -> None:
        through = replace(cloud, s3=proxy.url, sqs=proxy.url)
        self.bucket = fresh_bucket(cloud)
        self.queue = fresh_queue(cloud)
        self.s3 = client(through, "s3")
        self.past = client(cloud, "s3")
        self.sqs = client(through, "sqs")
        self.sqs_past = client(cloud, "sqs")

    async def put(self, key: str, body: bytes = b"body", **options: str) -> Any:
        return await asyncio.to_thread(
            self.s3.put_object, Bucket=self.bucket, Key=key, Body=body, **options
        )

    def keys(self) -> list[str]:
        listed = self.past.list_objects_v2(Bucket=self.bucket)
        return [entry["Key"] for entry in listed.get("Contents", ())]

    async def send(self, body: str) -> Any:
        return await asyncio.to_thread(self.sqs.send_message, QueueUrl=self.queue, MessageBody=body)

    def messages(self) -> list[str]:
        received = self.sqs_past.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        return [message["Body"] for message in received.get("Messages", ())]

    def close(self) -> None:
        for each in (self.s3, self.past, self.sqs, self.sqs_past):
            each.close()


@pytest.fixture
def place(ministack_cloud: Cloud, proxy: FaultProxy) -> Iterator[Place]:
    made = Place(ministack_cloud, proxy)
    yield made
    made.close()


@pytest.fixture(params=["ministack", "minio"])
async def passed(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Any, str, FaultProxy]]:
    cloud: Cloud = request.getfixturevalue(f"{request.param}_cloud")
    async with FaultProxy(cloud.s3) as made:
        s3 = client(replace(cloud, s3=made.url), "s3")
        yield s3, await asyncio.to_thread(fresh_bucket, cloud), made
        s3.close()


async def test_a_signed_request_passes_with_its_key_metadata_and_body(
    passed: tuple[Any, str, FaultProxy],
) -> None:
    s3, bucket, _ = passed
    body = bytes(range(256)) * 12_000
    await asyncio.to_thread(
        s3.put_object, Bucket=bucket, Key=AWKWARD, Body=body, Metadata={"gateway-a": "b %41"}
    )
    read = await asyncio.to_thread(s3.get_object, Bucket=bucket, Key=AWKWARD)
    assert read["Metadata"] == {"gateway-a": "b %41"}
    assert await asyncio.to_thread(read["Body"].read) == body
    head = await asyncio.to_thread(s3.head_object, Bucket=bucket, Key=AWKWARD)
    assert head["ContentLength"] == len(body)


async def test_a_condition_is_still_decided_by_the_server(
    passed: tuple[Any, str, FaultProxy],
) -> None:
    s3, bucket, _ = passed
    put = {"Bucket": bucket, "Key": "register", "Body": b"1", "IfNoneMatch": "*"}
    await asyncio.to_thread(lambda: s3.put_object(**put))
    with pytest.raises(ClientError, match="PreconditionFailed"):
        await asyncio.to_thread(lambda: s3.put_object(**put))


async def test_requests_are_counted_by_their_kind(place: Place, proxy: FaultProxy) -> None:
    await place.put("one")
    await asyncio.to_thread(place.s3.list_objects_v2, Bucket=place.bucket, Prefix="o")
    await asyncio.to_thread(place.s3.get_object, Bucket=place.bucket, Key="one")
    await asyncio.to_thread(place.s3.head_object, Bucket=place.bucket, Key="one")
    await asyncio.to_thread(place.s3.delete_object, Bucket=place.bucket, Key="one")
    await place.send("two")
    assert proxy.counts == {
        "PUT": 1, "LIST": 1, "GET": 1, "HEAD": 1, "DELETE": 1, "SendMessage": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "status", "code", "stored"),
    [
        (faults.failed_after, 500, "InternalError", ["key"]),
        (faults.failed_before, 500, "InternalError", []),
        (faults.slow_down, 503, "SlowDown", []),
        (faults.conflict, 409, "ConditionalRequestConflict", []),
        (faults.refused, 412, "PreconditionFailed", []),
        (faults.denied, 403, "AccessDenied", []),
    ],
)
async def test_a_fault_answers_with_its_status_whether_the_work_was_done_or_not(
    place: Place, proxy: FaultProxy, fault: Fault, status: int, code: str, stored: list[str]
) -> None:
    # Of this call alone: the port may have been another proxy's, whose client still asks.
    proxy.inject(fault, kind("PUT", "/key"))
    with pytest.raises(ClientError) as failure:
        await place.put("key")
    answer = failure.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    assert place.keys() == stored


@pytest.mark.parametrize(
    ("fault", "stored"), [(faults.answer_lost, ["key"]), (faults.request_lost, [])]
)
async def test_a_dropped_connection_leaves_the_work_done_or_not(
    place: Place, proxy: FaultProxy, fault: Fault, stored: list[str]
) -> None:
    proxy.inject(fault, kind("PUT", "/key"))
    with pytest.raises(ConnectionClosedError):
        await place.put("key")
    assert place.keys() == stored


async def test_a_rule_befalls_only_what_it_chooses_and_only_so_often(
    place: Place, proxy: FaultProxy
) -> None:
    rule = proxy.inject(faults.failed_before, kind("PUT", "/replies/"), times=2)
    await place.put("requests/1")
    for _ in range(2):
        with pytest.raises(ClientError):
            await place.put("replies/1")
    await place.put("replies/1")
    assert rule.hits == 2
    assert place.keys() == ["replies/1", "requests/1"]


async def test_a_rule_can_choose_conditional_writes(place: Place, proxy: FaultProxy) -> None:
    proxy.inject(faults.conflict, conditional())
    await place.put("free")
    with pytest.raises(ClientError, match="ConditionalRequestConflict"):
        await place.put("conditional", IfNoneMatch="*")


async def test_a_rule_with_a_probability_befalls_some(place: Place, proxy: FaultProxy) -> None:
    rule = proxy.inject(faults.failed_before, times=math.inf, probability=0.5)
    failures = 0
    for number in range(30):
        try:
            await place.put(str(number))
        except ClientError:
            failures += 1
    assert 0 < failures < 30
    assert rule.hits == failures == 30 - len(place.keys())


async def test_a_healed_proxy_has_no_rules(place: Place, proxy: FaultProxy) -> None:
    proxy.inject(faults.failed_before, times=math.inf)
    proxy.heal()
    await place.put("key")
    assert place.keys() == ["key"]


@pytest.mark.parametrize(
    "slow",
    [
        lambda proxy: setattr(proxy, "latency", 0.3),
        lambda proxy: proxy.inject(faults.delayed(0.3)),
        lambda proxy: proxy.inject(faults.late(0.3)),
    ],
    ids=["latency", "delayed", "late"],
)
async def test_a_request_takes_as_long_as_it_is_delayed(
    place: Place, proxy: FaultProxy, slow: Callable[[FaultProxy], object]
) -> None:
    slow(proxy)
    began = time.monotonic()
    await place.put("key")
    assert time.monotonic() - began >= 0.3


async def test_a_throttled_action_of_sqs_fails_in_its_own_words(
    place: Place, proxy: FaultProxy
) -> None:
    proxy.inject(faults.slow_down, kind("SendMessage"))
    with pytest.raises(ClientError, match="ThrottlingException"):
        await place.send("message")
    assert place.messages() == []


async def test_a_message_can_be_swallowed_or_doubled(place: Place, proxy: FaultProxy) -> None:
    proxy.inject(faults.swallowed, kind("SendMessage"))
    proxy.inject(faults.doubled, kind("SendMessage"))
    assert (await place.send("lost"))["MessageId"]
    await place.send("twice")
    assert place.messages() == ["twice", "twice"]


async def test_a_batch_can_be_swallowed(place: Place, proxy: FaultProxy) -> None:
    proxy.inject(faults.swallowed, kind("SendMessageBatch"))
    entries = [{"Id": str(number), "MessageBody": "lost"} for number in range(3)]
    answer = await asyncio.to_thread(
        place.sqs.send_message_batch, QueueUrl=place.queue, Entries=entries
    )
    assert [entry["Id"] for entry in answer["Successful"]] == ["0", "1", "2"]
    assert place.messages() == []


async def test_when_a_client_goes_away_its_request_ends_at_the_server_too() -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await reader.read()
        gone.set()
        writer.close()

    server = await asyncio.start_server(never_answers, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, FaultProxy(f"http://127.0.0.1:{port}") as proxy:
        _, client_end = await asyncio.open_connection("127.0.0.1", int(proxy.url.split(":")[-1]))
        client_end.write(b"GET /queue HTTP/1.1\r\nHost: queue\r\n\r\n")
        await asyncio.wait_for(arrived.wait(), 240)
        client_end.close()
        await asyncio.wait_for(gone.wait(), 240)


def test_a_test_without_an_event_loop_has_a_proxy_too(ministack_cloud: Cloud) -> None:
    with faults.proxied(ministack_cloud.s3) as proxy:
        fresh_bucket(replace(ministack_cloud, s3=proxy.url))
        assert proxy.counts == {"PUT": 1}


def test_the_program_says_where_it_listens_and_what_passed(ministack_cloud: Cloud) -> None:
    command = [sys.executable, Path(faults.__file__), ministack_cloud.s3, "--latency", "0.01"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as output:
        try:
            url = output.readline().split()[-1]
            fresh_bucket(replace(ministack_cloud, s3=url))
        finally:
            end(process)
        assert json.loads(output.read()) == {"PUT": 1}
