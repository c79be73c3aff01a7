"""The header blocks that a contract declares follow it as well; others pass as they are."""

from __future__ import annotations

import pytest

from gateway.admission import Gate, Limits, admit
from gateway.contract import from_documents
from gateway.endpoint import Refusal
from gateway.errors import Refused
from gateway.message import Message

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSDL = f"""<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" targetNamespace="urn:t"
 xmlns:t="urn:t" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:wsse="{WSSE}"
 xmlns:xs="http://www.w3.org/2001/XMLSchema">
<w:types>
<xs:schema targetNamespace="urn:t" elementFormDefault="qualified" xmlns:wsse="{WSSE}">
 <xs:import namespace="{WSSE}"/>
 <xs:complexType name="Key"><xs:sequence><xs:element name="number" type="xs:int"/>
  <xs:element name="seal" type="xs:base64Binary" minOccurs="0"/></xs:sequence></xs:complexType>
 <xs:complexType name="LongKey"><xs:complexContent><xs:extension base="t:Key"><xs:sequence>
  <xs:element name="more" type="xs:int"/></xs:sequence></xs:extension></xs:complexContent>
 </xs:complexType>
 <xs:element name="Key" type="t:Key"/><xs:element name="Hop" type="xs:int"/>
 <xs:element name="Get" type="xs:int"/><xs:element name="Put" type="xs:int"/>
 <xs:element name="Done" type="xs:int"/>
</xs:schema></w:types>
<w:message name="get"><w:part name="p" element="t:Get"/></w:message>
<w:message name="put"><w:part name="p" element="t:Put"/></w:message>
<w:message name="done"><w:part name="p" element="t:Done"/></w:message>
<w:message name="head"><w:part name="key" element="t:Key"/><w:part name="hop" element="t:Hop"/>
 <w:part name="sec" element="wsse:Security"/></w:message>
<w:portType name="P">
 <w:operation name="get"><w:input message="t:get"/><w:output message="t:done"/></w:operation>
 <w:operation name="put"><w:input message="t:put"/><w:output message="t:done"/></w:operation>
</w:portType>
<w:binding name="B" type="t:P"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/>
 <w:operation name="get"><s:operation soapAction=""/><w:input>
  <s:header message="t:head" part="key" use="literal"/><s:header message="t:head" part="sec"
  use="literal"/><s:body use="literal"/></w:input>
  <w:output><s:body use="literal"/></w:output></w:operation>
 <w:operation name="put"><s:operation soapAction=""/><w:input>
  <s:header message="t:head" part="hop" use="literal"/><s:body use="literal"/></w:input>
  <w:output><s:body use="literal"/></w:output></w:operation>
</w:binding>
<w:service name="S"><w:port name="P" binding="t:B"><s:address location="http://a/"/></w:port>
</w:service></w:definitions>"""


@pytest.fixture(scope="module")
def contract():
    return from_documents({"t.wsdl": WSDL.encode()}, "t.wsdl")


def message(blocks: str) -> Message:
    body = (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:xsi="{XSI}" xmlns:t="urn:t" xmlns="urn:t"'
        f' xmlns:wsu="{WSU}" xmlns:wsse="{WSSE}">'
        f"<s:Header>{blocks}</s:Header><s:Body><Get>1</Get></s:Body></s:Envelope>"
    )
    return Message(body=body.encode(), content_type="text/xml")


@pytest.mark.parametrize(
    "blocks",
    [
        "<Key><number>1</number></Key>",
        '<Key s:mustUnderstand="1"><number>1</number></Key>',
        '<Key s:actor="urn:another"><number>1</number></Key>',
        '<Key wsu:Id="signed" s:mustUnderstand="0"><number>1</number></Key>',
        '<Key s:mustUnderstand="1" xsi:type="t:LongKey"><number>1</number><more>2</more></Key>',
        '<Key xsi:type="LongKey" s:mustUnderstand="1"><number>1</number><more>2</more></Key>',
        "<Key><number>1</number></Key><Key><number>2</number></Key>",
        "<Other>anything <b/></Other>",
        # Of another operation: set for all calls, PHP sends it in a form of its own to this one.
        "<Hop><item><key>a</key></item></Hop>",
        '<Key xmlns="urn:another"><nothing/></Key>',
        "",
        "<!-- a comment --><Key><number>1</number></Key>",
        "<wsse:Security><anything/></wsse:Security>",
    ],
)
def test_a_header_that_follows_the_contract_or_is_not_declared_passes(contract, blocks):
    sent = message(blocks)
    assert Gate(contract, Limits()).admit(sent).operation.name == "get"


@pytest.mark.parametrize(
    ("blocks", "place"),
    [
        ("<Key><number>secret</number></Key>", "Key/number"),
        ('<Key s:mustUnderstand="1"><number>secret</number></Key>', "Key/number"),
        ('<Key s:actor="urn:another"><number>secret</number></Key>', "Key/number"),
        ("<Key><number>1</number></Key><Key><number>secret</number></Key>", "Key/number"),
        ("<Key><secret/></Key>", "Key"),
        ('<Key secret="1"><number>1</number></Key>', "Key"),
        ('<Key><number s:mustUnderstand="1">1</number></Key>', "Key/number"),
        ('<Key s:mustUnderstand="1" xsi:type="t:None"><number>1</number></Key>', "Key"),
    ],
)
async def test_a_header_that_does_not_is_refused_by_place_and_never_quoted(contract, blocks, place):
    refusal = await admit(Gate(contract, Limits()), message(blocks))
    assert isinstance(refusal, Refusal)
    error = refusal.error
    assert isinstance(error, Refused)
    said = "A header block does not follow the contract: element "
    assert error.text.startswith(f"{said}{place}: it")
    assert "secret" not in error.text
    assert (error.reason_code, refusal.operation) == ("Client.header-schema", "get")


def test_an_attachment_stands_for_the_bytes_in_a_header(contract):
    include = '<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:seal"/>'
    key = f"<Key><number>1</number><seal>{include}</seal></Key>"
    root = message(key).body
    parts = (
        b'--b\r\nContent-Type: application/xop+xml; type="text/xml"\r\n\r\n'
        + root
        + b"\r\n--b\r\nContent-ID: <seal>\r\n\r\nx\r\n--b--"
    )
    sent = Message(body=parts, content_type='multipart/related; boundary=b; type="text/xml"')
    assert Gate(contract, Limits()).admit(sent).operation.name == "get"


def test_with_the_check_turned_off_a_header_passes_as_the_body_does():
    unchecked = from_documents({"t.wsdl": WSDL.encode()}, "t.wsdl", check_schemas=False)
    Gate(unchecked, Limits()).admit(message("<Key><number>secret</number></Key>"))


def test_the_tree_of_a_request_stays_as_it_was(contract):
    sent = message('<Key s:mustUnderstand="1"><number>1</number></Key>')
    call = Gate(contract, Limits()).admit(sent)
    (block,) = call.envelope.header
    assert block.get(f"{{{SOAP}}}mustUnderstand") == "1"


def test_a_header_that_no_schema_declares_is_told_of():
    wsdl = WSDL.replace('<xs:element name="Hop" type="xs:int"/>', "").replace(
        'element="t:Hop"', 'type="xs:int"'
    )
    loaded = from_documents({"t.wsdl": wsdl.encode()}, "t.wsdl")
    told = [note for note in loaded.notes if "header" in note]
    assert told == ["no schema declares the header hop: it is not checked"]
