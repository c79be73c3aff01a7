"""Java with Amazon's own libraries, for JMS and for large messages, against our queue."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import clouds
import pytest
import servers
from deployment import ROOT
from servers import Cloud

from gateway.message import Message
from gateway.queues.aws.address import parse_sqs
from gateway.queues.options import QueueOptions
from gateway.queues.sqs.queue import SqsQueue

JAVA = ROOT / "contrib" / "clients" / "java"
JARS = JAVA / "build" / "lib"
ENVELOPE = '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/></e:Envelope>'
LONG = 240.0
ANYONE = "127.0.0.1"
"""The principal of all who send to ElasticMQ."""


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not any(JARS.glob("amazon-sqs-java-messaging-lib-*.jar")) or not shutil.which("javac"):
        # As of the other client in Java, CI may go without.
        pytest.skip("Amazon's libraries for Java are not here: contrib/clients/install.sh")
    folder = tmp_path_factory.mktemp("classes")
    source = JAVA / "SoapJms.java"
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
def java(classes: Path) -> Iterator[object]:
    """Return what starts the Java program; none of them outlives the test."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[str]:
            command = [
                *servers.JAVA,
                "-Xmx128m",
                "-cp",
                f"{classes}:{JARS}/*",
                "SoapJms",
                *arguments,
            ]
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def name(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.mark.parametrize("kind", ["text", "byte"])
async def test_a_java_client_gets_the_reply_of_a_gateway_in_its_reply_queue(cloud, java, kind):
    queue, replies = name(servers.fresh_queue(cloud)), name(servers.fresh_queue(cloud))
    gateway = await SqsQueue.open(
        parse_sqs(f"sqs://{queue}?unsafe_duplicates=true"), QueueOptions(reply_queues=(replies,))
    )
    calling = java("call", queue, replies, kind, ENVELOPE)
    (delivery,) = await gateway.receive(1, LONG)
    assert delivery.message.body == ENVELOPE.encode()
    assert delivery.message.soap_action == "urn:echo"
    await delivery.answer(
        Message(body=b"<Reply>\xc3\xa4</Reply>", content_type="text/xml", is_fault=True)
    )
    output, _ = await asyncio.to_thread(calling.communicate, timeout=LONG)
    await gateway.aclose()
    assert output.splitlines() == ["correlated", kind, "text/xml", "true", "<Reply>\u00e4</Reply>"]


async def test_what_the_extended_client_of_java_put_into_the_bucket_is_read(cloud, java, caplog):
    queue, replies = name(servers.fresh_queue(cloud)), name(servers.fresh_queue(cloud))
    bucket = servers.fresh_bucket(cloud)
    gateway = await SqsQueue.open(
        parse_sqs(f"sqs://{queue}?replies=s3://{bucket}/orders"),
        QueueOptions(senders={ANYONE: "shop"}),
    )
    java("call", queue, replies, "byte", ENVELOPE, bucket, "orders/payloads/shop/")
    (delivery,) = await gateway.receive(1, LONG)
    assert delivery.message.body == ENVELOPE.encode()
    assert "requests of shop name a queue for their replies" in caplog.text
    await delivery.answer(None)
    await gateway.aclose()
    with contextlib.closing(servers.client(cloud, "s3")) as s3:
        left = s3.list_objects_v2(Bucket=bucket, Prefix="orders/payloads/")
    assert left["KeyCount"] == 0


async def test_our_client_calls_a_server_of_java(cloud, java):
    queue = name(servers.fresh_queue(cloud))
    client = await SqsQueue.open(parse_sqs(f"sqs://{queue}?unsafe_duplicates=true"), QueueOptions())
    java("serve", queue)
    sent = Message(body=ENVELOPE.encode(), content_type="text/xml", sender="alice")
    await client.send(sent)
    found = await client.collect("alice", sent.id, LONG)
    await client.aclose()
    assert found.reply.body == f"<Echo>{ENVELOPE}</Echo>".encode()
    assert found.reply.is_fault
