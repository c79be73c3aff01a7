"""SOAP over JMS: from the properties of a request to the bytes of the fault that answers it.

The numbers are those of the W3C's test cases: 10xx with SOAP 1.1, 11xx with SOAP 1.2.
"""

from __future__ import annotations

import gzip
import random
import time
from dataclasses import dataclass

import pytest
from answering import Answering
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.admission import Gate, Limits
from gateway.contract import from_documents
from gateway.endpoint import Refusal
from gateway.errors import (
    BindingViolation,
    ConfigurationError,
    JmsSubcode,
    Refused,
)
from gateway.message import (
    Message,
    from_properties,
    new_id,
    to_properties,
)
from gateway.observe.events import Events
from gateway.serving.intake import Intake, by_operation
from gateway.serving.leases import Work
from gateway.serving.service import Policy, ServiceEndpoint
from gateway.serving.verdict import Completed, Rejected
from gateway.serving.walk import Walk
from gateway.settings import from_values
from gateway.soap.envelope import SoapVersion, fault
from gateway.soap.jms import decoded, sniff_content_type, violation

JMS_NS = "http://www.w3.org/2010/soapjms/"
GET = "urn:example:warehouse/GetOrder"
LIMIT = 1 << 20
NUMBERS = {SoapVersion.V11: 1000, SoapVersion.V12: 1100}
BOTH = pytest.mark.parametrize("version", list(SoapVersion))
MODES = pytest.mark.parametrize("strict", [True, False])


@dataclass(frozen=True)
class Delivered:
    """What a verdict needs of a delivery."""

    message: Message
    attempt: int = 1
    is_contested: bool = False

    async def extend(self, lease: float) -> None:
        """Hold it for longer."""


class Echo:
    """A backend that gives back what it was called with, in a reply."""

    def __init__(self):
        self.calls = []

    async def invoke(self, call):
        self.calls.append(call)
        return Message(body=b"<reply/>", content_type=call.message.content_type)

    async def aclose(self):
        pass


@pytest.fixture
def backend():
    return Echo()


@pytest.fixture
def judge(warehouse, backend):
    """Judge a message with everything that stands before the backend of the warehouse."""
    service = ServiceEndpoint(Gate(warehouse, Limits(request=LIMIT)), backend, Policy(), time.time)
    find = by_operation({"warehouse": warehouse})
    intake = Intake({"warehouse": service}, find, clock=time.time)
    walk = Walk(intake, 5, 30.0, Events())

    async def run(message):
        return await walk(Work.on(Delivered(message), 0.0))

    return run


@pytest.fixture
def conforming(sample):
    """Return the properties of a request that breaks no rule, and its body."""

    def build(version: SoapVersion) -> tuple[dict[str, str], bytes]:
        name = {SoapVersion.V11: "get_order_11", SoapVersion.V12: "get_order_12"}[version]
        action = f'; action="{GET}"' if version is SoapVersion.V12 else ""
        properties = {
            "SOAPJMS_bindingVersion": "1.0",
            "SOAPJMS_contentType": f"{version.media_type}; charset=utf-8{action}",
            "SOAPJMS_requestURI": "jms:queue:warehouse?targetSystem=a",
            "SOAPJMS_soapAction": f'"{GET}"',
            "SOAPJMS_isFault": "false",
            "JMSCorrelationID": "",
        }
        return properties, sample(name).body

    return build


def read(properties, body, *, strict, kind="byte"):
    return from_properties(properties, body, id=new_id(), sender="alice", strict=strict, kind=kind)


def subcode_of(reply: Message, version: SoapVersion) -> str:
    """Return the subcode of a fault, having checked all else that the binding says of faults."""
    assert to_properties(reply)["SOAPJMS_isFault"] == "true"
    assert to_properties(reply)["SOAPJMS_bindingVersion"] == "1.0"
    root = etree.fromstring(reply.body)
    assert root.tag == f"{{{version.namespace}}}Envelope"
    assert reply.content_type == f"{version.media_type}; charset=utf-8"
    if version is SoapVersion.V11:
        element = root.find(".//faultcode")
    else:
        code = root.find(".//{*}Code")
        assert qname(code.find("{*}Value")) == (version.namespace, "Sender")
        element = code.find("{*}Subcode/{*}Value")
    namespace, name = qname(element)
    assert namespace == JMS_NS
    assert (root.findtext(".//faultstring") or root.findtext(".//{*}Reason/{*}Text")).strip()
    return name


