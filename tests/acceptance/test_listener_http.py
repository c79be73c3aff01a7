"""The listener's HTTP, spoken by hand: pages, documents, statuses, faults, and late replies."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import re
import socket
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from deployment import Deployment, deployed
from lxml import etree

from gateway.listening.health import FRESH

TYPES = "urn:example:warehouse:types"
NAMESPACES = {
    "1.1": "http://schemas.xmlsoap.org/soap/envelope/",
    "1.2": "http://www.w3.org/2003/05/soap-envelope",
}
MEDIA_TYPES = {"1.1": "text/xml; charset=utf-8", "1.2": "application/soap+xml; charset=utf-8"}
VERSIONS = ["1.1", "1.2"]
LIMIT = 1 << 20
PRIVATE_HOST = b"warehouse.internal.example"
LINKS = re.compile(rb'(?:location|schemaLocation)="([^"]*)"')


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def root(self) -> etree._Element:
        return etree.fromstring(self.body)

    def fault(self, version: str) -> tuple[str, str]:
        """Return the local name of a fault's code, and its text; it must be of this version."""
        assert self.headers.get_content_type() == MEDIA_TYPES[version].partition(";")[0]
        (found,) = self.root.iter(f"{{{NAMESPACES[version]}}}Fault")
        code, text = ("faultcode", "faultstring")
        if version == "1.2":
            code, text = "{*}Code/{*}Value", "{*}Reason/{*}Text"
        return str(found.findtext(code)).partition(":")[2], str(found.findtext(text))


@pytest.fixture
def connection(deployment: Deployment) -> Iterator[http.client.HTTPConnection]:
    opened = connect(deployment)
    yield opened
    opened.close()


def connect(deployment: Deployment) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(deployment.listener).netloc, timeout=240)


def ask(
    connection: http.client.HTTPConnection,
    path: str,
    body: bytes | None = None,
    method: str = "",
    **headers: str,
) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method or ("GET" if body is None else "POST"), path, body, fields)
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())


def post(
    connection: http.client.HTTPConnection, payload: str, version: str = "1.1", **headers: str
) -> Answer:
    fields = {"Content_Type": MEDIA_TYPES[version], **headers}
    return ask(connection, "/warehouse", envelope(payload, version), **fields)


def envelope(payload: str, version: str = "1.1") -> bytes:
    soap = f'<s:Envelope xmlns:s="{NAMESPACES[version]}"><s:Body>{payload}</s:Body></s:Envelope>'
    return soap.encode()


def get_order(order: str = "WH-100001") -> str:
    return f'<GetOrder xmlns="{TYPES}"><orderId>{order}</orderId></GetOrder>'


def place_order(note: str, sku: str = "PAL-0001", quantity: int = 1) -> str:
    return (
        f'<PlaceOrder xmlns="{TYPES}"><customer><name>Anna</name><address><street>2 Quay</street>'
        "<city>Hull</city><postalCode>HU1</postalCode><country>GB</country></address></customer>"
        f"<lines><sku>{sku}</sku><quantity>{quantity}</quantity><unitPrice>1.00</unitPrice></lines>"
        f"<note>{note}</note></PlaceOrder>"
    )


def order_of(answer: Answer) -> str | None:
    return answer.root.findtext(f".//{{{TYPES}}}orderId")


def eventually(deployment: Deployment, line: str) -> int:
    """Wait until an execution is in the ledger, and a little for another; return how many."""
    until = time.monotonic() + 240
    while line not in deployment.executions() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.2)
    return deployment.executions().count(line)


# Pages and documents


def test_the_index_names_each_service_and_its_address(
    deployment: Deployment, connection: http.client.HTTPConnection
) -> None:
    answer = ask(connection, "/")
    assert (answer.status, answer.headers.get_content_type()) == (200, "text/html")
    assert f"{deployment.listener}/warehouse".encode() in answer.body
    assert b'href="warehouse?wsdl"' in answer.body


def test_a_services_page_names_its_operations(connection: http.client.HTTPConnection) -> None:
    answer = ask(connection, "/warehouse")
    assert answer.status == 200
    for name in ("GetOrder", "ListOrders", "PlaceOrder", "GetLabel"):
        assert f"<td>{name}<td>request and reply".encode() in answer.body
    assert b"<td>NotifyShipment<td>one-way" in answer.body


