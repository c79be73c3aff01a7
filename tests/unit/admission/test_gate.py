"""The gate as a whole: the checks in their order, with the limits that it was given."""

from __future__ import annotations

import pytest

from gateway import assembly
from gateway.admission import Gate, Limits
from gateway.contract import from_documents
from gateway.errors import NotUnderstood, Refused, WrongAddressing
from gateway.message import Message
from gateway.settings import from_values
from gateway.soap.envelope import SOAP_11

WSDL = """<definitions name="Old" targetNamespace="urn:old" xmlns:t="urn:old"
    xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:xs="http://www.w3.org/2001/XMLSchema"
    xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/">
  <types><xs:schema targetNamespace="urn:old" elementFormDefault="qualified">
    <xs:element name="One" type="xs:int"/><xs:element name="Two" type="xs:int"/>
  </xs:schema></types>
  <message name="In"><part name="count" type="xs:int"/></message>
  <message name="Both"><part name="a" element="t:One"/><part name="b" element="t:Two"/></message>
  <message name="Out"/>
  <portType name="P">
    <operation name="Coded"><input message="t:In"/><output message="t:Out"/></operation>
    <operation name="Literal"><input message="t:In"/><output message="t:Out"/></operation>
    <operation name="Several"><input message="t:Both"/><output message="t:Out"/></operation>
  </portType>
  <binding name="B" type="t:P"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Coded"><s:operation soapAction="urn:old/Coded" style="rpc"/>
      <input><s:body use="encoded" namespace="urn:old"/></input>
      <output><s:body use="encoded" namespace="urn:old"/></output></operation>
    <operation name="Literal"><s:operation soapAction="urn:old/Literal" style="rpc"/>
      <input><s:body use="literal" namespace="urn:old"/></input>
      <output><s:body use="literal" namespace="urn:old"/></output></operation>
    <operation name="Several"><s:operation soapAction="urn:old/Several"/>
      <input><s:body use="literal"/></input><output><s:body use="literal"/></output></operation>
  </binding>
  <service name="S"><port name="P" binding="t:B"><s:address location="http://a/"/></port></service>
</definitions>"""


def contract(**options: bool):
    return from_documents({"old.wsdl": WSDL.encode()}, "old.wsdl", **options)


def message(body: str, header: str = "") -> Message:
    head = f"<e:Header>{header}</e:Header>" if header else ""
    text = (
        f'<e:Envelope xmlns:e="{SOAP_11[0]}" xmlns:o="urn:old" xmlns:h="urn:h"'
        f' xmlns:a="http://www.w3.org/2005/08/addressing">{head}<e:Body>{body}</e:Body>'
        "</e:Envelope>"
    )
    return Message(body=text.encode(), content_type="text/xml")


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate(contract(), Limits())


LITERAL = "<o:Literal><count>1</count></o:Literal>"


def test_rpc_literal_is_checked_against_the_types_of_its_parts(gate):
    assert gate.admit(message(LITERAL)).operation.name == "Literal"
    with pytest.raises(Refused, match="element Literal/count: ") as caught:
        gate.admit(message(LITERAL.replace("1", "canary")))
    assert "canary" not in caught.value.text + caught.value.reason


def test_rpc_encoded_is_checked_in_its_structure_alone(gate):
    assert gate.admit(message('<o:Coded><count href="#1"/></o:Coded><m id="1">x</m>'))
    with pytest.raises(Refused, match="circle"):
        gate.admit(message('<o:Coded><count href="#1"/></o:Coded><m id="1" href="#1"/>'))


def test_arrays_and_includes_are_looked_at(gate):
    array = 'c:arrayType="xs:int[50001]" xmlns:c="http://schemas.xmlsoap.org/soap/encoding/"'
    include = '<Include xmlns="http://www.w3.org/2004/08/xop/include" href="http://x.example/"/>'
    with pytest.raises(Refused, match="members of an array"):
        gate.admit(message(f"<o:Coded><count {array}/></o:Coded>"))
    with pytest.raises(Refused, match="xop:Include"):
        gate.admit(message(f"<o:Coded><count>{include}</count></o:Coded>"))


def test_references_are_followed_in_rpc_encoded_messages_alone(gate):
    unchecked = Gate(contract(check_schemas=False), Limits())
    for one in (gate, unchecked):
        with pytest.raises(Refused, match="one element"):
            one.admit(message(LITERAL + '<m id="1"/>'))
    assert unchecked.admit(message('<o:Literal><count href="http://x.example/"/></o:Literal>'))


def test_an_operation_of_several_elements_takes_these_and_no_more(gate):
    assert gate.admit(message("<o:One>1</o:One><o:Two>2</o:Two>")).operation.name == "Several"
    with pytest.raises(Refused, match="more elements"):
        gate.admit(message("<o:One>1</o:One><o:Two>2</o:Two><o:Two>3</o:Two>"))


