"""What the how-to on Java clients says of CXF, Spring-WS and the temporary-queue client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import clouds
import pytest
import servers
from deployment import ROOT
from servers import Cloud

from gateway.message import Message
from gateway.queues.aws.address import parse_sqs
from gateway.queues.options import QueueOptions
from gateway.queues.sqs.queue import SqsQueue

JAVA = ROOT / "contrib" / "clients" / "cxf"
JARS = JAVA / "build" / "lib"
NOTE = b'<n:Note xmlns:n="urn:example:notes">kept</n:Note>'
NO_SELECTOR = "SQSSession does not support MessageSelector"
LONG = 120.0
"""Seconds; a test waits for events, and not for these."""

Java = Callable[..., subprocess.Popen[str]]
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not any(JARS.glob("cxf-rt-transports-jms-*.jar")) or not shutil.which("javac"):
        # As of the other clients in Java, CI may go without.
        pytest.skip("CXF and Spring-WS are not here: contrib/clients/install.sh")
    folder = tmp_path_factory.mktemp("classes")
    source = JAVA / "OverSqs.java"
    subprocess.run(["javac", "-nowarn", "-cp", f"{JARS}/*", "-d", folder, source], check=True)
    return folder


@pytest.fixture
def cloud(request, monkeypatch) -> Cloud:
    """SQS on the Java virtual machine; S3 beside it."""
    sqs, s3 = clouds.started("elasticmq", request), clouds.started("ministack", request)
    both = Cloud(s3=s3.s3, sqs=sqs.sqs)
    for name, value in servers.environment(both).items():
        monkeypatch.setenv(name, value)
    return both


@pytest.fixture
def java(classes: Path) -> Iterator[Java]:
    """Return what starts the Java program; none of them outlives the test."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[str]:
            command = [
                *servers.JAVA,
                "-Xmx256m",
                "-cp",
                f"{classes}:{JARS}/*",
                "OverSqs",
                *arguments,
            ]
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=dict(os.environ),
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    """Return what opens a queue; each is closed in the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def open(address: str, **options: Any) -> SqsQueue:
            queue = await SqsQueue.open(parse_sqs(address), QueueOptions(**options))
            stack.push_async_callback(queue.aclose)
            return queue

        yield open


async def said(process: subprocess.Popen[str]) -> str:
    """Return the last line that a program wrote, once it has ended."""
    output, _ = await asyncio.to_thread(process.communicate, timeout=LONG)
    return output.strip().rpartition("\n")[2]


def name(url: str) -> str:
    return url.rpartition("/")[2]


async def test_a_one_way_call_of_cxf_comes_by_a_standard_queue(cloud, java, opened):
    queue = name(servers.fresh_queue(cloud))
    gateway = await opened(f"sqs://{queue}?replies=s3://{servers.fresh_bucket(cloud)}/orders")
    calling = java("cxf", f"jms:queue:{queue}", "one-way")
    (delivery,) = await gateway.receive(1, LONG)
    assert b":Note " in delivery.message.body
    assert delivery.message.request_uri == f"jms:queue:{queue}"
    assert delivery.message.violation is None
    await delivery.answer(None)
    assert await said(calling) == "sent"


async def test_a_one_way_call_of_cxf_needs_a_group_for_a_fifo_queue(cloud, java, opened):
    queue = name(servers.fresh_queue(cloud, fifo=True))
    gateway = await opened(f"sqs://{queue}")
    told = await said(java("cxf", f"jms:queue:{queue}", "one-way"))
    assert told.startswith("failed")
    assert "MessageGroupId" in told
    calling = java("cxf", f"jms:queue:{queue}", "grouped")
    (delivery,) = await gateway.receive(1, LONG)
    assert b":Note " in delivery.message.body
    await delivery.answer(None)
    assert await said(calling) == "sent"


@pytest.mark.parametrize(
    ("options", "reason", "sent"),
    [
        ("", "Unsupported Method", 0),
        ("?replyToName={}", NO_SELECTOR, 0),
        ("?replyToName={}&useConduitIdSelector=false", NO_SELECTOR, 1),
    ],
)
async def test_a_two_way_call_of_cxf_fails_before_it_sends_or_after(
    cloud, java, opened, options, reason, sent
):
    queue, replies = name(servers.fresh_queue(cloud)), name(servers.fresh_queue(cloud))
    gateway = await opened(f"sqs://{queue}?unsafe_duplicates=true")
    told = await said(java("cxf", f"jms:queue:{queue}{options.format(replies)}", "two-way"))
    assert told.startswith("failed")
    assert reason in told
    assert len(await gateway.receive(10, 1)) == sent


@pytest.mark.parametrize(
    ("options", "reason", "sent"),
    [("", "Unsupported Method", 0), ("?replyToName={}", NO_SELECTOR, 1)],
)
async def test_a_call_of_spring_ws_fails_one_way_too(cloud, java, opened, options, reason, sent):
    queue, replies = name(servers.fresh_queue(cloud)), name(servers.fresh_queue(cloud))
    gateway = await opened(f"sqs://{queue}?unsafe_duplicates=true")
    told = await said(java("spring-ws", f"jms:{queue}{options.format(replies)}"))
    assert told.startswith("failed")
    assert reason in told
    assert len(await gateway.receive(10, 1)) == sent


async def test_a_call_of_spring_ws_to_a_fifo_queue_fails_before_it_is_sent(cloud, java, opened):
    queue, replies = name(servers.fresh_queue(cloud, fifo=True)), name(servers.fresh_queue(cloud))
    gateway = await opened(f"sqs://{queue}")
    told = await said(java("spring-ws", f"jms:{queue}?replyToName={replies}"))
    assert told.startswith("failed")
    assert "MessageGroupId" in told
    assert not await gateway.receive(10, 1)


@pytest.mark.parametrize("fifo", [False, True])
async def test_what_a_jms_template_of_spring_sends_is_a_request(cloud, java, opened, fifo):
    queue = name(servers.fresh_queue(cloud, fifo))
    gateway = await opened(f"sqs://{queue}?replies=s3://{servers.fresh_bucket(cloud)}/orders")
    sending = java("jms-template", queue)
    (delivery,) = await gateway.receive(1, LONG)
    assert NOTE in delivery.message.body
    assert delivery.message.violation is None
    await delivery.answer(None)
    assert await said(sending) == "sent"


async def test_the_temporary_queue_client_gets_its_reply_without_a_bucket(cloud, java, opened):
    queue = name(servers.fresh_queue(cloud))
    gateway = await opened(
        f"sqs://{queue}?unsafe_duplicates=true", reply_queues=("__RequesterClientQueues__*",)
    )
    asking = java("ask", queue, "100")
    (delivery,) = await gateway.receive(1, LONG)
    await delivery.answer(Message(body=b"<Reply/>", content_type="text/xml"))
    assert await said(asking) == "reply <Reply/>"


async def test_the_temporary_queue_client_waits_in_vain_with_a_bucket_and_the_log_says_so(
    cloud, java, opened, caplog
):
    queue = name(servers.fresh_queue(cloud))
    gateway = await opened(f"sqs://{queue}?replies=s3://{servers.fresh_bucket(cloud)}/orders")
    asking = java("ask", queue, "5")
    (delivery,) = await gateway.receive(1, LONG)
    assert NOTE in delivery.message.body
    await delivery.answer(Message(body=b"<Reply/>", content_type="text/xml"))
    assert (await said(asking)).startswith("failed")
    (warning,) = [one for one in caplog.messages if "name a queue for their replies" in one]
    assert "need an address without replies=" in warning


async def test_our_client_calls_a_server_of_cxf(cloud, java, opened):
    queue = name(servers.fresh_queue(cloud, fifo=True))
    client = await opened(f"sqs://{queue}")
    java("cxf-serve", queue)
    body = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>%s</e:Body>'
    sent = Message(
        body=body % NOTE + b"</e:Envelope>", content_type="text/xml; charset=utf-8", sender="alice"
    )
    await client.send(sent)
    found = await client.collect("alice", sent.id, LONG)
    assert not found.reply.is_fault
    assert b":Note " in found.reply.body