@pytest.mark.parametrize("query", ["wsdl", "WSDL"])
def test_every_address_in_the_wsdl_is_the_listeners_and_leads_somewhere(
    deployment: Deployment, connection: http.client.HTTPConnection, query: str
) -> None:
    answer = ask(connection, f"/warehouse?{query}")
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    address = f"{deployment.listener}/warehouse"
    assert [port.get("location") for port in answer.root.iterfind(".//{*}port/{*}address")] == [
        address,
        address,
    ]
    links = [link.decode() for link in LINKS.findall(answer.body) if link.decode() != address]
    assert links == [f"{address}?xsd=1"]
    schema = ask(connection, links[0].removeprefix(deployment.listener))
    assert (schema.status, schema.headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
    assert schema.root.get("targetNamespace") == TYPES


@pytest.mark.parametrize("path", ["/", "/warehouse", "/warehouse?wsdl", "/warehouse?xsd=1"])
def test_nothing_that_is_published_names_the_backend(
    deployment: Deployment, connection: http.client.HTTPConnection, path: str
) -> None:
    body = ask(connection, path).body
    for private in (PRIVATE_HOST, urlsplit(deployment.legacy).netloc.encode(), b"/Warehouse"):
        assert private not in body


def test_a_client_that_comes_by_another_name_finds_that_name_in_the_wsdl(
    connection: http.client.HTTPConnection,
) -> None:
    answer = ask(connection, "/warehouse?wsdl", Host="soap.example:8443")
    links = {link.decode() for link in LINKS.findall(answer.body)}
    assert links == {
        "http://soap.example:8443/warehouse",
        "http://soap.example:8443/warehouse?xsd=1",
    }


@pytest.mark.parametrize("host", ['x"><script>', "a b", "a/b", ""])
def test_a_host_header_that_names_no_host_is_refused(
    connection: http.client.HTTPConnection, host: str
) -> None:
    answer = ask(connection, "/warehouse?wsdl", Host=host)
    assert answer.status == 400
    assert b"<script>" not in answer.body


@pytest.mark.parametrize("path", ["/", "/healthz", "/warehouse", "/warehouse?wsdl"])
def test_head_is_get_without_the_body(connection: http.client.HTTPConnection, path: str) -> None:
    whole, head = ask(connection, path), ask(connection, path, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    "path", ["/nowhere", "/nowhere?wsdl", "/warehouse?wsdl=7", "/warehouse/x", "/../etc/passwd"]
)
def test_what_is_not_there_is_not_found(connection: http.client.HTTPConnection, path: str) -> None:
    assert ask(connection, path).status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/warehouse"), ("DELETE", "/warehouse/replies/x"), ("POST", "/"), ("TRACE", "/")],
)
def test_another_method_is_not_allowed(
    connection: http.client.HTTPConnection, method: str, path: str
) -> None:
    answer = ask(connection, path, method=method)
    assert answer.status == 405
    assert "GET" in answer.headers["Allow"]


def test_the_health_of_the_listener_can_be_asked(connection: http.client.HTTPConnection) -> None:
    answer = ask(connection, "/healthz")
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})


# Calls


@pytest.mark.parametrize("version", VERSIONS)
def test_a_call_comes_back_in_its_own_version(
    connection: http.client.HTTPConnection, version: str
) -> None:
    answer = post(connection, get_order(), version)
    assert (answer.status, order_of(answer)) == (200, "WH-100001")
    assert answer.headers.get_content_type() == MEDIA_TYPES[version].partition(";")[0]
    assert answer.root.tag == f"{{{NAMESPACES[version]}}}Envelope"


@pytest.mark.parametrize(
    ("version", "status", "code"), [("1.1", 500, "Client"), ("1.2", 400, "Sender")]
)
def test_a_fault_that_blames_the_sender(
    connection: http.client.HTTPConnection, version: str, status: int, code: str
) -> None:
    answer = post(connection, get_order("WH-404404"), version)
    assert (answer.status, answer.fault(version)[0]) == (status, code)
    assert answer.root.findtext(f".//{{{TYPES}}}OrderNotFound/{{{TYPES}}}orderId") == "WH-404404"


