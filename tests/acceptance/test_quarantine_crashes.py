"""``gateway quarantine send-again`` is killed half-way: nothing is lost, nothing is sent twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import faults
import forks
import pytest
import servers
from deployment import ROOT
from servers import Cloud

from gateway.message import Message
from gateway.queue import Queue
from gateway.queues.registry import open_queue

COMMAND = [sys.executable, "-P", "-m", "gateway", "quarantine"]
SOAP = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>'
KILLED = -signal.SIGKILL
PATIENCE = 240.0


def configure(folder: Path, queue: str) -> None:
    (folder / "warehouse.wsdl").write_bytes((ROOT / "wsdl" / "warehouse.wsdl").read_bytes())
    settings = f'queue = "{queue}"\n[services.a]\nwsdl = "warehouse.wsdl"\n'
    (folder / "gateway.toml").write_text(settings)


@contextlib.asynccontextmanager
async def opened(folder: Path, address: str) -> AsyncIterator[Queue]:
    queue = await open_queue(address, folder)
    try:
        yield queue
    finally:
        await queue.aclose()


async def put_aside(folder: Path, address: str) -> str:
    async with opened(folder, address) as queue:
        sent = Message(body=SOAP, content_type="text/xml", sender="shop")
        await queue.send(sent)
        (delivery,) = await queue.receive(1, 240)
        await delivery.quarantine("Client: no", None)
    return sent.id


async def found(folder: Path, address: str) -> tuple[list[str], list[Message]]:
    """Return the ids of the entries, and the requests that wait."""
    async with opened(folder, address) as queue:
        entries = [entry.id async for entry in queue.quarantine.entries()]
        deliveries = await queue.receive(10, 0.5)
    return entries, [delivery.message for delivery in deliveries]


async def run(folder: Path, *arguments: str, before: Sequence[str] = ()) -> tuple[int, str]:
    if not before:
        done = await asyncio.to_thread(forks.run, ["quarantine", *arguments], folder)
        assert "Traceback" not in done.stdout + done.stderr
        return done.returncode, done.stdout + done.stderr
    process = await asyncio.create_subprocess_exec(
        *before, *COMMAND, *arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert b"Traceback" not in output
    return process.returncode, output.decode()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not here: install it")
async def test_killed_at_any_write_of_the_queue_file_a_request_is_in_one_place(tmp_path):
    address = "sqlite:///queue.db"
    configure(tmp_path, address)
    id = await put_aside(tmp_path, address)
    kills = 0
    for call, when in (
        ("pwrite64", 1),
        ("pwrite64", 2),
        ("pwrite64", 4),
        ("pwrite64", 6),
        ("fdatasync", 1),
        ("fdatasync", 2),
    ):
        trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
        trace += ["-e", f"inject={call}:signal=SIGKILL:when={when}"]
        status, _ = await run(tmp_path, "send-again", id, before=trace)
        kills += status != 0
        entries, waiting = await found(tmp_path, address)
        assert len(entries) + len(waiting) == 1, (call, when)
        if waiting:
            break  # the kill came after the commit
    assert kills > 0, "no kill hit a write: the test proved nothing"
    if not waiting:
        await run(tmp_path, "send-again", id)
        entries, waiting = await found(tmp_path, address)
    assert entries == []
    assert [(one.body, one.correlation_id) for one in waiting] == [(SOAP, id)]


POINTS = {
    "the new id is noted": ("PUT", "/quarantine/again/"),
    "the request is sent": ("PUT", "/requests/"),
    "the entry is removed": ("DELETE", "/quarantine/"),
}


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_any_write_of_a_bucket_the_next_try_sends_the_same_request_once(
    tmp_path, ministack_cloud: Cloud, monkeypatch, point, is_done
):
    for name, value in servers.environment(ministack_cloud).items():
        monkeypatch.setenv(name, value)
    address = f"s3://{servers.fresh_bucket(ministack_cloud)}/orders"
    configure(tmp_path, address)
    id = await put_aside(tmp_path, address)
    async with faults.FaultProxy(ministack_cloud.s3) as proxy:
        environ = {**os.environ, "AWS_ENDPOINT_URL_S3": proxy.url}
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "send-again", id, cwd=tmp_path, env=environ
        )

        async def kill(call: faults.Call, forward: faults.Forward) -> None:
            if is_done:
                await forward()
            process.kill()

        rule = proxy.inject(kill, faults.kind(*POINTS[point]))
        assert await asyncio.wait_for(process.wait(), PATIENCE) == KILLED
        assert rule.hits == 1
    is_over = is_done and point == "the entry is removed"
    status, output = await run(tmp_path, "send-again", id, "--json")
    assert status == (2 if is_over else 0), output
    entries, waiting = await found(tmp_path, address)
    assert entries == []
    assert [(one.body, one.correlation_id) for one in waiting] == [(SOAP, id)]
    if not is_over:
        assert json.loads(output)["sent_again"] == waiting[0].id


GATEWAY = """\
queue = "{queue}"

