"""Gateways and clients that share nothing but a queue: every way to call, and a kill."""

from __future__ import annotations

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import forks
import kinds
import pytest
import zeep
import zeep.exceptions
from deployment import Deployment, deployed, end, start

from gateway.client import QueueTransport

ENVELOPE = b"""\
<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>
<GetOrder xmlns="urn:example:warehouse:types"><orderId>WH-100001</orderId></GetOrder>
</Body></Envelope>"""
ORDER = {
    "customer": {
        "name": "Mill & Sons",
        "address": {"street": "1", "city": "Otley", "postalCode": "LS21 1AA", "country": "GB"},
    },
    "lines": [{"sku": "PAL-0001", "quantity": 3, "unitPrice": Decimal("12.50")}],
}


@pytest.fixture(params=kinds.KINDS)
def fleet(request, tmp_path, monkeypatch):
    queue = kinds.address(request.param, request, monkeypatch)
    with deployed(tmp_path, queue) as made:
        yield made


@pytest.fixture
def client(fleet: Deployment):
    wsdl = str(fleet.client.parent / "warehouse.wsdl")
    with zeep.Client(wsdl, transport=QueueTransport(fleet.queue, "warehouse")) as made:
        yield made


def post(fleet: Deployment) -> bytes:
    call = urllib.request.Request(
        f"{fleet.listener}/warehouse", ENVELOPE, {"Content-Type": "text/xml"}
    )
    with urllib.request.urlopen(call, timeout=240) as response:
        return response.read()


def call(fleet: Deployment, *words: str) -> dict[str, object]:
    done = forks.run(["call", "-c", fleet.client, "--json", "warehouse", *words])
    return json.loads(done.stdout or json.dumps({"failed": done.stderr}))


def test_every_way_to_call_brings_the_reply_and_a_kill_half_way_loses_nothing(fleet, client):
    second = start("serve", fleet.private)
    try:
        assert client.service.GetOrder("WH-100001").total == Decimal("85.00")
        assert b">delivered<" in post(fleet)
        assert call(fleet, "GetOrder", "orderId=WH-100001")["reply"]["status"] == "delivered"
        with pytest.raises(zeep.exceptions.Fault, match="NO-SUCH"):
            client.service.GetOrder("NO-SUCH")
        before = len(fleet.executions())
        assert client.service.PlaceOrder(**ORDER).total == Decimal("37.50")
        assert len(fleet.executions()) == before + 1
        with ThreadPoolExecutor(8) as threads:
            calls = [threads.submit(client.service.GetOrder, "WH-100001") for _ in range(24)]
            fleet.kill_gateway()
            assert all(one.result().status == "delivered" for one in calls)
        fleet.start_gateway()
    finally:
        end(second)


def test_clients_read_the_contract_out_of_the_bucket(fleet):
    forks.run(["publish", "-c", fleet.private]).check_returncode()
    transport = QueueTransport(fleet.queue, "warehouse")
    with zeep.Client(transport.wsdl, transport=transport) as client:
        assert client.service.GetOrder("WH-100001").status == "delivered"
    settings = fleet.client.read_text().replace("warehouse.wsdl", "queue:")
    fleet.client.write_text(settings)
    assert call(fleet, "GetOrder", "orderId=WH-100001")["reply"]["status"] == "delivered"