@pytest.mark.parametrize(("version", "code"), [("1.1", "Server"), ("1.2", "Receiver")])
def test_a_fault_that_does_not_blame_the_sender(
    connection: http.client.HTTPConnection, version: str, code: str
) -> None:
    answer = post(connection, place_order("too many", "GLA-0003", 99), version)
    assert (answer.status, answer.fault(version)[0]) == (500, code)
    assert answer.root.findtext(f".//{{{TYPES}}}OutOfStock/{{{TYPES}}}sku") == "GLA-0003"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_one_way_call_is_accepted_with_nothing_and_carried_out_once(
    deployment: Deployment, connection: http.client.HTTPConnection, version: str
) -> None:
    order = f"WH-OneWay-{version}"
    payload = (
        f'<NotifyShipment xmlns="{TYPES}"><orderId>{order}</orderId><carrier>Rail</carrier>'
        "<shippedAt>2026-01-09T10:00:00Z</shippedAt></NotifyShipment>"
    )
    answer = post(connection, payload, version)
    assert (answer.status, answer.body) == (202, b"")
    assert eventually(deployment, f"NotifyShipment\t{order}") == 1
    told = ask(connection, answer.headers["Location"], Prefer="wait=60")
    assert (told.status, json.loads(told.body)) == (200, {"state": "done"})


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "action", ["urn:example:warehouse/PlaceOrder", "PlaceOrder", '"urn:nowhere"']
)
def test_an_action_that_names_another_operation_is_refused(
    deployment: Deployment, connection: http.client.HTTPConnection, version: str, action: str
) -> None:
    order = f"WH-Action-{version}"
    headers = {"SOAPAction": action}
    if version == "1.2":
        stated = action.strip('"')
        headers = {"Content_Type": f'{MEDIA_TYPES[version]}; action="{stated}"'}
    answer = post(connection, get_order(order), version, **headers)
    code, text = answer.fault(version)
    assert (answer.status, code) == ((400, "Sender") if version == "1.2" else (500, "Client"))
    assert "names another operation" in text
    assert f"GetOrder\t{order}" not in deployment.executions()


@pytest.mark.parametrize(
    ("header", "parameter"), [("GetOrder", "PlaceOrder"), ("PlaceOrder", "GetOrder")]
)
def test_no_action_may_name_another_operation_where_a_request_states_two(
    deployment: Deployment, connection: http.client.HTTPConnection, header: str, parameter: str
) -> None:
    content_type = f'application/soap+xml; action="urn:example:warehouse/{parameter}"'
    answer = post(
        connection,
        get_order("WH-TwoActions"),
        "1.2",
        Content_Type=content_type,
        SOAPAction=f'"urn:example:warehouse/{header}"',
    )
    assert answer.status == 400
    assert "disagree" in answer.fault("1.2")[1]
    assert "GetOrder\tWH-TwoActions" not in deployment.executions()


@pytest.mark.parametrize(("version", "other"), [("1.1", "1.2"), ("1.2", "1.1")])
def test_an_envelope_of_another_version_than_its_content_type_is_refused(
    deployment: Deployment, connection: http.client.HTTPConnection, version: str, other: str
) -> None:
    body = envelope(get_order("WH-Version"), other)
    answer = ask(connection, "/warehouse", body, Content_Type=MEDIA_TYPES[version])
    assert (answer.status, answer.fault(version)[0]) == (500, "VersionMismatch")
    assert "GetOrder\tWH-Version" not in deployment.executions()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "The message is empty: send a SOAP envelope."),
        (b"{}", "not well-formed"),
        (envelope(get_order("WH-Bad"))[:-1], "not well-formed"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + envelope(get_order("WH-Bad")), "document type"),
        (b"<?php x?>" + envelope(get_order("WH-Bad")), "processing instruction"),
        (envelope(get_order("WH-Bad")) + b"<?php x?>", "processing instruction"),
        (envelope(get_order("WH-Bad") * 2), "exactly one element"),
        (envelope("<Nothing/>"), "no operation"),
        (envelope(get_order("WH-Bad!")), "does not follow the contract"),
    ],
)
def test_what_is_no_request_of_the_contract_is_refused(
    deployment: Deployment,
    connection: http.client.HTTPConnection,
    version: str,
    body: bytes,
    reason: str,
) -> None:
    before = deployment.executions()
    own = body.replace(NAMESPACES["1.1"].encode(), NAMESPACES[version].encode())
    answer = ask(connection, "/warehouse", own, Content_Type=MEDIA_TYPES[version])
    code, text = answer.fault(version)
    assert (answer.status, code) == ((400, "Sender") if version == "1.2" else (500, "Client"))
    assert reason in text
    assert deployment.executions() == before


