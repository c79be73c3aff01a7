"""The legacy server, called over HTTP: by zeep, and with raw envelopes."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import zeep
from lxml import etree

from gateway.demo import legacy

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "envelopes"
TYPES = "{urn:example:warehouse:types}"
SOAP11 = "{http://schemas.xmlsoap.org/soap/envelope/}"
SOAP12 = "{http://www.w3.org/2003/05/soap-envelope}"
MEDIA_TYPES = {"11": "text/xml", "12": "application/soap+xml"}
PORTS = ["WarehouseSoap11", "WarehouseSoap12"]
PRIVATE = b"warehouse.internal.example"


@dataclass
class Server:
    url: str
    ledger: Path

    def lines(self) -> list[str]:
        return self.ledger.read_text().splitlines()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=240)


@dataclass
class Process(Server):
    process: subprocess.Popen[str]


@contextmanager
def running(ledger: Path, *options: str) -> Iterator[Process]:
    command = [sys.executable, "-m", "gateway.demo.legacy", "--port", "0", "--ledger", str(ledger)]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        words = process.stdout.readline().split()
        assert words[:2] == ["listening", "on"]
        yield Process(words[2], ledger, process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server in a thread of this process: it starts at once."""
    with legacy.listen("127.0.0.1", 0, tmp_path / "ledger") as server:
        # Closing waits for the next look: the usual half a second is long for so many tests.
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Server(server.url, tmp_path / "ledger")
        server.shutdown()
        thread.join()


@pytest.fixture(params=PORTS)
def client(server: Server, request: pytest.FixtureRequest) -> Iterator[zeep.Client]:
    with requests.Session() as session:
        session.trust_env = False
        transport = zeep.Transport(session=session)
        yield zeep.Client(f"{server.url}?wsdl", port_name=request.param, transport=transport)


@pytest.fixture
def connection(server: Server) -> Iterator[http.client.HTTPConnection]:
    connection = server.connect()
    yield connection
    connection.close()


def post(
    connection: http.client.HTTPConnection, body: bytes | str, version: str = "11", **headers: str
) -> tuple[int, bytes]:
    data = body.encode() if isinstance(body, str) else body
    content_type = f"{MEDIA_TYPES[version]}; charset=utf-8"
    connection.request("POST", "/Warehouse", data, {"Content-Type": content_type, **headers})
    response = connection.getresponse()
    return response.status, response.read()


def envelope(payload: str, version: str = "11", header: str = "") -> str:
    namespace = (SOAP11 if version == "11" else SOAP12)[1:-1]
    head = f"<s:Header>{header}</s:Header>" if header else ""
    return f'<s:Envelope xmlns:s="{namespace}">{head}<s:Body>{payload}</s:Body></s:Envelope>'


def get_order(order_id: str, version: str = "11", header: str = "") -> str:
    payload = f'<GetOrder xmlns="{TYPES[1:-1]}"><orderId>{order_id}</orderId></GetOrder>'
    return envelope(payload, version, header)


def golden(name: str) -> tuple[bytes, str]:
    return (GOLDEN / f"{name}.xml").read_bytes(), name[-2:]


def payload_of(reply: bytes) -> Any:
    return etree.fromstring(reply)[0][0]


def fault_code(reply: bytes) -> tuple[str, str]:
    """Return the version that a fault is in, and its code."""
    version = "11" if etree.fromstring(reply).tag == f"{SOAP11}Envelope" else "12"
    path = "faultcode" if version == "11" else f"{SOAP12}Code/{SOAP12}Value"
    return version, str(payload_of(reply).findtext(path)).removeprefix("soap:")


def purchase(**changes: Any) -> dict[str, Any]:
    address = {"street": "2 Quay", "city": "Hull", "postalCode": "HU1 1AA", "country": "GB"}
    line = {"sku": "PAL-0001", "quantity": 3, "unitPrice": Decimal("12.50")}
    gift = {"sku": "BOX-0002", "quantity": 2, "unitPrice": Decimal("0.35"), "gift": True}
    customer = {"name": "Anna Żak", "address": address, "number": "C-1"}
    return {"customer": customer, "lines": [line, gift], **changes}