def qname(element) -> tuple[str, str]:
    prefix, _, name = element.text.partition(":")
    return element.nsmap[prefix], name


LEFT_OUT = "left out"
CASES = {
    1: ({"SOAPJMS_bindingVersion": "0.3"}, "byte", "unrecognizedBindingVersion"),
    2: ({}, "stream", "unsupportedJMSMessageFormat"),
    3: ({"SOAPJMS_contentType": "text/plain"}, "byte", "contentTypeMismatch"),
    4: ({"SOAPJMS_requestURI": "jms:domain:"}, "byte", "malformedRequestURI"),
    5: ({"SOAPJMS_soapAction": "urn:another"}, "byte", "mismatchedSoapAction"),
    6: ({"SOAPJMS_contentType": LEFT_OUT}, "byte", "missingContentType"),
    7: ({"SOAPJMS_requestURI": LEFT_OUT}, "byte", "missingRequestURI"),
    8: (
        {"SOAPJMS_requestURI": "jms:queue:q?targetService=warehouse"},
        "byte",
        "targetServiceNotAllowedInRequestURI",
    ),
    9: ({"SOAPJMS_requestURI": "jms:XXXX:warehouse"}, "byte", "malformedRequestURI"),
}
W3C = [
    pytest.param(version, *case, id=str(first + number))
    for version, first in NUMBERS.items()
    for number, case in CASES.items()
    # SOAP 1.1 has its action in one place only, and nothing to agree with.
    if first + number != 1005
]
FORGIVEN = ("missingContentType", "missingRequestURI")


def changed(properties, changes):
    return {k: v for k, v in (properties | changes).items() if v is not LEFT_OUT}


@pytest.mark.parametrize(("version", "changes", "kind", "subcode"), W3C)
async def test_a_strict_gateway_answers_each_case_of_the_w3c_with_its_subcode(
    judge, backend, conforming, version, changes, kind, subcode
):
    properties, body = conforming(version)
    message = read(changed(properties, changes), body, strict=True, kind=kind)
    verdict = await judge(message)
    assert isinstance(verdict, Rejected)
    assert subcode in verdict.reason
    assert subcode_of(verdict.reply, version) == subcode
    assert verdict.reply.correlation_id == message.id
    assert verdict.reply.request_uri == message.request_uri
    assert backend.calls == []


@pytest.mark.parametrize(("version", "changes", "kind", "subcode"), W3C)
async def test_a_lenient_gateway_forgives_what_is_missing_and_nothing_that_is_wrong(
    judge, conforming, version, changes, kind, subcode
):
    properties, body = conforming(version)
    verdict = await judge(read(changed(properties, changes), body, strict=False, kind=kind))
    if subcode in FORGIVEN:
        assert isinstance(verdict, Completed)
    else:
        assert subcode_of(verdict.reply, version) == subcode


@BOTH
@MODES
async def test_a_conforming_request_is_answered_as_the_binding_says(
    judge, conforming, version, strict
):
    properties, body = conforming(version)
    message = read(properties, body, strict=strict)
    verdict = await judge(message)
    assert isinstance(verdict, Completed)
    written = to_properties(verdict.reply)
    assert written["SOAPJMS_bindingVersion"] == "1.0"
    assert written["SOAPJMS_requestURI"] == properties["SOAPJMS_requestURI"]
    assert written["SOAPJMS_soapAction"] == GET
    assert written["SOAPJMS_contentType"] == properties["SOAPJMS_contentType"]
    assert "SOAPJMS_isFault" not in written
    assert written["JMSCorrelationID"] == message.id


@BOTH
async def test_a_correlation_id_comes_back_and_else_the_id_of_the_message(
    judge, conforming, version
):  # Protocol-2038
    properties, body = conforming(version)
    for stated in ("ID:mine", ""):
        for broken in ({}, {"SOAPJMS_bindingVersion": "2"}):
            message = read(properties | {"JMSCorrelationID": stated} | broken, body, strict=True)
            verdict = await judge(message)
            assert verdict.reply.correlation_id == (stated or message.id)