def test_an_entity_of_a_file_comes_back_nowhere(connection: http.client.HTTPConnection) -> None:
    doctype = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
    answer = ask(
        connection, "/warehouse", doctype + envelope(get_order("&b;")), Content_Type="text/xml"
    )
    assert "document type" in answer.fault("1.1")[1]
    assert b"root:" not in answer.body


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "text/html", ""])
def test_a_content_type_that_is_none_of_soaps_is_refused(
    connection: http.client.HTTPConnection, content_type: str
) -> None:
    answer = ask(connection, "/warehouse", envelope(get_order()), Content_Type=content_type)
    assert answer.status == 415
    assert "content type" in answer.fault("1.1")[1]


def test_a_call_of_an_unknown_service_is_not_found_with_a_fault(
    connection: http.client.HTTPConnection,
) -> None:
    answer = ask(connection, "/nowhere", envelope(get_order()), Content_Type="text/xml")
    assert (answer.status, answer.fault("1.1")[0]) == (404, "Client")


def test_a_message_with_a_content_encoding_is_refused(
    deployment: Deployment, connection: http.client.HTTPConnection
) -> None:
    body = gzip.compress(envelope(get_order("WH-Zipped")))
    answer = ask(connection, "/warehouse", body, Content_Type="text/xml", Content_Encoding="gzip")
    assert (answer.status, answer.fault("1.1")[0]) == (415, "Client")
    assert "GetOrder\tWH-Zipped" not in deployment.executions()


def test_the_largest_message_is_accepted_and_a_larger_one_is_not(
    connection: http.client.HTTPConnection,
) -> None:
    largest = envelope(get_order()).ljust(LIMIT)
    assert ask(connection, "/warehouse", largest, Content_Type="text/xml").status == 200
    answer = ask(connection, "/warehouse", largest + b" ", Content_Type="text/xml")
    assert (answer.status, answer.fault("1.1")[0]) == (413, "Client")


def test_a_large_message_of_unknown_length_is_read_no_further_than_the_limit(
    connection: http.client.HTTPConnection,
) -> None:
    pieces = [envelope(get_order()), *[b" " * 65536] * 16]
    fields = {"Content-Type": "text/xml"}
    connection.request("POST", "/warehouse", iter(pieces), fields, encode_chunked=True)
    response = connection.getresponse()
    answer = Answer(response.status, response.headers, response.read())
    assert (answer.status, answer.fault("1.1")[0]) == (413, "Client")


# Replies that are late, or collected later


@pytest.mark.parametrize("version", VERSIONS)
def test_a_caller_that_prefers_not_to_wait_collects_its_reply(
    deployment: Deployment, connection: http.client.HTTPConnection, version: str
) -> None:
    with deployment.without_gateway():  # or its reply may be there before anybody could wait
        accepted = post(connection, get_order(), version, Prefer="respond-async")
    assert accepted.status == 202
    assert json.loads(accepted.body)["state"] in ("pending", "working")
    assert accepted.headers["Preference-Applied"] == "respond-async"
    path = accepted.headers["Location"]
    until = time.monotonic() + 240
    while (answer := ask(connection, path)).status == 202 and time.monotonic() < until:
        assert json.loads(answer.body)["state"] in ("pending", "working")
        assert int(answer.headers["Retry-After"]) >= 1
        time.sleep(0.02)
    assert (answer.status, order_of(answer)) == (200, "WH-100001")
    assert ask(connection, path).body == answer.body


def test_a_fault_is_collected_with_the_status_of_a_fault(
    deployment: Deployment, connection: http.client.HTTPConnection
) -> None:
    with deployment.without_gateway():  # or its reply may be there before anybody could wait
        accepted = post(connection, get_order("WH-404404"), "1.2", Prefer="respond-async")
    answer = ask(connection, accepted.headers["Location"], Prefer="wait=60")
    assert (answer.status, answer.fault("1.2")[0]) == (400, "Sender")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_late_reply_is_a_fault_now_and_a_reply_later(
    deployment: Deployment, connection: http.client.HTTPConnection, version: str
) -> None:
    note = f"late {version}"
    with deployment.without_gateway():
        late = post(connection, place_order(note), version, Prefer="wait=1")
        assert (late.status, "or is under way" in late.fault(version)[1]) == (504, True)
        path = late.headers["Location"]
        assert re.fullmatch(r"/warehouse/replies/[0-9A-Z]{26}", path)
        waiting = ask(connection, path)
        assert (waiting.status, json.loads(waiting.body)) == (202, {"state": "pending"})
    first, second = (ask(connection, path, Prefer="wait=60") for _ in range(2))
    assert (first.status, order_of(first)) == (200, order_of(second))
    assert first.body == second.body
    assert eventually(deployment, f"PlaceOrder\t{note}") == 1


