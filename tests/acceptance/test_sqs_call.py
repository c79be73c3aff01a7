"""``gateway call`` where replies come by queue: what it says of them, and what it leaves behind."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clouds
import pytest
import servers
from deployment import ROOT

pytestmark = pytest.mark.usefixtures("ctrl_c_is_heard")

LONG = 240.0
SETTINGS = """\
queue = "sqs://{queue}"

[services.warehouse]
wsdl = "{wsdl}"

[listener]
wait = {wait}
"""
ENVELOPE = """\
<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>
<GetOrder xmlns="urn:example:warehouse:types"><orderId>WH-100001</orderId></GetOrder>
</e:Body></e:Envelope>
"""


class Place:
    """A FIFO queue that no gateway serves, and a program that calls through it."""

    def __init__(self, sqs: Any, url: str, folder: Path) -> None:
        self.sqs = sqs
        self.url = url
        self._folder = folder

    def call(self, *, wait: float, as_file: bool = False) -> subprocess.Popen[str]:
        settings, envelope = self._folder / "gateway.toml", self._folder / "envelope.xml"
        queue, wsdl = self.url.rpartition("/")[2], ROOT / "wsdl" / "warehouse.wsdl"
        settings.write_text(SETTINGS.format(queue=queue, wsdl=wsdl, wait=wait))
        envelope.write_text(ENVELOPE)
        what = ["--envelope", str(envelope)] if as_file else ["GetOrder", "orderId=WH-100001"]
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "gateway", "call", "-c", settings, "warehouse", *what],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def request(self) -> dict[str, str]:
        """Return the attributes of the request, once it is in the queue."""
        until = time.monotonic() + LONG
        while time.monotonic() < until:
            answer = self.sqs.receive_message(
                QueueUrl=self.url, MessageAttributeNames=["All"], WaitTimeSeconds=1
            )
            for one in answer.get("Messages", []):
                given = one["MessageAttributes"].items()
                return {name: attribute["StringValue"] for name, attribute in given}
        raise AssertionError("no request came")

    def has_reply_queue(self, name: str) -> bool:
        urls = self.sqs.list_queues(QueueNamePrefix="gateway-replies-").get("QueueUrls", [])
        return name in [url.rpartition("/")[2] for url in urls]


@pytest.fixture
def place(request, monkeypatch, tmp_path) -> Iterator[Place]:
    cloud = clouds.started("ministack", request)
    for name, value in servers.environment(cloud).items():
        monkeypatch.setenv(name, value)
    with contextlib.closing(servers.client(cloud, "sqs")) as sqs:
        yield Place(sqs, servers.fresh_queue(cloud, fifo=True), tmp_path)


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_call_that_is_ended_removes_its_reply_queue(place, as_file, number):
    with place.call(wait=600, as_file=as_file) as calling:
        replies = place.request()["JMS_SQSReplyToQueueName"]
        assert place.has_reply_queue(replies)
        calling.send_signal(number)
        output, errors = calling.communicate(timeout=LONG)
    assert calling.returncode != 0
    assert not place.has_reply_queue(replies)
    assert "Traceback" not in output + errors


@pytest.mark.parametrize("as_file", [False, True])
def test_a_call_without_a_reply_in_time_says_that_its_reply_is_lost(place, as_file):
    with place.call(wait=0.5, as_file=as_file) as calling:
        output, errors = calling.communicate(timeout=LONG)
    told = " ".join((output + errors).split())
    assert calling.returncode == 1
    assert "do not send it again" in told
    assert "its reply is lost" in told
    assert "/replies/" not in told
    assert json.loads(place.request()["gateway"])["id"] in told


@pytest.mark.parametrize("mark", ["ExtendedPayloadSize", "SQSLargePayloadSize"])
def test_a_reply_that_is_a_pointer_is_told_as_a_fault_with_the_cure(place, mark):
    with place.call(wait=LONG) as calling:
        request = place.request()
        pointer = {"s3BucketName": "theirs", "s3Key": "7f3c9a52"}
        place.sqs.send_message(
            QueueUrl=request["JMS_SQSReplyToQueueURL"],
            MessageBody=json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", pointer]),
            MessageAttributes={
                "JMS_SQSCorrelationID": {
                    "DataType": "String",
                    "StringValue": request["JMS_SQSCorrelationID"],
                },
                "SOAPJMS_contentType": {"DataType": "String", "StringValue": "text/xml"},
                mark: {"DataType": "Number", "StringValue": "300000"},
            },
        )
        output, errors = calling.communicate(timeout=LONG)
    told = " ".join((output + errors).split())
    assert calling.returncode == 1
    assert "The reply is kept in S3" in told
    assert "have the service send its replies whole" in told
    assert "XML" not in told
    assert "7f3c9a52" not in told