def test_get_order_returns_a_typed_order(client: zeep.Client) -> None:
    order = client.service.GetOrder("WH-100001")
    assert (order.status, order.currency) == ("delivered", "EUR")
    assert order.placedAt == datetime(2026, 1, 7, 9, 30, tzinfo=UTC)
    assert [(line.sku, line.quantity) for line in order.lines] == [
        ("PAL-0001", 4),
        ("BOX-0002", 100),
    ]
    assert order.total == Decimal("85.00")
    assert order.customer.number == "C-0042"
    assert order.customer.address.city == "Otley"
    assert (order.payment.invoice.dueDays, order.payment.cardToken) == (14, None)
    assert order.note is None
    assert order.shipment.carrier == "Northern Freight"


def test_an_express_order_comes_as_the_extended_type(client: zeep.Client) -> None:
    order = client.service.GetOrder("WH-100002")
    assert type(order).__name__ == "ExpressOrder"
    assert order.courier == "Swift"
    assert order.guaranteedBy == datetime(2026, 1, 10, 12, 30, tzinfo=UTC)
    assert order.lines[0].gift is True
    assert order.payment.cardToken == "tok_4f1c"
    assert order.note == "Fragile <glass>"


def test_list_orders_filters_by_status_day_and_limit(client: zeep.Client) -> None:
    def numbers(**filters: Any) -> list[str]:
        return [order.orderId for order in client.service.ListOrders(**filters) or []]

    assert numbers(limit=2) == ["WH-100005", "WH-100004"]
    assert numbers(limit=9, status="shipped") == ["WH-100002"]
    assert numbers(limit=9, since=date(2026, 1, 10)) == ["WH-100005", "WH-100004"]
    assert numbers(limit=9, since=date(2027, 1, 1)) == []
    assert numbers(limit=0) == []


def test_a_placed_order_is_kept_as_it_was_placed(client: zeep.Client) -> None:
    before = datetime.now(UTC)
    placed = client.service.PlaceOrder(
        **purchase(
            payment={"cardToken": "tok_1"}, requestedDelivery=date(2026, 5, 4), note="Ring twice"
        )
    )
    assert placed.total == Decimal("38.20")
    assert before <= placed.acceptedAt <= datetime.now(UTC)
    order = client.service.GetOrder(placed.orderId)
    assert (order.status, order.placedAt) == ("received", placed.acceptedAt)
    assert (order.customer.name, order.customer.number) == ("Anna Żak", "C-1")
    assert order.customer.email is None
    assert [line.gift for line in order.lines] == [False, True]
    assert order.lines[1].unitPrice == Decimal("0.35")
    assert order.payment.cardToken == "tok_1"
    assert order.requestedDelivery == date(2026, 5, 4)
    assert order.note == "Ring twice"


def test_an_order_without_payment_and_note_is_on_account(client: zeep.Client) -> None:
    order = client.service.GetOrder(client.service.PlaceOrder(**purchase()).orderId)
    assert order.payment.invoice.dueDays == 30
    assert order.note is None
    assert order.requestedDelivery is None


def test_get_label_returns_bytes(client: zeep.Client) -> None:
    reply = client.service.GetLabel("WH-100004")
    assert reply.mimeType == "application/zpl"
    assert reply.label.startswith(b"^XA")
    assert "Hafenstraße 7".encode() in reply.label


def test_a_shipment_is_noted_without_a_reply(client: zeep.Client) -> None:
    shipped_at = datetime(2026, 1, 12, 15, 45, tzinfo=UTC)
    assert client.service.NotifyShipment("WH-100003", "Swift", shipped_at) is None
    order = client.service.GetOrder("WH-100003")
    assert order.status == "shipped"
    assert (order.shipment.carrier, order.shipment.shippedAt) == ("Swift", shipped_at)


