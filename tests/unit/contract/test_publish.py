"""The contract that callers see: it names the gateway, and never the backend."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import zeep
from lxml import etree

from gateway.contract import load

GATEWAY = "http://gateway.example/orders"
XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema"'


@pytest.fixture
def served() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Return an address on this machine, and what it serves by query string."""
    pages: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path.partition("?")[2], b"")
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/orders", pages
    server.shutdown()
    thread.join()
    server.server_close()


def outer(location="inner.wsdl"):
    """Return a WSDL with the service alone: the rest is in the one that it imports."""
    return f"""<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" targetNamespace="urn:outer"
        xmlns:i="urn:wsdl" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/">
      <import namespace="urn:wsdl" location="{location}"/>
      <service name="Outer"><port name="outer" binding="i:b0">
        <s:address location="http://backend.example:8080/outer"/></port></service>
    </definitions>""".encode()


NESTED = {
    "one.xsd": f"""<xs:schema {XS} targetNamespace="urn:orders" xmlns:i="urn:items"
        xmlns:xml="http://www.w3.org/XML/1998/namespace" elementFormDefault="qualified">
      <xs:include schemaLocation="deep/two.xsd"/>
      <xs:import namespace="urn:items" schemaLocation="http://backend.example:8080/items.xsd"/>
      <xs:import namespace="http://www.w3.org/XML/1998/namespace"
        schemaLocation="http://www.w3.org/2001/xml.xsd"/>
      <xs:element name="getOrder"><xs:complexType><xs:sequence>
        <xs:element ref="i:item"/></xs:sequence><xs:attribute ref="xml:lang"/>
      </xs:complexType></xs:element></xs:schema>""".encode(),
    "deep/two.xsd": f"""<xs:schema {XS} targetNamespace="urn:orders">
      <xs:include schemaLocation="../one.xsd"/>
      <xs:element name="dropOrder" type="xs:string"/></xs:schema>""".encode(),
    "http://backend.example:8080/items.xsd": f"""<xs:schema {XS} targetNamespace="urn:items">
      <xs:element name="item" type="xs:int"/></xs:schema>""".encode(),
}
TYPES = """<xs:schema><xs:import namespace="urn:orders" schemaLocation="one.xsd"/></xs:schema>"""


def locations(pages):
    """Return every address in the documents that a reader could follow."""
    return [
        value
        for data in pages.values()
        for node in etree.fromstring(data).iter("{*}*")
        for name, value in node.attrib.items()
        if name.lower().endswith(("location", "}location"))
    ]


def test_a_single_document_names_the_gateway_alone(contract, wsdl, get):
    pages = contract(wsdl(get)).publish(GATEWAY)
    assert list(pages) == ["wsdl"]
    assert locations(pages) == [GATEWAY]
    assert b"backend.example" not in pages["wsdl"]


def test_a_published_contract_of_many_documents_loads_over_http(contract, wsdl, get, drop, served):
    address, pages = served
    loaded = _nested(contract, wsdl, get, drop)
    pages.update(loaded.publish(address))
    assert set(pages) == {"wsdl", "wsdl=1", "xsd=1", "xsd=2", "xsd=3", "xsd=4"}
    assert all(location.startswith(address) for location in locations(pages))
    assert not any(b"backend.example" in data for data in pages.values())
    client = zeep.Client(f"{address}?wsdl")
    assert client.service._binding_options["address"] == address
    message = client.create_message(client.service, "getOrder", item=3)
    assert message.findtext(".//{urn:items}item") == "3"


def _nested(contract, wsdl, get, drop):
    return contract(
        outer("sub/inner.wsdl"),
        {
            "sub/inner.wsdl": wsdl(get, drop, types=TYPES.replace("one.xsd", "../one.xsd")),
            **NESTED,
        },
    )


def test_documents_in_a_circle_lead_back_to_the_entry(contract, wsdl, get):
    head = '<import namespace="urn:outer" location="orders.wsdl"/>'
    pages = contract(outer(), {"inner.wsdl": wsdl(get, head=head)}).publish(GATEWAY)
    assert f'location="{GATEWAY}?wsdl"'.encode() in pages["wsdl=1"]


def test_what_else_names_the_backend_is_left_out(contract, wsdl, get):
    port = """<a:EndpointReference xmlns:a="http://www.w3.org/2005/08/addressing">
      <a:Address>http://backend.example:8080/orders</a:Address></a:EndpointReference>"""
    data = wsdl(get, port=port, head="<!-- made on http://backend.example -->").replace(
        b'<definitions name="Orders"',
        b'<definitions name="Orders" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        b' xsi:schemaLocation="urn:x http://backend.example/x.xsd"',
    )
    published = contract(data).publish(GATEWAY)["wsdl"]
    assert b"backend.example" not in published