async def test_a_reply_keeps_the_action_that_its_own_content_type_states(warehouse, sample):
    stated = "application/soap+xml; action=urn:done"

    class Stating(Echo):
        async def invoke(self, call):
            return Message(body=b"<reply/>", content_type=stated)

    service = ServiceEndpoint(Gate(warehouse, Limits()), Stating(), Policy(), time.time)
    reply = await service.answer(await service.admit(sample("get_order_12", soap_action=GET)))
    assert violation(to_properties(reply), reply.body, strict=False) is None
    assert reply.soap_action == "urn:done"


# Protocol-2002: of a parameter that is repeated, the last counts; its name decides, not its value.
@pytest.mark.parametrize(
    ("uri", "subcode"),
    [
        ("jms:queue:q?priority=1&priority=9", None),
        ("jms:queue:q?a=targetService", None),
        ("jms:queue:q?target%53ervice=a", "targetServiceNotAllowedInRequestURI"),
        ("jms:queue:q?targetService=&targetService=", "targetServiceNotAllowedInRequestURI"),
        ("sqs:orders", "malformedRequestURI"),
    ],
)
@MODES
def test_the_parameters_of_a_request_uri_are_looked_at(conforming, uri, subcode, strict):
    properties, body = conforming(SoapVersion.V11)
    changes = {"SOAPJMS_requestURI": uri}
    assert read(properties | changes, body, strict=strict).violation == subcode


# Protocol-2012: the charset of the content type is that of the XML declaration.
@pytest.mark.parametrize(
    ("charset", "declared", "encoding", "agree"),
    [
        ("utf-8", "UTF-8", "utf-8", True),
        ("UTF-16", "utf-16", "utf-16", True),
        ("utf-16le", "utf-16", "utf-16", True),
        ("utf-8", "", "utf-8", True),
        ("", "utf-16", "utf-16", True),
        ("utf-16", "", "utf-16", True),
        ("utf-8", "", "utf-16", False),
        ("utf-16", "utf-8", "utf-8", False),
        ("utf-8", "utf-16", "utf-16", False),
        ("utf-8", "iso-8859-1", "iso-8859-1", False),
        ("us-ascii", "utf-8", "utf-8-sig", False),
    ],
)
@MODES
def test_the_charset_agrees_with_the_xml_declaration(
    conforming, charset, declared, encoding, agree, strict
):
    properties, body = conforming(SoapVersion.V11)
    text = body.decode().partition("?>")[2]
    if declared:
        text = f'<?xml version="1.0" encoding="{declared}"?>{text}'
    properties["SOAPJMS_contentType"] = f"text/xml; charset={charset}" if charset else "text/xml"
    found = read(properties, text.encode(encoding), strict=strict).violation
    assert found == (None if agree else "contentTypeMismatch")


def test_an_action_in_the_content_type_alone_is_missing_in_strict_mode_only(conforming):
    properties, body = conforming(SoapVersion.V12)
    properties["SOAPJMS_soapAction"] = ""
    assert read(properties, body, strict=True).violation == "missingSoapAction"
    assert read(properties, body, strict=False).violation is None


def test_a_binding_version_that_is_not_there_is_not_recognized_in_strict_mode_only(conforming):
    properties, body = conforming(SoapVersion.V11)
    del properties["SOAPJMS_bindingVersion"]
    assert read(properties, body, strict=True).violation == "unrecognizedBindingVersion"
    assert read(properties, body, strict=False).violation is None


@MODES
def test_of_several_broken_rules_the_first_in_the_order_of_cxf_is_told(strict):
    broken = {
        "SOAPJMS_contentType": "application/soap+xml; action=urn:a",
        "SOAPJMS_contentEncoding": "br",
        "SOAPJMS_requestURI": "nowhere",
        "SOAPJMS_soapAction": "urn:b",
        "SOAPJMS_bindingVersion": "2.0",
    }
    cures = [
        ({"SOAPJMS_contentType": "text/plain"}, "contentTypeMismatch"),
        ({"SOAPJMS_contentType": broken["SOAPJMS_contentType"]}, "contentEncodingNotSupported"),
        ({"SOAPJMS_contentEncoding": "identity"}, "malformedRequestURI"),
        ({"SOAPJMS_requestURI": "jms:queue:q"}, "mismatchedSoapAction"),
        ({"SOAPJMS_soapAction": "urn:a"}, "unrecognizedBindingVersion"),
        ({"SOAPJMS_bindingVersion": "1.0"}, "unsupportedJMSMessageFormat"),
    ]
    for cure, next_subcode in cures:
        broken |= cure
        assert violation(broken, b"<a/>", strict=strict, kind="map") == next_subcode
    assert violation(broken, b"<a/>", strict=strict, kind="text") is None


