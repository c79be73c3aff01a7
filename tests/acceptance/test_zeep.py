"""zeep through the queue itself, with no HTTP in between: a call looks like any zeep call."""

from __future__ import annotations

import asyncio
import datetime
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import requests
import zeep
import zeep.exceptions
from lxml import etree

from gateway.client import AsyncQueueTransport, QueueTransport, ReplyPending

ORDER = {
    "customer": {
        "name": "Mill & Sons",
        "address": {"street": "1", "city": "Otley", "postalCode": "LS21 1AA", "country": "GB"},
    },
    "lines": [{"sku": "PAL-0001", "quantity": 3, "unitPrice": Decimal("12.50")}],
    "note": "from a test",
}


@pytest.fixture
def wsdl(deployment) -> str:
    return str(deployment.client.parent / "warehouse.wsdl")


@pytest.fixture
def client(deployment, wsdl):
    with zeep.Client(wsdl, transport=QueueTransport(deployment.queue, "warehouse")) as made:
        yield made


def test_a_reply_has_the_types_of_the_contract(client):
    order = client.service.GetOrder("WH-100001")
    assert (order.orderId, order.status) == ("WH-100001", "delivered")
    assert isinstance(order.placedAt, datetime.datetime)
    assert order.total == Decimal("85.00")
    assert [line.sku for line in order.lines] == ["PAL-0001", "BOX-0002"]


def test_an_operation_that_changes_something_is_carried_out_once(client, deployment):
    before = len(deployment.executions())
    assert client.service.PlaceOrder(**ORDER).total == Decimal("37.50")
    assert len(deployment.executions()) == before + 1


def test_bytes_arrive_as_bytes(client):
    label = client.service.GetLabel("WH-100001")
    assert isinstance(label.label, bytes)
    assert label.label


def test_a_declared_fault_arrives_with_its_detail(client):
    with pytest.raises(zeep.exceptions.Fault) as caught:
        client.service.GetOrder("WH-0")
    detail = client.wsdl.types.deserialize(caught.value.detail[0])
    assert detail.orderId == "WH-0"
    assert caught.value.code.endswith("Client")


def test_a_fault_of_the_gateway_arrives_as_a_fault(client):
    with pytest.raises(zeep.exceptions.Fault) as caught:
        client.service.PlaceOrder(**{**ORDER, "lines": [{**ORDER["lines"][0], "sku": "nonsense"}]})
    assert caught.value.code.endswith("Client")
    assert b"<id>" in etree.tostring(caught.value.detail).replace(b"ns0:", b"")


def test_soap_12_works_as_well(deployment, wsdl):
    with zeep.Client(wsdl, transport=QueueTransport(deployment.queue, "warehouse")) as client:
        service = client.bind("Warehouse", "WarehouseSoap12")
        assert service.GetOrder("WH-100002").orderId == "WH-100002"
        with pytest.raises(zeep.exceptions.Fault) as caught:
            service.GetOrder("WH-0")
        assert caught.value.code.endswith("Sender")


def test_a_one_way_call_returns_at_once_with_nobody_there(client, deployment):
    with deployment.without_gateway():
        before = len(deployment.executions())
        began = time.monotonic()
        shipped = datetime.datetime(2026, 1, 9, tzinfo=datetime.UTC)
        assert client.service.NotifyShipment("WH-100003", "Rail", shipped) is None
        assert time.monotonic() - began < 30  # a wait for the reply would take 60
        assert len(deployment.executions()) == before
    _wait_for(lambda: "NotifyShipment\tWH-100003" in deployment.executions())


def _wait_for(holds) -> None:
    until = time.monotonic() + 240
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_wait_that_runs_out_is_a_timeout_as_zeeps_users_know_it(deployment, wsdl):
    transport = QueueTransport(deployment.queue, "warehouse", operation_timeout=0.2)
    with deployment.without_gateway(), zeep.Client(wsdl, transport=transport) as client:
        with pytest.raises(requests.Timeout) as caught:
            client.service.GetOrder("WH-100001")
        assert isinstance(caught.value, ReplyPending)
        assert len(caught.value.id) == 26
        told = f"do not send it again. Its id is {caught.value.id}: collect its reply with that id"
        assert told in str(caught.value)