def test_documentation_stays_but_for_the_places_of_the_backend_and_names_stay_whole(
    contract, wsdl, get
):
    head = (
        "<documentation>Ask http://backend.example:8080/help, or <b>BACKEND.example</b>."
        "</documentation>"
    )
    data = wsdl(get, head=head).replace(b'"urn:wsdl"', b'"http://backend.example/ns"')
    data = data.replace(b'"urn:orders/getOrder"', b'"http://backend.example/getOrder"')
    root = etree.fromstring(contract(data).publish(GATEWAY)["wsdl"])
    assert root.get("targetNamespace") == "http://backend.example/ns"
    assert root.find(".//{*}operation[@soapAction]").get("soapAction") == (
        "http://backend.example/getOrder"
    )
    text = "".join(root.find("{*}documentation").itertext())
    assert text == "Ask http://service.invalid/help, or service.invalid."


def note(text):
    return f"<xs:annotation>{text}</xs:annotation>"


FORMS = {
    "documentation of a schema": note(
        "<xs:documentation source='http://{0}/d'>{0}</xs:documentation>"
    ),
    "application information": note(
        "<xs:appinfo><a href='http://{0}/' xmlns=''>{0}</a>{0}</xs:appinfo>"
    ),
    "an attribute of a foreign namespace": "<xs:annotation f:at='{0}' xmlns:f='urn:f'/>",
    "a comment": "<!-- {0} -->",
    "a processing instruction": "<?made on {0}?>",
    "a hint": (
        "<xs:annotation xmlns:i='http://www.w3.org/2001/XMLSchema-instance'"
        " i:schemaLocation='urn:x http://{0}/x'/>"
    ),
}
EXTENSIONS = {
    "a policy": "<p:Policy xmlns:p='http://www.w3.org/ns/ws-policy'><p:All><a:Address xmlns:a='urn:a'>https://{0}/sts</a:Address></p:All></p:Policy>",
    "a reference to a policy": "<p:PolicyReference xmlns:p='http://www.w3.org/ns/ws-policy' URI='http://{0}/p'/>",
    "documentation": "<documentation xml:base='http://{0}/'>on {0}</documentation>",
    "a comment": "<!-- {0} -->",
}


@pytest.mark.parametrize("place", ["backend.example", "backend.example:8080", "10.9.8.7", "APP07"])
@pytest.mark.parametrize("form", [*FORMS, *(f"in the WSDL: {name}" for name in EXTENSIONS)])
def test_no_form_of_naming_the_backend_gets_out(contract, wsdl, get, form, place):
    in_wsdl = form.removeprefix("in the WSDL: ")
    head = EXTENSIONS[in_wsdl].format(place) if form.startswith("in the WSDL") else ""
    noted = FORMS.get(form, "").format(place)
    schema = NESTED["deep/two.xsd"].replace(
        b'include schemaLocation="../one.xsd"/>',
        f'include schemaLocation="../one.xsd"/>{noted}'.encode(),
    )
    assert noted.encode() in schema
    ports = "".join(
        f'<service name="S{n}"><port name="p" binding="t:b0"><s:address location="{address}"'
        ' xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"/></port></service>'
        for n, address in enumerate(["http://10.9.8.7/x", "https://app07.internal.example/y"])
    )
    loaded = contract(
        wsdl(get, types=TYPES, head=head, tail=ports), {**NESTED, "deep/two.xsd": schema}
    )
    pages = loaded.publish(GATEWAY)
    for name, data in pages.items():
        for telling in (b"backend.example", b"10.9.8.7", b"app07"):
            assert telling not in data.lower(), name
    assert contract(
        pages["wsdl"], {f"{GATEWAY}?{name}": data for name, data in pages.items()}
    ).operations


def test_an_address_of_the_settings_alone_is_hidden_as_well(tmp_path, wsdl, get):
    head = "<documentation>see app07</documentation>"
    (tmp_path / "a.wsdl").write_bytes(wsdl(get, head=head))
    hidden = ["https://app07.internal.example/Orders"]
    for given, text in ((hidden, b"see service.invalid"), ([], b"see app07")):
        published = load("a.wsdl", folder=tmp_path, hidden=given).publish(GATEWAY)
        assert text in published["wsdl"]


def test_ports_over_plain_http_are_left_out(contract, wsdl, get):
    http = """<binding name="h" type="t:pt" xmlns:h="http://schemas.xmlsoap.org/wsdl/http/">
      <h:binding verb="GET"/></binding><service name="Plain"><port name="plain" binding="t:h">
      <h:address xmlns:h="http://schemas.xmlsoap.org/wsdl/http/"
      location="http://backend.example:8080/plain"/></port></service>"""
    loaded = contract(wsdl(get, tail=http))
    assert b"backend.example" not in loaded.publish(GATEWAY)["wsdl"]
    assert any(note.startswith("port plain ") for note in loaded.notes)


def test_an_address_with_a_query_keeps_it(contract, wsdl, get, drop):
    pages = _nested(contract, wsdl, get, drop).publish("http://gateway.example/?queue=a&b=c")
    assert "http://gateway.example/?queue=a&b=c&wsdl=1" in locations(pages)


def test_publishing_twice_gives_each_its_own_address(contract, wsdl, get):
    loaded = contract(wsdl(get))
    first, second = loaded.publish("http://one.example/"), loaded.publish("http://two.example/")
    assert locations(first) == ["http://one.example/"]
    assert locations(second) == ["http://two.example/"]
