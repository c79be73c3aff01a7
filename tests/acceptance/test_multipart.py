"""MTOM and SOAP with Attachments, over HTTP and the queue: untouched, checked, and understood."""

from __future__ import annotations

import hashlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from textwrap import dedent

import pytest
from deployment import await_health, end, free_port, log_of, start
from lxml import etree

from gateway.soap.envelope import SoapVersion

VAULT = "urn:test:vault"
SETTINGS = """\
queue = "sqlite:///queue.db"

[services.forwarded]
wsdl = "vault.wsdl"
forward = "{backend}"

[services.hosted]
host = "vault_of_tests:VaultService"

[listener]
bind = "{bind}"
"""
SERVICE = '''\
"""Tells what arrived."""

import hashlib

from spyne import ByteArray, Service, Unicode, rpc


class VaultService(Service):
    __namespace__ = "urn:test:vault"

    @rpc(Unicode, ByteArray, _returns=Unicode)
    def Store(ctx, name, content):
        return hashlib.sha256(b"".join(content)).hexdigest()
'''
OPERATION = """
  <wsdl:operation name="{name}">
    <{soap}:operation soapAction="urn:{name}"/>
    <wsdl:input><{soap}:body use="literal"/></wsdl:input>
    <wsdl:output><{soap}:body use="literal"/></wsdl:output>
  </wsdl:operation>"""
BINDING = """
  <wsdl:binding name="{soap}" type="v:Vault">
    <{soap}:binding transport="http://schemas.xmlsoap.org/soap/http"/>{operations}
  </wsdl:binding>"""
WSDL = """\
<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:v="urn:test:vault"
    xmlns:soap11="http://schemas.xmlsoap.org/wsdl/soap/"
    xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/"
    xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:test:vault">
  <wsdl:types>
    <xs:schema targetNamespace="urn:test:vault" elementFormDefault="qualified">
      <xs:complexType name="Stored">
        <xs:sequence>
          <xs:element name="name" type="xs:string"/>
          <xs:element name="content" type="xs:base64Binary" maxOccurs="2"/>
        </xs:sequence>
      </xs:complexType>
      <xs:element name="Store" type="v:Stored"/>
      <xs:element name="Erase" type="v:Stored"/>
      <xs:element name="Done" type="v:Stored"/>
    </xs:schema>
  </wsdl:types>
  <wsdl:message name="Store"><wsdl:part name="p" element="v:Store"/></wsdl:message>
  <wsdl:message name="Erase"><wsdl:part name="p" element="v:Erase"/></wsdl:message>
  <wsdl:message name="Done"><wsdl:part name="p" element="v:Done"/></wsdl:message>
  <wsdl:portType name="Vault">
    <wsdl:operation name="Store">
      <wsdl:input message="v:Store"/><wsdl:output message="v:Done"/>
    </wsdl:operation>
    <wsdl:operation name="Erase">
      <wsdl:input message="v:Erase"/><wsdl:output message="v:Done"/>
    </wsdl:operation>
  </wsdl:portType>{bindings}
  <wsdl:service name="Vault">
    <wsdl:port name="P11" binding="v:soap11"><soap11:address location="http://x.test/"/></wsdl:port>
    <wsdl:port name="P12" binding="v:soap12"><soap12:address location="http://x.test/"/></wsdl:port>
  </wsdl:service>
</wsdl:definitions>
"""
ROOT_ID = "<root.message@cxf.apache.org>"
BOUNDARIES = ["b", "uuid:0a-4_f", "----=_Part_0_1.2", "=_a'(b)+_,-./:=? x"]
BOTH = list(SoapVersion)


# The messages


@dataclass(frozen=True)
class Multipart:
    """A multipart message: each part is its header lines and its bytes."""

    parts: tuple[tuple[str, bytes], ...]
    content_type: str
    boundary: str = "b"
    preamble: bytes = b""
    epilogue: bytes = b"\r\n"

    @property
    def body(self) -> bytes:
        mark = b"--" + self.boundary.encode()
        written = (
            mark + b"\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"
            for head, content in self.parts
        )
        return self.preamble + b"".join(written) + mark + b"--" + self.epilogue


def envelope(version: SoapVersion, inside: str) -> bytes:
    return (
        f"<?xml version='1.0' encoding='utf-8'?>\r\n<s:Envelope xmlns:s = '{version.namespace}'>"
        f"\r\n<s:Body>{inside}</s:Body></s:Envelope>\r\n"
    ).encode()


def stored(*contents: str, name: str = "Store") -> str:
    elements = "".join(f"<v:content>{one}</v:content>" for one in contents)
    return f"<v:{name} xmlns:v='{VAULT}'><v:name>ü</v:name>{elements}</v:{name}>"


