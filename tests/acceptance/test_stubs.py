"""A client stub from the demo's WSDL, against its old service: by queue, listener and HTTP."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib.util
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from gateway.client import ReplyPending
from gateway.contract import from_documents
from gateway.stubs import SoapFault, UnwritableValue

PATIENCE = 240.0


def made(wsdl: Path, folder: Path, *options: str) -> ModuleType:
    """Have ``gateway stubs`` write a client, and import it."""
    path = folder / f"stub_{len(list(folder.iterdir()))}.py"
    command = [sys.executable, "-P", "-m", "gateway", "stubs", str(wsdl), "--client", str(path)]
    subprocess.run([*command, *options], check=True, capture_output=True)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("stubs")


@pytest.fixture(scope="module")
def wsdl(deployment) -> Path:
    return deployment.client.parent / "warehouse.wsdl"


@pytest.fixture(scope="module")
def stub(wsdl, folder) -> ModuleType:
    return made(wsdl, folder)


@pytest.fixture(params=["queue", "listener", "straight"])
def client(request, deployment, stub):
    """A client for each kind of address."""
    addresses = {
        "queue": deployment.queue,
        "listener": f"{deployment.listener}/warehouse",
        "straight": deployment.legacy,
    }
    with stub.WarehouseClient(addresses[request.param]) as client:
        yield client


def customer(stub: ModuleType):
    address = stub.Address(street="1", city="Otley", postal_code="LS21 1AA", country="GB")
    return stub.Customer(name="Mill & Sons", address=address)


def test_a_reply_is_a_record_with_typed_values(client, stub):
    order = client.get_order("WH-100001")
    assert isinstance(order, stub.Order)
    assert order.status is stub.OrderStatus.DELIVERED
    assert isinstance(order.placed_at, dt.datetime)
    assert order.total == Decimal("85.00")
    assert [line.sku for line in order.lines] == ["PAL-0001", "BOX-0002"]


def test_a_derived_type_arrives_as_its_own_class(client, stub):
    orders = client.list_orders(1000)  # the newest first, and other tests place orders too
    assert any(isinstance(one, stub.ExpressOrder) for one in orders)
    assert all(isinstance(one, stub.Order) for one in orders)


def test_what_is_sent_is_what_the_contract_wants(client, stub, deployment):
    before = len(deployment.executions())
    placed = client.place_order(
        customer(stub),
        [stub.OrderLine(sku="PAL-0001", quantity=3, unit_price=Decimal("12.50"), gift=True)],
        None,
        payment=stub.Payment(invoice=stub.Invoice(due_days=14)),
        requested_delivery=dt.date(2031, 5, 6),
        call_key="test-1",
    )
    assert placed.total == Decimal("37.50")
    assert len(deployment.executions()) == before + 1
    order = client.get_order(placed.order_id)
    assert order.customer == customer(stub)
    assert order.note is None
    assert order.payment == stub.Payment(invoice=stub.Invoice(due_days=14))


def test_bytes_arrive_as_bytes(client):
    label = client.get_label("WH-100001")
    assert isinstance(label.label, bytes)
    assert label.label


def test_a_declared_fault_is_an_exception_with_its_detail(client, stub):
    with pytest.raises(stub.OrderNotFoundFault) as caught:
        client.get_order("WH-0")
    assert caught.value.detail == stub.OrderNotFound(order_id="WH-0", hint=caught.value.detail.hint)
    assert caught.value.code == "Client"


def test_a_one_way_call_returns_nothing(client, deployment):
    before = deployment.executions().count("NotifyShipment\tWH-100003")
    assert (
        client.notify_shipment("WH-100003", "Rail", dt.datetime(2026, 1, 9, tzinfo=dt.UTC)) is None
    )
    until = time.monotonic() + PATIENCE
    while deployment.executions().count("NotifyShipment\tWH-100003") == before:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_fault_of_the_gateway_is_a_soap_fault(stub, deployment):
    lines = [stub.OrderLine(sku="nonsense", quantity=1, unit_price=Decimal(1))]
    with (
        stub.WarehouseClient(deployment.queue) as client,
        pytest.raises(SoapFault, match="follow the contract") as caught,
    ):
        client.place_order(customer(stub), lines, None)
    assert not isinstance(caught.value, stub.OutOfStockFault)
    assert caught.value.detail is not None


def test_a_wait_that_runs_out_has_the_id_of_the_request(stub, deployment):
    with (
        deployment.without_gateway(),
        stub.WarehouseClient(deployment.queue, timeout=0.2) as client,
        pytest.raises(ReplyPending) as caught,
    ):
        client.get_order("WH-100001")
    assert len(caught.value.id) == 26
    assert f"do not send it again. Its id is {caught.value.id}: " in str(caught.value)


def test_a_value_that_is_none_is_refused_before_anything_is_sent(stub, deployment):
    with (
        stub.WarehouseClient(deployment.queue) as client,
        pytest.raises(UnwritableValue, match=r"ListOrders\.limit is not of type int"),
    ):
        client.list_orders("many")


def test_soap_12_and_asyncio_work_as_well(wsdl, folder, deployment):
    stub = made(wsdl, folder, "--async", "--port", "WarehouseSoap12")

    async def use(address: str) -> str:
        async with stub.AsyncWarehouseClient(address) as client:
            orders = await asyncio.gather(*(client.get_order("WH-100001") for _ in range(5)))
            with pytest.raises(stub.OrderNotFoundFault) as caught:
                await client.get_order("WH-0")
            assert caught.value.code.startswith("Sender")
            return {order.order_id for order in orders}

    for address in (deployment.queue, f"{deployment.listener}/warehouse"):
        assert asyncio.run(use(address)) == {"WH-100001"}


def test_an_embedded_contract_checks_requests_before_they_are_sent(wsdl, folder, deployment):
    stub = made(wsdl, folder, "--embed")
    documents = stub.WarehouseClient.wsdl()
    assert next(iter(documents)) == "service.wsdl"
    assert b"warehouse.internal" not in documents["service.wsdl"]
    assert from_documents(documents, "service.wsdl").operations
    with stub.WarehouseClient(deployment.queue) as client:
        assert client.get_order("WH-100001").order_id == "WH-100001"
        lines = [stub.OrderLine(sku="nonsense", quantity=1, unit_price=Decimal(1))]
        with pytest.raises(UnwritableValue, match="lines/sku"):
            client.place_order(customer(stub), lines, None)