def test_without_schemas_values_pass_and_a_note_says_so():
    switched = contract(check_schemas=False)
    assert Gate(switched, Limits()).admit(message(LITERAL.replace("1", "x")))
    assert any("turn schemas off" in note for note in switched.notes)


def test_a_header_is_understood_where_the_settings_say_so(gate):
    demanding = message(LITERAL, '<h:s e:mustUnderstand="1"/>')
    with pytest.raises(NotUnderstood):
        gate.admit(demanding)
    told = Gate(contract(), Limits(), understands=frozenset({"{urn:h}s"}))
    assert told.admit(demanding)


def test_a_header_is_understood_where_the_contract_declares_it(warehouse, sample):
    plain = sample("place_order_11")
    demanding = plain.body.replace(b"<wh:CallKey>", b'<wh:CallKey soapenv:mustUnderstand="1">')
    assert demanding != plain.body
    assert Gate(warehouse, Limits()).admit(sample("place_order_11", body=demanding))


def test_a_reply_address_and_a_foreign_action_are_refused(gate):
    header = "<a:ReplyTo><a:Address>http://x.example/</a:Address></a:ReplyTo>"
    with pytest.raises(WrongAddressing, match="anonymous"):
        gate.admit(message(LITERAL, header))
    with pytest.raises(WrongAddressing) as caught:
        gate.admit(message(LITERAL, "<a:Action>urn:old/Coded</a:Action>"))
    assert caught.value.subcodes == ("ActionNotSupported",)
    assert gate.admit(message(LITERAL, "<a:Action>urn:old/Literal</a:Action>"))


def test_each_limit_of_the_gate_is_its_own(gate):
    small = Limits(depth=3, header_blocks=1, references=0)
    strict = Gate(contract(), small)
    for body, header in (
        (LITERAL, ""),  # four deep
        ("<o:One/>", "<h:a/><h:b/>"),
        ('<o:Coded href="#1"/><m id="1"/>', ""),
    ):
        with pytest.raises(Refused, match="No more than"):
            strict.admit(message(body, header))
    assert gate.admit(message(LITERAL, "<h:a/><h:b/>"))


CODED = '<o:Coded><count href="#canary"/></o:Coded>'


@pytest.mark.parametrize(
    ("body", "header"),
    [
        ("<canary></o:Coded>", ""),
        ("<canary:b/>", ""),  # for libxml2 alone: expat is not asked about namespaces
        ("&canary;", ""),
        ("<?canary?>", ""),
        ("<canary/>", ""),
        ("canary<o:Coded/>", ""),
        (f"<{'canary' * 50}/>", ""),
        (CODED, ""),
        (f'{CODED}<m id="canary" href="#canary"/>', ""),
        (f'{CODED}<m id="canary"/><m id="canary"/>', ""),
        ('<o:Coded><count href="http://canary/"/></o:Coded>', ""),
        ("<o:Literal><count>canary</count></o:Literal>", ""),
        ("<o:Literal><canary/></o:Literal>", ""),
        (LITERAL, '<canary xmlns="urn:canary" e:mustUnderstand="1"/>'),
        (LITERAL, "<a:Action>canary</a:Action>"),
        (LITERAL, "<a:ReplyTo><a:Address>http://canary/</a:Address></a:ReplyTo>"),
    ],
)
def test_nothing_of_a_message_is_in_what_the_caller_or_the_log_is_told(gate, body, header):
    with pytest.raises(Refused) as caught:
        gate.admit(message(body, header))
    error = caught.value
    logged = error.reason or str(error.__cause__ or "")  # as the gateway writes it
    assert "canary" not in error.text + logged


@pytest.fixture
def configured(tmp_path):
    """Return what builds settings over the contract in a file, with more keys for the service."""
    (tmp_path / "old.wsdl").write_text(WSDL)

    def build(**keys: object):
        values = {"queue": "memory:", "services": {"old": {"wsdl": "old.wsdl", **keys}}}
        return from_values(values, tmp_path, "it")

    return build


def test_the_settings_turn_the_schemas_of_one_service_off(configured):
    wrong = message(LITERAL.replace("1", "x"))
    for settings, passes in ((configured(validate=False), True), (configured(), False)):
        loaded = assembly.load_service_contract(settings, "old").contract
        assert any("turn schemas off" in note for note in loaded.notes) == passes
        gate = assembly.gate(settings, "old", loaded)
        if passes:
            assert gate.admit(wrong)
        else:
            with pytest.raises(Refused):
                gate.admit(wrong)


def test_the_settings_name_what_a_service_understands(configured):
    demanding = message(LITERAL, '<h:s e:mustUnderstand="1"/>')
    settings = configured(understands=["{urn:h}s"])
    assert assembly.gate(settings, "old", contract()).admit(demanding)
    with pytest.raises(NotUnderstood):
        assembly.gate(configured(), "old", contract()).admit(demanding)
