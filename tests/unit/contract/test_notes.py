"""What is said of a contract is what was found in it, and each thing is said once."""

from __future__ import annotations

import pytest

from gateway.contract import loader
from gateway.errors import ContractError, Unforeseen
from gateway.generate.contract.reading import read
from gateway.generate.python import describing

ELSEWHERE = '<xs:import namespace="urn:orders" schemaLocation="orders.xsd"/>'
ORDERS = (
    b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:orders">'
    b'<xs:element name="getOrder" type="xs:string"/></xs:schema>'
)


def refusal(contract, data: bytes, others: dict[str, bytes] | None = None) -> str:
    with pytest.raises(ContractError) as refused:
        contract(data, others)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_an_import_outside_of_a_schema_is_told_as_the_cause(contract, wsdl, get):
    told = refusal(contract, wsdl(get, types=ELSEWHERE), {"orders.xsd": ORDERS})
    assert "orders.wsdl:5: this xs:import is in wsdl:types itself" in told
    assert "put an xs:schema around it" in told
    assert "message getOrderIn has a part whose type or element no schema declares" in told
    assert "add a wsdl:service" not in told
    inside = f"<xs:schema>{ELSEWHERE}</xs:schema>"
    assert contract(wsdl(get, types=inside), {"orders.xsd": ORDERS}).operations


def test_an_operation_that_its_port_type_lacks_is_told_as_the_cause(contract, wsdl, get):
    text = wsdl(get).decode().replace(get.abstract(), "")
    told = refusal(contract, text.encode())
    assert "operation getOrder is not in the port type pt" in told
    assert "add a wsdl:service" not in told


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ('binding="t:b0"', 'binding="t:b9"', "names the binding t:b9, which is declared nowhere"),
        ("soap/http", "soap/smtp", "whose transport is 'http://schemas.xmlsoap.org/soap/smtp'"),
        ('<binding name="b0"', '<binding name="b8"', "port p0 names the binding t:b0"),
    ],
)
def test_what_is_wrong_with_a_port_is_told_with_its_place(contract, wsdl, get, old, new, cause):
    text = wsdl(get).decode()
    assert old in text
    assert cause in refusal(contract, text.replace(old, new).encode())


def test_without_a_service_that_is_told(contract, wsdl, get):
    text = wsdl(get).decode()
    start, end = text.index("<service"), text.index("</service>") + len("</service>")
    assert "it has no wsdl:service with a port" in refusal(
        contract, (text[:start] + text[end:]).encode()
    )


def test_what_sixty_operations_have_in_common_is_one_line(contract, wsdl, op):
    encoded = [
        op(name=f"op{n}", parts=[("p", 'type="xs:int"')], style="rpc", body='use="encoded"')
        for n in range(60)
    ]
    loaded = contract(wsdl(*encoded))
    assert loaded.notes == (
        "each of these 60 operations is rpc/encoded: its messages are not checked against a schema "
        "(op0, op1, op2, op3, op4, op5 and 54 more)",
    )
    assert len(loaded.all_notes) == 60
    assert loaded.all_notes[7] == (
        "operation op7 is rpc/encoded: its messages are not checked against a schema"
    )
    model = read(loaded)
    assert list(describing.grouped_gaps(model)) == [
        "each of these 60 is rpc/encoded, and left out (op0, op1, op2, op3, op4, op5 and 54 more)"
    ]
    assert len(list(describing.gaps(model, as_list=False))) == 60


ANY_XML = """
<xs:schema targetNamespace="urn:orders" elementFormDefault="qualified">
  <xs:element name="getOrder"><xs:complexType><xs:sequence>
    <xs:element name="document"><xs:complexType mixed="true"><xs:sequence>
      {}<xs:any/></xs:sequence></xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>"""


def test_any_xml_as_dotnet_writes_it_is_not_called_lost_text(contract, wsdl, get):
    (told,) = describing.grouped_gaps(read(contract(wsdl(get, types=ANY_XML.format("")))))
    assert "is any XML, given and taken as lxml's elements" in told
    assert "between" not in told
    own = ANY_XML.format('<xs:element name="b" type="xs:string"/>')
    told = "\n".join(describing.grouped_gaps(read(contract(wsdl(get, types=own)))))
    assert "text between its elements is lost" in told


def test_what_nobody_foresaw_is_a_sentence_with_the_cause_behind_it(
    contract, wsdl, get, monkeypatch
):
    def fail(documents):
        raise KeyError("urn:nobody\nforesaw")

    monkeypatch.setattr(loader, "check_expansion", fail)
    with pytest.raises(Unforeseen) as failed:
        contract(wsdl(get))
    told = str(failed.value)
    assert told.startswith("orders.wsdl: understanding it failed (KeyError: ")
    assert "defect of the gateway: report it with the contract; gateway --traceback" in told
    assert "\n" not in told
    assert isinstance(failed.value.__cause__, KeyError)
