"""What is told of a request that a store or a queue may have taken, although it did not say so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.errors import QueueUnavailable, Unsure
from gateway.message import Message
from gateway.queues.aws.address import AwsAccess, parse_bucket
from gateway.queues.aws.sqs import Outgoing, SqsClient
from gateway.queues.aws.sqs_pump import SqsPump
from gateway.queues.bucket.client import BucketClient
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.ledger import BucketLedger
from gateway.queues.bucket.store import S3Store

LOST = None
"""The connection ends without an answer: nobody knows what was done."""
GONE = (0, "")
"""The same, and no other connection is taken after it."""
TAKEN = (200, json.dumps({"Successful": [{"Id": "0", "MessageId": "m-1"}]}))
BUSY = (503, json.dumps({"__type": "ServiceUnavailable"}))
THROTTLED = (400, json.dumps({"__type": "RequestThrottled"}))
DENIED = (403, json.dumps({"__type": "AccessDenied"}))
FAILED = (200, json.dumps({"Failed": [{"Id": "0", "Code": "InternalError"}]}))
SILENT = (200, "{}")
FOREIGN = (200, "<html/>")
FORBIDDEN = (403, "<Error><Code>AccessDenied</Code></Error>")
SLOW_DOWN = (503, "<Error><Code>SlowDown</Code></Error>")

Said = tuple[int, str] | None


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setattr("gateway.queues.aws.http.LONGEST_PAUSE", 0.01)


@asynccontextmanager
async def saying(*script: Said) -> AsyncIterator[str]:
    """A server that answers so, one request after another; the last answer again and again."""
    left = list(script)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            said = left.pop(0) if len(left) > 1 else left[0]
            if said == GONE:
                server.close()
            elif said is not LOST:
                status, body = said
                text = f"HTTP/1.1 {status} So\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                writer.write(text.encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def sent_to_sqs(monkeypatch: pytest.MonkeyPatch, *script: Said) -> object:
    """Send a message; return its MessageId, or what was raised."""
    async with saying(*script) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", url)
        client = await SqsClient.open(AwsAccess(), 2)
        pump = SqsPump(client, f"{url}/1/orders", 30.0)
        try:
            return await pump.send(Outgoing(body="m"))
        except QueueUnavailable as error:
            return error
        finally:
            await pump.aclose()
            await client.aclose()


async def sent_to_s3(monkeypatch: pytest.MonkeyPatch, *script: Said) -> object:
    """Send a request; return what it was to the queue, or what was raised."""
    async with saying(*script) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        address = parse_bucket("s3://bucket/orders")
        store = await S3Store.open(address, 2)
        keys = Keys(address)
        client = BucketClient(store, keys, BucketLedger(store, keys, 1 << 20))
        try:
            return await client.send(Message(body=b"<a/>", content_type="text/xml", sender="alice"))
        except QueueUnavailable as error:
            return error
        finally:
            await store.aclose()


Sending = Callable[..., object]


@pytest.mark.parametrize(
    ("send", "script"),
    [
        (sent_to_sqs, (LOST, BUSY)),
        (sent_to_sqs, (LOST, THROTTLED)),
        (sent_to_sqs, (LOST, DENIED)),
        (sent_to_sqs, (LOST, FAILED)),
        (sent_to_sqs, (LOST, FOREIGN)),
        (sent_to_sqs, (GONE,)),
        (sent_to_sqs, (BUSY,)),
        (sent_to_sqs, (BUSY, THROTTLED)),
        (sent_to_sqs, (BUSY, GONE)),
        (sent_to_sqs, (SILENT,)),
        (sent_to_s3, (LOST, FORBIDDEN)),
        (sent_to_s3, (LOST, SLOW_DOWN)),
        (sent_to_s3, (GONE,)),
        (sent_to_s3, (BUSY, FORBIDDEN)),
    ],
)
async def test_a_request_that_an_earlier_try_may_have_brought_is_in_doubt(
    monkeypatch, send: Sending, script: tuple[Said, ...]
):
    assert isinstance(await send(monkeypatch, *script), Unsure)


@pytest.mark.parametrize(
    ("send", "script"),
    [
        (sent_to_sqs, (THROTTLED,)),
        (sent_to_sqs, (DENIED,)),
        (sent_to_sqs, (FAILED,)),
        (sent_to_sqs, (FOREIGN,)),
        (sent_to_s3, (FORBIDDEN,)),
        (sent_to_s3, (SLOW_DOWN,)),
    ],
)
async def test_a_request_that_was_certainly_not_taken_is_not_in_doubt(
    monkeypatch, send: Sending, script: tuple[Said, ...]
):
    error = await send(monkeypatch, *script)
    assert isinstance(error, QueueUnavailable)
    assert not isinstance(error, Unsure)


async def test_a_request_that_a_later_try_brings_is_taken(monkeypatch):
    assert await sent_to_sqs(monkeypatch, LOST, BUSY, TAKEN) == "m-1"