def include(id: str = "1@x") -> str:
    return f"<i:Include xmlns:i='http://www.w3.org/2004/08/xop/include' href='cid:{id}'/>"


def mtom_type(version: SoapVersion, boundary: str = "b", more: str = "") -> str:
    return (
        f'Multipart/Related;boundary="{boundary}"; type="application/xop+xml";  start="{ROOT_ID}"; '
        f'start-info="{version.media_type}"{more}'
    )


def mtom_root(version: SoapVersion, inside: str = "") -> tuple[str, bytes]:
    head = (
        f'Content-Type: application/xop+xml; charset=utf-8; type="{version.media_type}"\r\n'
        f"Content-Transfer-Encoding: 8bit\r\nContent-ID: {ROOT_ID}"
    )
    return head, envelope(version, inside or stored(include()))


def attached(content: bytes, id: str = "1@x", more: str = "") -> tuple[str, bytes]:
    encoding = "" if "Encoding" in more else "content-transfer-encoding: binary\r\n"
    return f"{encoding}{more}Content-ID: <{id}>", content


def tricky(boundary: str) -> bytes:
    """Return bytes that begin and end in breaks, and hold all but a boundary."""
    mark = boundary.encode()
    every = bytes(range(256))
    return b"\r\n\r\n--\r\n" + every + b"x--" + mark + b"\r\n" + mark + b"--\r\n\r\r\n\n\r\n"


def mtom(
    version: SoapVersion, boundary: str = "b", *, inside: str = "", first: bool = True
) -> Multipart:
    """Return a message with one binary part; ``first`` where it begins with the root part."""
    parts = (mtom_root(version, inside), attached(tricky(boundary)))
    return Multipart(
        parts if first else parts[::-1],
        mtom_type(version, boundary),
        boundary,
        preamble=b"" if first else b"\x00 a preamble, <root.message@cxf.apache.org>\r\n\r\n\r\n",
        epilogue=b"\r\n" if first else b" \t\r\nand an epilogue\r\n--",
    )


# The deployment


@dataclass
class Backend:
    """A server that keeps what it gets, and answers with what it was told to."""

    address: str = ""
    seen: list[tuple[bytes, str | None, str | None]] = field(default_factory=list)
    reply: tuple[int, str, bytes] = (500, "text/plain", b"")


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str | None
    body: bytes

    def refusal(self, version: SoapVersion) -> str:
        """Return the text of the fault; it must blame the sender, in this version of SOAP."""
        assert self.status == (400 if version is SoapVersion.V12 else 500), self.body
        (found,) = etree.fromstring(self.body).iter(f"{{{version.namespace}}}Fault")
        code = found.findtext("faultcode") or found.findtext("{*}Code/{*}Value")
        assert str(code).partition(":")[2] in ("Client", "Sender")
        return found.findtext("faultstring") or str(found.findtext("{*}Reason/{*}Text"))


@pytest.fixture(scope="module")
def serving() -> Iterator[Backend]:
    backend = Backend()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            backend.seen.append((body, self.headers["Content-Type"], self.headers["SOAPAction"]))
            status, content_type, reply = backend.reply
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the output of the tests clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        backend.address = f"http://127.0.0.1:{server.server_port}/"
        yield backend
        server.shutdown()
        thread.join()


@pytest.fixture
def backend(serving: Backend) -> Backend:
    serving.seen.clear()
    serving.reply = (500, "text/plain", b"")
    return serving