def test_a_queue_that_cannot_be_opened_is_told(wsdl, tmp_path):
    transport = QueueTransport("sqlite:///nowhere/queue.db", "warehouse", folder=tmp_path)
    client = zeep.Client(wsdl, transport=transport)
    with pytest.raises(Exception, match="there is no folder"):
        client.service.GetOrder("WH-100001")
    transport.close()


def test_a_transport_whose_queue_could_not_be_opened_can_be_closed(wsdl, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    down = "s3://orders/p?endpoint_url=http://127.0.0.1:9&region=eu-west-1"
    transport = QueueTransport(down, "warehouse")
    client = zeep.Client(wsdl, transport=transport)
    with pytest.raises(requests.ConnectionError):
        client.service.GetOrder("WH-100001")
    transport.close()
    transport.close()


@pytest.fixture
def silent():
    """The address of a queue whose store takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        yield f"s3://orders/p?endpoint_url=http://127.0.0.1:{port}&region=eu-west-1"


@pytest.fixture
def _credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    # Of the opening itself; without a cure each close waits for its end.
    monkeypatch.setattr("gateway.client.calls.ACCEPTING", 0.2)


@pytest.mark.usefixtures("_credentials")
def test_a_transport_whose_queue_is_still_being_opened_is_closed_at_once(wsdl, silent):
    transport = QueueTransport(silent, "warehouse", operation_timeout=0.1)
    client = zeep.Client(wsdl, transport=transport)
    with pytest.raises(requests.ConnectionError, match="check that its store works"):
        client.service.GetOrder("WH-100001")
    opening = transport._calls._opening
    transport.close()
    assert opening.cancelled()  # it was not waited for: that takes half a minute


@pytest.mark.usefixtures("_credentials")
async def test_a_call_that_waits_for_the_opening_is_told_that_the_transport_was_closed(
    wsdl, silent, monkeypatch
):
    monkeypatch.setattr("gateway.client.calls.ACCEPTING", 60.0)
    transport = AsyncQueueTransport(silent, "warehouse", operation_timeout=60.0)
    async with zeep.AsyncClient(wsdl, transport=transport) as client:
        call = asyncio.create_task(client.service.GetOrder("WH-100001"))
        while transport._calls._opening is None:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        await transport._calls.aclose()
        with pytest.raises(requests.ConnectionError, match="was closed"):
            await call


def test_threads_may_share_a_client(client):
    ids = [f"WH-10000{1 + n % 5}" for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda id: client.service.GetOrder(id).orderId, ids))
    assert found == ids


def test_closing_fails_the_calls_under_way_and_those_that_come_later(deployment, wsdl):
    transport = QueueTransport(deployment.queue, "warehouse")
    client = zeep.Client(wsdl, transport=transport)
    with deployment.without_gateway(), ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(client.service.GetOrder, "WH-100001") for _ in range(4)]
        time.sleep(0.5)
        transport.close()
        for call in calls:
            with pytest.raises(requests.ConnectionError):
                call.result(timeout=240)
    with pytest.raises(requests.ConnectionError):
        client.service.GetOrder("WH-100001")


async def test_the_async_client_works_the_same(deployment, wsdl):
    transport = AsyncQueueTransport(deployment.queue, "warehouse")
    async with zeep.AsyncClient(wsdl, transport=transport) as client:
        ids = [f"WH-10000{1 + n % 5}" for n in range(20)]
        orders = await asyncio.gather(*(client.service.GetOrder(id) for id in ids))
        assert [order.orderId for order in orders] == ids
        with pytest.raises(zeep.exceptions.Fault):
            await client.service.GetOrder("WH-0")
        shipped = datetime.datetime(2026, 1, 9, tzinfo=datetime.UTC)
        assert await client.service.NotifyShipment("WH-100003", "Rail", shipped) is None


def test_an_http_get_binding_is_refused_with_a_reason(client):
    with pytest.raises(zeep.exceptions.TransportError, match="HTTP GET"):
        client.transport.get("http://x/", {}, {})


def test_zeep_through_the_listener_sees_the_listeners_address_only(deployment):
    client = zeep.Client(f"{deployment.listener}/warehouse?wsdl")
    assert client.service._binding_options["address"] == f"{deployment.listener}/warehouse"
    assert client.service.GetOrder("WH-100001").orderId == "WH-100001"