@pytest.mark.parametrize("operation", ["GetOrder", "GetLabel"])
def test_an_unknown_order_is_a_typed_fault(client: zeep.Client, operation: str) -> None:
    with pytest.raises(zeep.exceptions.Fault, match=r"There is no order WH-999999\.") as caught:
        client.service[operation]("WH-999999")
    detail = client.wsdl.types.deserialize(caught.value.detail[0])
    assert (detail.orderId, "ListOrders" in detail.hint) == ("WH-999999", True)
    assert caught.value.code in ("soap:Client", "soap:Sender")


def test_too_large_an_order_is_a_typed_fault_and_takes_nothing(client: zeep.Client) -> None:
    def glasses(quantity: int) -> list[dict[str, Any]]:
        return [{"sku": "GLA-0003", "quantity": quantity, "unitPrice": Decimal(90)}]

    with pytest.raises(zeep.exceptions.Fault) as caught:
        client.service.PlaceOrder(**purchase(lines=glasses(2) + glasses(2)))
    detail = client.wsdl.types.deserialize(caught.value.detail[0])
    assert (detail.sku, detail.requested, detail.available) == ("GLA-0003", 4, 3)
    assert caught.value.code in ("soap:Server", "soap:Receiver")
    client.service.PlaceOrder(**purchase(lines=glasses(3)))
    with pytest.raises(zeep.exceptions.Fault):
        client.service.PlaceOrder(**purchase(lines=glasses(1)))


GOLDEN_REPLIES = [
    ("get_order_11", "GetOrderResponse"),
    ("get_order_12", "GetOrderResponse"),
    ("list_orders_11", "ListOrdersResponse"),
    ("place_order_11", "PlaceOrderResponse"),
    ("place_order_12", "PlaceOrderResponse"),
    ("get_label_11", "GetLabelResponse"),
]


@pytest.mark.parametrize(("name", "reply"), GOLDEN_REPLIES)
def test_replies_to_golden_envelopes_follow_the_schema(
    server: Server, connection: http.client.HTTPConnection, name: str, reply: str
) -> None:
    body, version = golden(name)
    status, data = post(connection, body, version)
    assert status == 200
    payload = payload_of(data)
    assert payload.tag == f"{TYPES}{reply}"
    schema = etree.XMLSchema(file=str(ROOT / "wsdl" / "warehouse.xsd"))
    # Written out and read again: the schema sees what a client sees.
    schema.assertValid(etree.fromstring(etree.tostring(payload)))


def test_an_order_without_a_note_has_a_nil_one(connection: http.client.HTTPConnection) -> None:
    note = payload_of(post(connection, get_order("WH-100001"))[1]).find(f".//{TYPES}note")
    assert note.get("{http://www.w3.org/2001/XMLSchema-instance}nil") == "true"


def test_every_seeded_order_follows_the_schema(connection: http.client.HTTPConnection) -> None:
    body = envelope(f'<ListOrders xmlns="{TYPES[1:-1]}"><limit>99</limit></ListOrders>')
    payload = payload_of(post(connection, body)[1])
    assert len(payload) == 5
    schema = etree.XMLSchema(file=str(ROOT / "wsdl" / "warehouse.xsd"))
    schema.assertValid(etree.fromstring(etree.tostring(payload)))


def test_a_one_way_call_is_accepted_without_a_body(connection: http.client.HTTPConnection) -> None:
    body, version = golden("notify_shipment_11")
    assert post(connection, body, version) == (202, b"")
    order = payload_of(post(connection, get_order("WH-100003"))[1])
    assert order.findtext(f".//{TYPES}shippedAt") == "2026-01-12T15:45:00Z"


def test_a_declared_fault_follows_the_schema(connection: http.client.HTTPConnection) -> None:
    status, data = post(connection, *golden("get_order_unknown_11"))
    assert (status, fault_code(data)) == (500, ("11", "Client"))
    detail = payload_of(data).find("detail")[0]
    assert detail.tag == f"{TYPES}OrderNotFound"
    schema = etree.XMLSchema(file=str(ROOT / "wsdl" / "warehouse.xsd"))
    schema.assertValid(etree.fromstring(etree.tostring(detail)))