def test_calls_wait_in_the_queue_while_the_gateway_is_away(
    deployment: Deployment, connection: http.client.HTTPConnection
) -> None:
    paths = []
    with deployment.without_gateway():
        for number in range(5):
            accepted = post(connection, place_order(f"away {number}"), Prefer="respond-async")
            paths.append(accepted.headers["Location"])
    answers = [ask(connection, path, Prefer="wait=60") for path in paths]
    assert [answer.status for answer in answers] == [200] * 5
    for number in range(5):
        assert deployment.executions().count(f"PlaceOrder\taway {number}") == 1


@pytest.mark.parametrize("id", ["nothing", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "%00", "..%2F..%2Fetc"])
def test_a_reply_that_nobody_asked_for_is_not_found(
    connection: http.client.HTTPConnection, id: str
) -> None:
    assert ask(connection, f"/warehouse/replies/{id}").status == 404


# The connection


def test_a_connection_is_kept_over_calls_and_refusals(
    connection: http.client.HTTPConnection,
) -> None:
    post(connection, get_order())
    kept = connection.sock
    assert kept is not None
    for payload in (get_order(), "<Nothing/>", get_order("WH-404404"), get_order()):
        post(connection, payload)
        assert connection.sock is kept


def test_a_body_in_chunks_is_taken(deployment: Deployment) -> None:
    body = envelope(get_order())
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
    connection = connect(deployment)
    connection.request(
        "POST", "/warehouse", iter(pieces), {"Content-Type": "text/xml"}, encode_chunked=True
    )
    response = connection.getresponse()
    assert (response.status, b"WH-100001" in response.read()) == (200, True)
    connection.close()


def test_a_client_that_waits_for_leave_to_send_gets_it(deployment: Deployment) -> None:
    body = envelope(get_order())
    with raw(deployment) as stream:
        head = (
            "POST /warehouse HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
            f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        stream.sendall(head.encode())
        assert stream.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        stream.sendall(body)
        assert b"WH-100001" in everything(stream)


def test_a_client_of_http_1_0_gets_a_reply_and_the_end_of_the_connection(
    deployment: Deployment,
) -> None:
    body = envelope(get_order())
    with raw(deployment) as stream:
        head = f"POST /warehouse HTTP/1.0\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}"
        stream.sendall(f"{head}\r\n\r\n".encode() + body)
        answer = everything(stream)
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"Transfer-Encoding" not in answer
    assert b"WH-100001" in answer


def raw(deployment: Deployment) -> socket.socket:
    place = urlsplit(deployment.listener)
    return socket.create_connection((place.hostname, place.port), timeout=240)


def everything(stream: socket.socket) -> bytes:
    return b"".join(iter(lambda: stream.recv(1 << 16), b""))


# A queue that cannot be used


def test_while_the_queue_cannot_be_written_a_caller_is_told_to_try_later(tmp_path: Path) -> None:
    with deployed(tmp_path) as made:
        connection = connect(made)
        other = sqlite3.connect(tmp_path / "queue.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = post(connection, place_order("locked out"))
        assert (answer.status, answer.fault("1.1")[0]) == (503, "Server.Busy")
        assert int(answer.headers["Retry-After"]) >= 1
        other.close()
        assert post(connection, place_order("let in")).status == 200
        assert [line for line in made.executions() if "PlaceOrder" in line] == [
            "PlaceOrder\tlet in"
        ]
        connection.close()


def test_a_listener_whose_queue_cannot_be_read_is_not_healthy(tmp_path: Path) -> None:
    with deployed(tmp_path) as made:
        connection = connect(made)
        damage(tmp_path / "queue.db")
        time.sleep(FRESH + 0.1)  # so long stands what it said when it was started
        health = ask(connection, "/healthz")
        assert health.status == 503
        assert ask(connection, "/warehouse/replies/01ARZ3NDEKTSV4RRFFQ69G5FAV").status == 503
        answer = post(connection, get_order())
        assert (answer.status, answer.fault("1.1")[0]) == (503, "Server.Busy")
        for told in (health.body, answer.body):
            assert b"queue.db" not in told
        connection.close()


def damage(queue: Path) -> None:
    """Take away what the queue keeps its requests in."""
    with contextlib.closing(sqlite3.connect(queue)) as other:
        other.execute("DROP TABLE requests")
        other.commit()