@MODES
@pytest.mark.parametrize("kind", ["object", "map"])
def test_a_bare_message_that_cannot_hold_an_envelope_is_told_that_and_no_missing_type(strict, kind):
    assert violation({}, b"rO0ABXNy", strict=strict, kind=kind) == "unsupportedJMSMessageFormat"
    assert violation({}, b"rO0ABXNy", strict=strict, kind="byte") == "missingContentType"


@BOTH
async def test_a_bare_envelope_is_answered_by_a_lenient_gateway(
    judge, backend, conforming, version
):
    _, body = conforming(version)
    verdict = await judge(read({}, body, strict=False))
    assert isinstance(verdict, Completed)
    (call,) = backend.calls
    assert call.message.body == body
    assert call.message.content_type == f"{version.media_type}; charset=UTF-8"


@BOTH
async def test_the_properties_of_spring_are_answered_by_a_lenient_gateway(
    judge, conforming, version
):
    properties, body = conforming(version)
    spring = {
        "SOAPJMS_acceptEncoding": "gzip",
        "SOAPJMS_soapAction": properties["SOAPJMS_soapAction"],
        "SOAPJMS_contentLength": str(len(body)),
        "SOAPJMS_contentType": properties["SOAPJMS_contentType"],
    }
    assert isinstance(await judge(read(spring, body, strict=False)), Completed)


async def test_what_is_no_envelope_and_says_nothing_of_itself_is_told_to(judge):
    verdict = await judge(read({}, b"hello", strict=False))
    assert subcode_of(verdict.reply, SoapVersion.V11) == "missingContentType"


@BOTH
@MODES
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
async def test_a_packed_body_is_unpacked_for_the_service(
    judge, backend, conforming, version, strict, encoding
):
    properties, body = conforming(version)
    properties["SOAPJMS_contentEncoding"] = encoding
    message = read(properties, gzip.compress(body, mtime=0), strict=strict)
    assert isinstance(await judge(message), Completed)
    (call,) = backend.calls
    assert (call.message.body, call.message.content_encoding) == (body, "")


@BOTH
async def test_a_packed_bare_envelope_has_its_content_type_found_in_it(judge, conforming, version):
    _, body = conforming(version)
    packed = gzip.compress(body, mtime=0)
    lenient = read({"SOAPJMS_contentEncoding": "gzip"}, packed, strict=False)
    assert isinstance(await judge(lenient), Completed)
    strict = read({"SOAPJMS_contentEncoding": "gzip"}, packed, strict=True)
    assert strict.violation == "missingContentType"


async def test_a_packed_body_of_another_charset_is_refused_once_it_is_unpacked(judge, conforming):
    properties, body = conforming(SoapVersion.V11)
    properties |= {
        "SOAPJMS_contentEncoding": "gzip",
        "SOAPJMS_contentType": "text/xml; charset=utf-16",
    }
    verdict = await judge(read(properties, gzip.compress(body, mtime=0), strict=True))
    assert subcode_of(verdict.reply, SoapVersion.V11) == "contentTypeMismatch"