[services.warehouse]
wsdl = "warehouse.wsdl"
forward = "http://127.0.0.1:9/nobody"

[gateway]
lease = 2.0
"""
REFUSED = (ROOT / "tests" / "golden" / "envelopes" / "place_order_invalid_11.xml").read_bytes()
LAST = {
    "s3": ("s3://{bucket}/orders", faults.kind("DELETE", "/requests/")),
    "doorbell": ("s3://{bucket}/orders?doorbell={queue}", faults.kind("DELETE", "/requests/")),
    "sqs": ("sqs://{queue}?replies=s3://{bucket}/orders", faults.kind("DeleteMessageBatch")),
}
"""An address, and what removes a request that was put aside."""


@pytest.mark.parametrize("queue_kind", LAST)
async def test_a_gateway_killed_between_the_copy_and_the_removal_leaves_one_entry(
    tmp_path, ministack_cloud: Cloud, monkeypatch, queue_kind
):
    for name, value in servers.environment(ministack_cloud).items():
        monkeypatch.setenv(name, value)
    template, removal = LAST[queue_kind]
    address = template.format(
        bucket=servers.fresh_bucket(ministack_cloud),
        queue=servers.fresh_queue(ministack_cloud).rpartition("/")[2],
    )
    configure(tmp_path, address)
    (tmp_path / "warehouse.xsd").write_bytes((ROOT / "wsdl" / "warehouse.xsd").read_bytes())
    (tmp_path / "gateway.toml").write_text(GATEWAY.format(queue=address))
    sent = Message(body=REFUSED, content_type="text/xml", sender="shop", target_service="warehouse")
    async with faults.FaultProxy(ministack_cloud.s3) as proxy, opened(tmp_path, address) as queue:
        environ = {
            **os.environ,
            "AWS_ENDPOINT_URL_S3": proxy.url,
            "AWS_ENDPOINT_URL_SQS": proxy.url,
        }
        serve = [sys.executable, "-P", "-m", "gateway", "serve"]
        first = await asyncio.create_subprocess_exec(*serve, cwd=tmp_path, env=environ)

        async def kill(call: faults.Call, forward: faults.Forward) -> None:
            first.kill()

        rule = proxy.inject(kill, removal)
        await queue.send(sent)
        assert await asyncio.wait_for(first.wait(), PATIENCE) == KILLED
        assert rule.hits == 1
        fault = (await queue.collect("shop", sent.id, 240)).reply
        second = await asyncio.create_subprocess_exec(*serve, cwd=tmp_path)
        try:
            await emptied(queue)
        finally:
            second.terminate()
            await second.wait()
        (entry,) = [one async for one in queue.quarantine.entries()]
        assert (entry.id, entry.code) == (sent.id, "Client.schema")
        assert (await queue.quarantine.read(entry)).body == REFUSED
        assert (await queue.collect("shop", sent.id, 240)).reply.body == fault.body


async def emptied(queue: Queue) -> None:
    """Wait until nothing waits in a queue, and nothing is held."""
    async with asyncio.timeout(PATIENCE):
        while (await queue.status()).depth:
            await asyncio.sleep(0.2)
