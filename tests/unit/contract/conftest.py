"""Small contracts and envelopes, made to measure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.contract import Contract, from_documents
from gateway.message import Message
from gateway.soap import envelope as soap

SOAP_11 = "http://schemas.xmlsoap.org/wsdl/soap/"
SOAP_12 = "http://schemas.xmlsoap.org/wsdl/soap12/"
HTTP = "http://schemas.xmlsoap.org/soap/http"
ORDERS = """
<xs:schema targetNamespace="urn:orders" elementFormDefault="qualified">
  <xs:element name="getOrder"><xs:complexType><xs:sequence>
    <xs:element name="quantity" type="xs:int"/>
  </xs:sequence></xs:complexType></xs:element>
  <xs:element name="dropOrder" type="xs:string"/>
</xs:schema>"""


@dataclass(frozen=True, kw_only=True)
class Op:
    """An operation to write down in a WSDL."""

    name: str
    parts: Sequence[tuple[str, str]] = ()
    action: str = ""
    style: str = "document"
    body: str = 'use="literal"'
    one_way: bool = False
    addressing: str = ""

    def message(self) -> str:
        parts = "".join(f'<part name="{name}" {kind}/>' for name, kind in self.parts)
        return f'<message name="{self.name}In">{parts}</message>'

    def abstract(self) -> str:
        output = "" if self.one_way else '<output message="t:Nothing"/>'
        action = f' wsam:Action="{self.addressing}"' if self.addressing else ""
        return (
            f'<operation name="{self.name}"><input message="t:{self.name}In"{action}/>'
            f"{output}</operation>"
        )

    def bound(self) -> str:
        output = "" if self.one_way else '<output><s:body use="literal"/></output>'
        return (
            f'<operation name="{self.name}">'
            f'<s:operation soapAction="{self.action}" style="{self.style}"/>'
            f"<input><s:body {self.body}/></input>{output}</operation>"
        )


GET = Op(name="getOrder", parts=[("p", 'element="o:getOrder"')], action="urn:orders/getOrder")
DROP = Op(name="dropOrder", parts=[("p", 'element="o:dropOrder"')], action="urn:orders/dropOrder")


def write_wsdl(
    *operations: Op,
    types: str = ORDERS,
    versions: Sequence[str] = (SOAP_11,),
    address: str = "http://backend.example:8080/orders",
    head: str = "",
    tail: str = "",
    port: str = "",
) -> bytes:
    """Return a WSDL with one port for each version of SOAP."""
    bindings = "".join(
        f'<binding name="b{n}" type="t:pt" xmlns:s="{uri}"><s:binding transport="{HTTP}"/>'
        f"{''.join(one.bound() for one in operations)}</binding>"
        for n, uri in enumerate(versions)
    )
    ports = "".join(
        f'<port name="p{n}" binding="t:b{n}" xmlns:s="{uri}">'
        f'<s:address location="{address}"/>{port}</port>'
        for n, uri in enumerate(versions)
    )
    return f"""<?xml version="1.0"?>
<definitions name="Orders" targetNamespace="urn:wsdl" xmlns="http://schemas.xmlsoap.org/wsdl/"
    xmlns:t="urn:wsdl" xmlns:o="urn:orders" xmlns:xs="http://www.w3.org/2001/XMLSchema"
    xmlns:wsam="http://www.w3.org/2007/05/addressing/metadata">
  {head}<types>{types}</types>
  <message name="Nothing"/>{"".join(one.message() for one in operations)}
  <portType name="pt">{"".join(one.abstract() for one in operations)}</portType>
  {bindings}<service name="Orders">{ports}</service>{tail}
</definitions>""".encode()


def load_wsdl(data: bytes, others: Mapping[str, bytes] | None = None) -> Contract:
    """Load a WSDL from memory, with documents beside it."""
    return from_documents({"orders.wsdl": data, **(others or {})}, "orders.wsdl")


def write_envelope(
    body: str,
    *,
    header: str = "",
    version: soap.SoapVersion = soap.SoapVersion.V11,
    declare: str = "",
) -> soap.Envelope:
    """Return a parsed envelope around a Body."""
    head = f"<e:Header>{header}</e:Header>" if header else ""
    text = (
        f'<e:Envelope xmlns:e="{version.namespace}" xmlns:o="urn:orders" {declare}>'
        f"{head}<e:Body>{body}</e:Body></e:Envelope>"
    )
    return soap.parse(Message(body=text.encode(), content_type=version.media_type))


class Site:
    """A web server on this machine: what it serves, and what it was asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        self.authorizations: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                site.authorizations += self.headers.get_all("Authorization", [])
                status, headers, body = site.pages.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}"


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, args=(0.01,))
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


@pytest.fixture
def op() -> type[Op]:
    return Op


@pytest.fixture
def get() -> Op:
    return GET


@pytest.fixture
def drop() -> Op:
    return DROP


@pytest.fixture
def wsdl() -> Callable[..., bytes]:
    return write_wsdl


@pytest.fixture
def contract() -> Callable[..., Contract]:
    return load_wsdl


@pytest.fixture
def envelope() -> Callable[..., soap.Envelope]:
    return write_envelope