def test_what_the_schema_forbids_is_not_executed(
    server: Server, connection: http.client.HTTPConnection
) -> None:
    status, data = post(connection, *golden("place_order_invalid_11"))
    assert (status, fault_code(data)) == (500, ("11", "Client"))
    assert server.lines() == []


BAD_PAYLOADS = {
    "an unknown operation": f'<DropOrder xmlns="{TYPES[1:-1]}"/>',
    "a wrong namespace": '<GetOrder xmlns="urn:other"><orderId>WH-100001</orderId></GetOrder>',
    "an empty body": "",
    "two operations": f'<ListOrders xmlns="{TYPES[1:-1]}"><limit>1</limit></ListOrders>' * 2,
    "a reply": f'<GetLabelResponse xmlns="{TYPES[1:-1]}"/>',
    "malformed XML": "<GetOrder>",
    "the year 10000": (
        f'<ListOrders xmlns="{TYPES[1:-1]}"><since>10000-01-01</since><limit>1</limit></ListOrders>'
    ),
}


@pytest.mark.parametrize("payload", BAD_PAYLOADS.values(), ids=BAD_PAYLOADS)
@pytest.mark.parametrize(
    ("version", "expected"), [("11", (500, ("11", "Client"))), ("12", (400, ("12", "Sender")))]
)
def test_a_bad_request_gets_a_fault_in_its_own_version(
    server: Server,
    connection: http.client.HTTPConnection,
    payload: str,
    version: str,
    expected: tuple[int, tuple[str, str]],
) -> None:
    status, data = post(connection, envelope(payload, version), version)
    assert (status, fault_code(data)) == expected
    assert server.lines() == []


def test_an_envelope_of_the_other_version_is_a_version_mismatch(
    connection: http.client.HTTPConnection,
) -> None:
    status, data = post(connection, get_order("WH-100001", "12"), "11")
    assert (status, fault_code(data)) == (500, ("11", "VersionMismatch"))
    status, data = post(connection, get_order("WH-100001", "11"), "12")
    assert (status, fault_code(data)) == (500, ("12", "VersionMismatch"))


@pytest.mark.parametrize("version", ["11", "12"])
def test_a_header_that_must_be_understood_and_is_not_is_refused(
    server: Server, connection: http.client.HTTPConnection, version: str
) -> None:
    header = '<x:Ticket xmlns:x="urn:x" s:mustUnderstand="1"/>'
    status, data = post(connection, get_order("WH-100001", version, header), version)
    assert (status, fault_code(data)) == (500, (version, "MustUnderstand"))
    optional = header.replace('"1"', '"0"')
    assert post(connection, get_order("WH-100001", version, optional), version)[0] == 200


def test_a_soap_action_must_be_that_of_the_operation(server: Server) -> None:
    connection = server.connect()
    right, wrong = "urn:example:warehouse/GetOrder", "urn:example:warehouse/PlaceOrder"
    one, two = get_order("WH-100001"), get_order("WH-100001", "12")
    for action, statuses in ((right, (200, 200)), (wrong, (500, 400))):
        media_type = f'application/soap+xml; action="{action}"'
        assert post(connection, one, SOAPAction=f'"{action}"')[0] == statuses[0]
        assert post(connection, two, **{"Content-Type": media_type})[0] == statuses[1]
    connection.close()