async def test_a_bomb_is_refused_before_it_has_gone_off(judge, backend, conforming):
    properties, _ = conforming(SoapVersion.V11)
    properties["SOAPJMS_contentEncoding"] = "gzip"
    noise = random.Random(7).randbytes(LIMIT // 2 + 1).hex().encode()
    verdict = await judge(read(properties, gzip.compress(noise), strict=False))
    assert "larger" in verdict.reason
    verdict = await judge(read(properties, gzip.compress(b" " * LIMIT), strict=False))
    assert "1/20" in verdict.reason
    assert etree.fromstring(verdict.reply.body).findtext(".//faultcode") == "soap:Client"
    assert backend.calls == []


@given(st.binary(max_size=300), st.integers(0, 300))
def test_unpacking_gives_the_body_or_refuses_it_by_its_size(body, limit):
    packed = gzip.compress(body, mtime=0)
    if len(body) <= limit:
        assert decoded(packed, "gzip", limit) == body
    else:
        with pytest.raises(Refused, match="larger"):
            decoded(packed, "gzip", limit)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"<a/>", "br"),
        (b"<a/>", "gzip"),
        (b"", "gzip"),
        (gzip.compress(b"<a/>", mtime=0)[:-1], "gzip"),
        (gzip.compress(b"<a/>", mtime=0) + b"more", "gzip"),
    ],
)
def test_what_cannot_be_unpacked_whole_is_refused(body, encoding):
    with pytest.raises(BindingViolation) as caught:
        decoded(body, encoding, 100)
    assert caught.value.subcode is JmsSubcode.CONTENT_ENCODING_NOT_SUPPORTED


@pytest.mark.parametrize("encoding", ["", "none", "identity", "Identity"])
def test_a_body_that_is_not_packed_is_left_alone(encoding):
    assert decoded(b"<a/>", encoding, 1) == b"<a/>"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@MODES
def test_a_text_cannot_be_packed(conforming, encoding, strict):
    properties, body = conforming(SoapVersion.V11)
    properties["SOAPJMS_contentEncoding"] = encoding
    found = read(properties, body, strict=strict, kind="text").violation
    assert found == "contentEncodingNotSupported"


@pytest.mark.parametrize(
    ("head", "attributes", "kind"),
    [
        ("", 'xmlns:e="{}"', "{}"),
        ("\ufeff", 'xmlns:e="{}"', "{}"),
        ("<?xml version='1.0'?>\n<!-- a > b --> <?pi?>", "a='>'\n xmlns:e\n=\n'{}'", "{}"),
        ("<x/>", 'xmlns:e="{}"', ""),
        ("", 'xmlns:f="{}"', ""),
        ("", 'xmlns:e="urn:other" a="{}"', ""),
    ],
)
@BOTH
def test_the_content_type_of_an_envelope_is_that_of_its_namespace(version, head, attributes, kind):
    text = f"{head}<e:Envelope {attributes.format(version.namespace)}><e:Body/></e:Envelope>"
    expected = kind.format(f"{version.media_type}; charset=utf-8")
    assert sniff_content_type(text.encode()) == expected


def test_an_envelope_without_a_prefix_or_in_utf_16_is_known_too():
    text = f'<Envelope xmlns="{SoapVersion.V12.namespace}"/>'
    assert sniff_content_type(text.encode()).startswith("application/soap+xml")
    declared = f'<?xml version="1.0" encoding="utf-16"?>{text}'.encode("utf-16")
    assert sniff_content_type(declared) == "application/soap+xml; charset=utf-16"
    assert sniff_content_type(text.encode("utf-16")) == "application/soap+xml; charset=utf-16"


def test_many_comments_before_no_envelope_take_no_time():
    began = time.monotonic()
    assert sniff_content_type(b"<!--a-->" * 100_000 + b"<a/>") == ""
    assert time.monotonic() - began < 1


def test_the_setting_knows_two_modes(tmp_path):
    def mode(**gateway):
        service = {"wsdl": "a.wsdl"}
        values = {"queue": "memory:", "services": {"a": service}, "gateway": gateway}
        return from_values(values, tmp_path, "it").gateway.soapjms

    assert (mode(), mode(soapjms="strict")) == ("lenient", "strict")
    with pytest.raises(ConfigurationError) as caught:
        mode(soapjms="Strict")
    assert str(caught.value) == 'it: gateway.soapjms: must be "lenient" or "strict".'


names = st.sampled_from(
    ["bindingVersion", "contentType", "contentEncoding", "requestURI", "soapAction"]
)
values = st.text() | st.text().map("text/xml; charset={0}; charset*={0}".format)


@given(st.dictionaries(names.map("SOAPJMS_{}".format), values), st.binary(), st.booleans())
def test_reading_broken_properties_never_raises(properties, body, strict):
    read_back = from_properties(properties, body, id="i", sender="s", strict=strict, kind="?")
    assert isinstance(read_back.violation, JmsSubcode)