@pytest.fixture(scope="module")
def listener(serving: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run ``gateway up`` with both services; yield where it listens."""
    folder = tmp_path_factory.mktemp("multipart")
    bind = f"127.0.0.1:{free_port()}"
    bindings = ""
    for soap in ("soap11", "soap12"):
        operations = "".join(OPERATION.format(soap=soap, name=one) for one in ("Store", "Erase"))
        bindings += BINDING.format(soap=soap, operations=operations)
    (folder / "vault.wsdl").write_text(WSDL.format(bindings=bindings))
    (folder / "vault_of_tests.py").write_text(dedent(SERVICE))
    settings = folder / "gateway.toml"
    settings.write_text(SETTINGS.format(backend=serving.address, bind=bind))
    process = start("up", settings)
    try:
        await_health(f"http://{bind}", log_of(settings))
        yield bind
    finally:
        end(process)


Post = Callable[..., Answer]


@pytest.fixture
def post(listener: str) -> Iterator[Post]:
    connection = http.client.HTTPConnection(listener, timeout=240)

    def send(message: Multipart, service: str = "forwarded", **headers: str) -> Answer:
        fields = {"Content-Type": message.content_type, **headers}
        connection.request("POST", f"/{service}", message.body, fields)
        response = connection.getresponse()
        return Answer(response.status, response.headers["Content-Type"], response.read())

    yield send
    connection.close()


# Forwarded


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("first", [True, False])
def test_mtom_passes_untouched_both_ways(
    post: Post, backend: Backend, version: SoapVersion, boundary: str, first: bool
) -> None:
    request = mtom(version, boundary, first=first)
    reply = mtom(version, boundary[::-1], inside=stored(include(), name="Done"), first=first)
    backend.reply = (200, reply.content_type, reply.body)
    answer = post(request, SOAPAction='"urn:Store"')
    action = '"urn:Store"' if version is SoapVersion.V11 else None
    assert backend.seen == [(request.body, request.content_type, action)]
    assert answer == Answer(200, reply.content_type, reply.body)


@pytest.mark.parametrize("version", BOTH)
def test_attachments_of_every_kind_pass_untouched(
    post: Post, backend: Backend, version: SoapVersion
) -> None:
    parts = (
        (f"content-type:{version.media_type}; charset=utf-8", envelope(version, stored("AA=="))),
        attached(b"Subject: a\r\n\r\nmail\r\n", "1", "Content-Type: message/rfc822\r\n"),
        attached(b"--c\r\n\r\na\r\n--c--", "2", "Content-Type: multipart/mixed; boundary=c\r\n"),
        attached(b"aGVs\r\nbG8=", "3", "Content-Transfer-Encoding: base64\r\n"),
        attached(b"=E9=\r\n", "4", "Content-Transfer-Encoding: quoted-printable\r\n"),
        ("Content-Location: http://x.test/5\r\nX-Other: 1", b"caf\xe9"),
        ("Content-Description:\r\n folded", b""),
    )
    message = Multipart(parts, f'multipart/related; type="{version.media_type}"; boundary=b')
    backend.reply = (200, message.content_type, message.body)
    answer = post(message)
    action = '""' if version is SoapVersion.V11 else None
    assert backend.seen == [(message.body, message.content_type, action)]
    assert answer == Answer(200, message.content_type, message.body)


def test_a_large_attachment_passes_untouched(post: Post, backend: Backend) -> None:
    content = bytes(range(256)) * 3000
    parts = (mtom_root(SoapVersion.V11), attached(content))
    message = Multipart(parts, mtom_type(SoapVersion.V11))
    backend.reply = (200, message.content_type, message.body * 8)
    answer = post(message)
    assert backend.seen[0][0] == message.body
    assert answer.body == message.body * 8


FAULTS = {
    SoapVersion.V11: (
        "<s:Fault><faultcode>s:Client</faultcode><faultstring>no</faultstring></s:Fault>"
    ),
    SoapVersion.V12: (
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code>"
        "<s:Reason><s:Text xml:lang='en'>no</s:Text></s:Reason></s:Fault>"
    ),
}


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_fault_inside_a_multipart_reply_is_a_fault(
    post: Post, backend: Backend, version: SoapVersion, first: bool, status: int
) -> None:
    reply = mtom(version, inside=FAULTS[version], first=first)
    backend.reply = (status, reply.content_type, reply.body)
    answer = post(mtom(version))
    expected = 400 if version is SoapVersion.V12 else 500
    assert answer == Answer(expected, reply.content_type, reply.body)


# Hosted


def digest(answer: Answer) -> str | None:
    assert answer.status == 200, answer.body
    return etree.fromstring(answer.body).findtext(".//{*}StoreResult")


CONTENTS = [
    b"",
    b"\r\n",
    b"\r\nCRLF at both ends\r\n",
    b"\n\r",
    b"\r",
    tricky("b"),
    b"\xff" * 200_000,
]


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("content", CONTENTS, ids=range(len(CONTENTS)))
@pytest.mark.parametrize("first", [True, False])
def test_a_hosted_service_gets_a_part_as_the_bytes_it_is(
    post: Post, version: SoapVersion, content: bytes, first: bool
) -> None:
    parts = (mtom_root(version, stored(include("a%20part@x"))), attached(content, "a part@x"))
    message = Multipart(parts if first else parts[::-1], mtom_type(version))
    assert digest(post(message, "hosted")) == hashlib.sha256(content).hexdigest()


ENCODED = [
    ("Content-Transfer-Encoding: Base64\r\n", b"DQo=\r\n", b"\r\n"),
    ("Content-Transfer-Encoding: quoted-printable\r\n", b"=0D=0A=\r\n", b"\r\n"),
    ("Content-Type: text/plain; charset=utf-16\r\n", b"\xff\xfea\x00", b"\xff\xfea\x00"),
]
DIVIDED = [
    ("Content-Type: message/rfc822\r\n", b"a: b\r\n\r\nc\r\n", b"a: b\r\n\r\nc\r\n"),
    ("Content-Type: multipart/mixed; boundary=c\r\n", b"--c\r\n\r\na", b"--c\r\n\r\na"),
]


@pytest.mark.parametrize(
    ("head", "written", "content"),
    [*ENCODED, *DIVIDED],
)
def test_a_hosted_service_gets_the_bytes_of_a_part_whatever_its_type(
    post: Post, head: str, written: bytes, content: bytes
) -> None:
    parts = (mtom_root(SoapVersion.V11), attached(written, more=head))
    message = Multipart(parts, mtom_type(SoapVersion.V11))
    assert digest(post(message, "hosted")) == hashlib.sha256(content).hexdigest()


# Refused


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("href", ["cid:2@x", "http://x.test/1", "1@x", ""])
def test_an_include_of_a_part_that_is_not_there_is_refused(
    post: Post, version: SoapVersion, href: str
) -> None:
    root = mtom_root(version, stored(include().replace("cid:1@x", href)))
    message = Multipart((root, attached(b"x")), mtom_type(version))
    assert "Include" in post(message, "hosted").refusal(version)


def bad(version: SoapVersion) -> dict[str, Multipart]:
    """Return messages that must not pass, by what is wrong with them."""
    root, part, kind = mtom_root(version), attached(b"x"), mtom_type(version)
    inner = b"--c\r\n\r\n" + root[1] + b"\r\n--c--"
    other = f'multipart/related; type="{version.media_type}"'
    doctype = root[1].replace(b"<s:Env", b"<!DOCTYPE a []><s:Env", 1)
    return {
        "no part": Multipart((), kind),
        "another boundary": Multipart((root, part), kind, "c"),
        "no boundary": Multipart((root, part), other),
        "no root part": Multipart((part, attached(b"y", "2@x")), kind),
        "the root in a part of a part": Multipart(
            (("Content-Type: multipart/related; boundary=c", inner),), kind
        ),
        "an empty root part": Multipart(((root[0], b""), part), kind),
        "a document type": Multipart(((root[0], doctype), part), kind),
        "not of the schema": Multipart((mtom_root(version, stored()), part), kind),
        "an include too many": Multipart(
            (mtom_root(version, stored(*[include()] * 3)), part), kind
        ),
        "two includes in one": Multipart((mtom_root(version, stored(include() * 2)), part), kind),
        "another operation's action": Multipart(
            (root, part), mtom_type(version, more='; action="urn:Erase"')
        ),
    }


def ambiguous(version: SoapVersion) -> dict[str, Multipart]:
    """Return messages in which some readers see more, or another envelope, than others."""
    root, part, kind = mtom_root(version), attached(b"x"), mtom_type(version)
    unlike = mtom_root(version, stored("AA==", name="Erase"))
    plain = (f"Content-Type: {version.media_type}", root[1])
    told = root[0].replace(f'"{version.media_type}"', f'"{version.media_type}; action=urn:Erase"')
    return {
        "a start that no part has": Multipart((plain, part), kind),
        "two root parts": Multipart((root, unlike), kind),
        "another envelope before the root": Multipart(
            (attached(b"\xef\xbb\xbf\r\n" + unlike[1]), root), kind
        ),
        "a boundary behind a bare line feed": Multipart(
            (attached(b"\n--b\n" + root[0].encode() + b"\n\n" + root[1] + b"\n--b\n"), unlike), kind
        ),
        "text beside the include": Multipart(
            (mtom_root(version, stored("?" + include())), part), kind
        ),
        "an action twice": Multipart(
            (root, part), mtom_type(version, more='; action="urn:Store"; action="urn:Erase"')
        ),
        "an action in the root part": Multipart(((told, root[1]), part), kind),
        "a parameter of many parts": Multipart((root, part), mtom_type(version, more="; a*0*")),
        "a header that is deep": Multipart(
            (root, attached(b"x", more=f"Content-Type: {'(' * 12000}\r\n")), kind
        ),
        "a header that takes seconds": Multipart(
            (root, attached(b"x", more=f"Content-Type: text/xml{'; a=b' * 12000}\r\n")), kind
        ),
    }


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    "name",
    [
        *bad(SoapVersion.V11),
        *ambiguous(SoapVersion.V11),
    ],
)
def test_what_is_no_good_multipart_message_never_reaches_the_backend(
    post: Post, backend: Backend, version: SoapVersion, name: str
) -> None:
    message = (bad(version) | ambiguous(version))[name]
    began = time.monotonic()
    assert post(message).refusal(version)
    assert backend.seen == []
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("version", BOTH)
def test_the_root_of_a_reply_is_known_by_its_whole_id(
    post: Post, backend: Backend, version: SoapVersion
) -> None:
    root = mtom_root(version, stored(include(), name="Done"))
    parts = (attached(b"\x00", f"x.{ROOT_ID.strip('<>')}"), root)
    reply = Multipart(parts, mtom_type(version))
    backend.reply = (200, reply.content_type, reply.body)
    assert post(mtom(version)) == Answer(200, reply.content_type, reply.body)