def test_entities_are_refused_and_no_file_is_read(
    connection: http.client.HTTPConnection, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("WH-100001")
    doctype = f'<!DOCTYPE a [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
    status, data = post(connection, doctype + get_order("&e;"))
    assert (status, fault_code(data)) == (500, ("11", "Client"))
    assert b"document type" in data


def test_a_type_may_be_named_by_a_prefix_of_the_envelope(
    connection: http.client.HTTPConnection,
) -> None:
    body = golden("place_order_12")[0].decode()
    body = body.replace("<env:Envelope", f'<env:Envelope xmlns:q="{TYPES[1:-1]}"')
    named = body.replace("<t:customer>", '<t:customer xsi:type="q:Customer">')
    assert post(connection, named, "12")[0] == 200
    assert post(connection, named.replace("q:Customer", "q:Order"), "12")[0] == 400


def test_a_comment_does_not_cut_a_text(connection: http.client.HTTPConnection) -> None:
    status, data = post(connection, get_order("WH-<!-- -->100001"))
    assert (status, payload_of(data).findtext(f".//{TYPES}orderId")) == (200, "WH-100001")


@pytest.mark.parametrize(
    ("method", "path", "content_type", "status"),
    [
        ("POST", "/Other", "text/xml", 404),
        ("GET", "/Other", "text/xml", 404),
        ("GET", "/Warehouse?xsd=2", "text/xml", 404),
        ("GET", "/Warehouse", "text/xml", 405),
        ("PUT", "/Warehouse", "text/xml", 405),
        ("DELETE", "/Warehouse", "text/xml", 405),
        ("HEAD", "/Warehouse", "text/xml", 405),
        ("POST", "/Warehouse", "application/json", 415),
        ("POST", "/Warehouse", "multipart/related", 415),
    ],
)
def test_what_is_not_soap_gets_an_http_status(
    connection: http.client.HTTPConnection, method: str, path: str, content_type: str, status: int
) -> None:
    connection.request(method, path, b"<a/>", {"Content-Type": content_type})
    response = connection.getresponse()
    assert (response.status, response.read()) == (status, b"")
    assert (response.getheader("Allow") == "GET, POST") == (status == 405)


def test_a_request_without_a_usable_length_is_refused(server: Server) -> None:
    for headers, status in (
        ({"Transfer-Encoding": "chunked"}, 411),
        ({"Content-Length": "-1"}, 411),
        ({"Content-Length": "99999999"}, 413),
        ({"Content-Encoding": "gzip", "Content-Length": "1"}, 415),
    ):
        connection = server.connect()
        connection.putrequest("POST", "/Warehouse")
        for name, value in {"Content-Type": "text/xml", **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == status
        connection.close()


@pytest.mark.parametrize("name", ["WSDL", "wsdl"])
def test_the_wsdl_names_this_server_and_nothing_private(
    server: Server, connection: http.client.HTTPConnection, name: str
) -> None:
    connection.request("GET", f"/Warehouse?{name}")
    data = connection.getresponse().read()
    assert PRIVATE not in data
    root: Any = etree.fromstring(data)
    addresses = [element.get("location") for element in root.iterfind(".//{*}port/{*}address")]
    assert addresses == [server.url] * 2
    assert root.find(".//{*}import").get("schemaLocation") == f"{server.url}?xsd=1"
    assert PRIVATE in (ROOT / "wsdl" / "warehouse.wsdl").read_bytes()


def test_the_schema_is_served_as_it_is(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/Warehouse?xsd=1")
    response = connection.getresponse()
    assert response.getheader("Content-Type") == "text/xml; charset=utf-8"
    assert response.read() == (ROOT / "wsdl" / "warehouse.xsd").read_bytes()


def test_everything_in_the_contract_is_documented() -> None:
    root = etree.parse(str(ROOT / "wsdl" / "warehouse.wsdl")).getroot()
    wsdl = "{http://schemas.xmlsoap.org/wsdl/}"
    for name in ("message", "portType", "portType/{0}operation", "binding", "service", "types"):
        for element in root.iterfind(f"{wsdl}{name.format(wsdl)}"):
            assert element.findtext(f"{wsdl}documentation"), etree.tostring(element)
    schema = etree.parse(str(ROOT / "wsdl" / "warehouse.xsd")).getroot()
    for element in schema.iterchildren("{*}simpleType", "{*}complexType", "{*}element"):
        assert element.findtext("{*}annotation/{*}documentation"), element.get("name")


def test_calls_keep_the_connection_and_take_no_delayed_acknowledgement(
    connection: http.client.HTTPConnection,
) -> None:
    post(connection, get_order("WH-100001"))
    socket_before, times = connection.sock, []
    assert socket_before is not None
    for _ in range(21):
        begin = time.perf_counter()
        assert post(connection, get_order("WH-100001"))[0] == 200
        times.append(time.perf_counter() - begin)
    assert connection.sock is socket_before
    # Nagle's algorithm would make nearly every call wait 40 ms.
    assert sorted(times)[10] < 0.03


def test_the_ledger_names_each_execution(server: Server, client: zeep.Client) -> None:
    service = client.service
    service.GetOrder("WH-100001")
    service.GetLabel("WH-100002")
    service.NotifyShipment("WH-999998", "Swift", datetime(2026, 1, 12, tzinfo=UTC))
    service.ListOrders(limit=1)
    service.PlaceOrder(**purchase(note="two\twords\nand more"))
    service.PlaceOrder(**purchase())
    service.PlaceOrder(**purchase(note="not this"), _soapheaders={"callKey": "key-7"})
    with pytest.raises(zeep.exceptions.Fault):
        service.GetOrder("WH-999999")
    assert server.lines() == [
        "GetOrder\tWH-100001",
        "GetLabel\tWH-100002",
        "NotifyShipment\tWH-999998",
        "ListOrders\t-",
        "PlaceOrder\ttwo words and more",
        "PlaceOrder\t-",
        "PlaceOrder\tkey-7",
        "GetOrder\tWH-999999",
    ]


def test_the_golden_call_keys_come_to_the_ledger(
    server: Server, connection: http.client.HTTPConnection
) -> None:
    post(connection, *golden("place_order_11"))
    post(connection, *golden("get_order_12"))
    expected = ["PlaceOrder\tgolden-place-order-11", "GetOrder\tgolden-get-order-12"]
    assert server.lines() == expected


def test_an_execution_is_in_the_ledger_before_it_is_answered(tmp_path: Path) -> None:
    with running(tmp_path / "ledger", "--delay", "60") as server:
        connection = server.connect()
        connection.request(
            "POST", "/Warehouse", get_order("WH-100001"), {"Content-Type": "text/xml"}
        )
        deadline = time.monotonic() + 10
        while not server.lines() and time.monotonic() < deadline:
            time.sleep(0.01)
        server.process.kill()
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            connection.getresponse()
        connection.close()
        assert server.lines() == ["GetOrder\tWH-100001"]


def test_a_delay_is_kept_before_each_answer(tmp_path: Path) -> None:
    with running(tmp_path / "ledger", "--delay", "0.3") as server:
        connection = server.connect()
        begin = time.perf_counter()
        assert post(connection, get_order("WH-100001"))[0] == 200
        assert time.perf_counter() - begin >= 0.3
        connection.close()


def test_a_restarted_server_goes_on_in_the_same_ledger(tmp_path: Path) -> None:
    for _ in range(2):
        with running(tmp_path / "ledger") as server:
            connection = server.connect()
            post(connection, get_order("WH-100001"))
            connection.close()
    assert server.lines() == ["GetOrder\tWH-100001"] * 2


def test_nothing_is_done_while_the_ledger_cannot_be_written() -> None:
    with running(Path("/dev/full")) as server:
        connection = server.connect()
        status, data = post(connection, *golden("place_order_12"))
        assert (status, fault_code(data)) == (500, ("12", "Receiver"))
        connection.close()


def test_orders_from_many_connections_are_all_kept(server: Server) -> None:
    body, version = golden("place_order_11")

    def place(_: int) -> list[str]:
        connection = server.connect()
        replies = [post(connection, body, version)[1] for _ in range(25)]
        connection.close()
        return [payload_of(reply).findtext(f"{TYPES}orderId") for reply in replies]

    with ThreadPoolExecutor(8) as pool:
        numbers = [number for batch in pool.map(place, range(8)) for number in batch]
    assert sorted(numbers) == [f"WH-{100006 + row}" for row in range(200)]
    assert server.lines() == ["PlaceOrder\tgolden-place-order-11"] * 200


def test_a_stopped_server_ends_with_status_zero(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with running(tmp_path / "ledger") as server:
            idle = server.connect()
            post(idle, get_order("WH-100001"))
            server.process.send_signal(number)
            assert server.process.wait(240) == 0
            assert server.process.stdout is not None
            assert server.process.stdout.read() == ""
            idle.close()
