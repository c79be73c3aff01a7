"""At the listener: a call past its lifetime is never carried out, and its fault stays the same."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from deployment import Deployment, await_health, end, free_port, legacy_service, log_of, start

from gateway.errors import IdTaken
from gateway.message import Message
from gateway.queue import State
from gateway.queues.registry import open_queue

ROOT = Path(__file__).parents[2]
ENVELOPES = ROOT / "tests" / "golden" / "envelopes"
ORDER = (ENVELOPES / "place_order_11.xml").read_bytes()
NOTICE = (ENVELOPES / "notify_shipment_11.xml").read_bytes()
SETTINGS = """\
queue = "sqlite:///queue.db"
lifetime = 1.0

[services.warehouse]
wsdl = "{legacy}?wsdl"

[listener]
bind = "{bind}"
"""


def http(url: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, str]:
    """Return status, body and Location of an answer."""
    made = urllib.request.Request(url, body, {"Content-Type": "text/xml", **headers})
    try:
        with urllib.request.urlopen(made, timeout=240) as answer:
            return answer.status, answer.read(), answer.headers.get("Location", "")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers.get("Location", "")


@pytest.mark.parametrize("call", [ORDER, NOTICE], ids=["two-way", "one-way"])
def test_a_call_that_waits_for_longer_than_its_lifetime_is_answered_with_expired(tmp_path, call):
    ledger, bind = tmp_path / "ledger", f"127.0.0.1:{free_port()}"
    settings = tmp_path / "gateway.toml"
    with legacy_service("--ledger", str(ledger)) as legacy:
        settings.write_text(SETTINGS.format(legacy=legacy, bind=bind))
        listener = start("listen", settings)
        try:
            await_health(f"http://{bind}", log_of(settings))
            url = f"http://{bind}/warehouse"
            status, _, location = http(url, call, Prefer="respond-async")
            assert status == 202
            time.sleep(1.5)
            for _ in range(2):  # the second gateway finds it answered
                gateway = start("serve", settings)
                try:
                    status, fault, _ = http(f"http://{bind}{location}", Prefer="wait=60")
                finally:
                    end(gateway)
                assert status == 500
                assert b"Server.Expired" in fault
        finally:
            end(listener)
    assert not ledger.exists() or ledger.read_text() == ""


async def test_a_call_replayed_across_kills_of_the_gateway_is_carried_out_once(tmp_path):
    made = Deployment(tmp_path)
    made.private.parent.mkdir()
    with legacy_service("--ledger", str(made.ledger)) as legacy:
        settings = f'queue = "{made.queue}"\n[services.warehouse]\nwsdl = "{legacy}?wsdl"\n'
        made.private.write_text(settings)
        sent = Message(
            body=ORDER,
            content_type="text/xml; charset=utf-8",
            target_service="warehouse",
            sender="shop",
        )
        replies = []
        for _ in range(3):
            queue = await open_queue(made.queue, tmp_path)
            made.start_gateway()
            try:
                await queue.send(sent)
                found = await queue.collect("shop", sent.id, 240)
                assert found.state is State.REPLY
                replies.append(found.reply.body)
                with pytest.raises(IdTaken):
                    await queue.send(replace(sent, body=ORDER + b"\n"))
            finally:
                await asyncio.to_thread(made.kill_gateway)
                await queue.aclose()
        executed = Counter(line.partition("\t")[2] for line in made.executions())
    assert len(set(replies)) == 1
    assert b"PlaceOrderResponse" in replies[0]
    assert executed == {"golden-place-order-11": 1}