@pytest.mark.parametrize("subcode", list(JmsSubcode))
@BOTH
def test_every_subcode_has_a_fault_that_says_what_to_change(subcode, version):
    error = BindingViolation(subcode)
    reply = fault(error, Message(body=b"", content_type=version.media_type))
    assert subcode_of(reply, version) == subcode
    assert error.text.endswith(".")


WSDL = """<definitions name="{name}" targetNamespace="urn:{name}" xmlns:t="urn:{name}"
    xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
    xmlns:o="urn:own:{name}" xmlns:c="urn:common" xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <types><xs:schema targetNamespace="urn:own:{name}"><xs:element name="own"/></xs:schema>
    <xs:schema targetNamespace="urn:common"><xs:element name="common"/></xs:schema></types>
  <message name="own"><part name="p" element="o:own"/></message>
  <message name="common"><part name="p" element="c:common"/></message>
  <message name="none"/>
  <portType name="pt">
    <operation name="own"><input message="t:own"/><output message="t:none"/></operation>
    <operation name="common"><input message="t:common"/><output message="t:none"/></operation>
  </portType>
  <binding name="b" type="t:pt"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="own"><s:operation soapAction="urn:{name}/own"/>
      <input><s:body use="literal"/></input><output><s:body use="literal"/></output></operation>
    <operation name="common"><s:operation soapAction="urn:{name}/common"/>
      <input><s:body use="literal"/></input><output><s:body use="literal"/></output></operation>
  </binding>
  <service name="S"><port name="p" binding="t:b"><s:address location="http://a.test/"/></port>
  </service></definitions>"""


def bare(inside: str, head: str = "") -> bytes:
    return (
        f'<e:Envelope xmlns:e="{SoapVersion.V11.namespace}"><e:Header>{head}</e:Header>'
        f"<e:Body>{inside}</e:Body></e:Envelope>"
    ).encode()


def addressed(action: str) -> str:
    return f'<w:Action xmlns:w="http://www.w3.org/2005/08/addressing">{action}</w:Action>'


@pytest.fixture
def route():
    """Return the name of the service that a message is handed to, of the two, a and b."""
    contracts = {
        name: from_documents({"x.wsdl": WSDL.format(name=name).encode()}, "x.wsdl")
        for name in ("a", "b")
    }
    services = dict.fromkeys(contracts, Answering(Echo().invoke))
    find = by_operation(contracts)
    intake = Intake(services, find, clock=time.time)

    async def run(body: bytes, **properties: str) -> str:
        named = {f"SOAPJMS_{name}": value for name, value in properties.items()}
        found = await intake.admit(from_properties(named, body, id=new_id(), sender="s"))
        if isinstance(found, Refusal):
            raise found.error
        return found.message.target_service

    return run


async def test_a_request_that_names_no_service_goes_where_its_body_is_known(route):
    assert await route(bare('<own xmlns="urn:own:a"/>')) == "a"
    assert await route(bare('<own xmlns="urn:own:b"/>')) == "b"


async def test_a_large_request_is_routed_as_well(route):
    assert await route(bare(f'<own xmlns="urn:own:b">{"x" * 100_000}</own>')) == "b"


async def test_between_services_that_share_a_body_the_action_decides(route):
    body = bare('<common xmlns="urn:common"/>')
    assert await route(body, soapAction='"urn:a/common"') == "a"
    assert await route(body, soapAction="urn:b/common") == "b"
    assert await route(bare('<common xmlns="urn:common"/>', addressed("urn:b/common"))) == "b"


async def test_a_target_service_goes_before_all_else(route):
    assert await route(bare('<own xmlns="urn:own:a"/>'), targetService="b") == "b"
    with pytest.raises(Refused, match="No service of that name"):
        await route(bare('<own xmlns="urn:own:a"/>'), targetService="c")


async def test_what_several_services_take_is_refused(route):
    with pytest.raises(Refused, match="Several services"):
        await route(bare('<common xmlns="urn:common"/>'))


@pytest.mark.parametrize(
    "body",
    [
        bare('<own xmlns="urn:own:c"/>'),
        bare(""),
        bare('<own xmlns="urn:own:a"/>', addressed("urn:b/own")),
    ],
)
async def test_what_no_service_takes_is_refused(route, body):
    with pytest.raises(Refused, match="No service here"):
        await route(body)
