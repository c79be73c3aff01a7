"""Records as their layout has them in XML."""

from __future__ import annotations

import datetime as dt
import importlib.util
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest
import requests
from lxml import etree
from zeep.exceptions import TransportError

from gateway.stubs import (
    NIL,
    SoapFault,
    UnreadableReply,
    UnwritableValue,
)
from gateway.stubs.exchange import request, result
from gateway.stubs.reading import read_record
from gateway.stubs.writing import write_record

GOLDEN = Path(__file__).parents[2] / "golden" / "stubs"
T = "urn:example:everything:types"


def imported(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, GOLDEN / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


stub = imported("everything_client")
calculator = imported("calculator_client")


def written(value) -> etree._Element:
    element = etree.Element("it", nsmap={"t": T})
    write_record(element, stub._LAYOUT.record(type(value).__name__), value, stub._LAYOUT)
    return element


def read(kind: type, xml: str):
    element = etree.fromstring(
        f'<it xmlns="{T}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{xml}</it>'
    )
    return read_record(element, stub._LAYOUT.record(kind.__name__), stub._LAYOUT)


def names(element: etree._Element) -> list[str]:
    return [etree.QName(child).localname for child in element]


def test_the_branch_is_written_that_has_values():
    day = dt.date(2024, 5, 6)
    assert names(written(stub.Choices(from_=day))) == ["from"]
    assert names(written(stub.Choices(to=day, days=3))) == ["days", "to"]
    assert names(written(stub.Choices(to=day, from_=day))) == ["from", "to"]


def test_a_choice_without_a_value_is_refused():
    with pytest.raises(UnwritableValue, match="Choices needs one of: from_, to, days, always"):
        written(stub.Choices())


def test_a_repeated_choice_keeps_its_order():
    one, two = stub.ChoicesChoice(minus=1), stub.ChoicesChoice(plus=2)
    three = stub.ChoicesChoice(times=3, by=None)
    value = stub.Choices(always=stub.Empty(), choices=[one, two, three, one])
    element = written(value)
    assert names(element) == ["always", "minus", "plus", "times", "by", "minus"]
    assert read_record(element, stub._LAYOUT.record("Choices"), stub._LAYOUT) == value


def test_a_derived_record_says_its_type():
    circle = stub.Circle(x=Decimal(1), radius=2.0)
    element = written(stub.Drawing(shape=[circle], title=None))
    assert element[0].get("{http://www.w3.org/2001/XMLSchema-instance}type") == "t:Circle"
    back = read_record(element, stub._LAYOUT.record("Drawing"), stub._LAYOUT)
    assert type(back.shape[0]) is stub.Circle


def test_a_record_of_another_kind_is_refused():
    with pytest.raises(UnwritableValue, match=r"Drawing\.shape: it is Empty, not Shape"):
        written(stub.Drawing(shape=[stub.Empty()], title=None))


def test_nil_and_absent_stay_apart():
    xml = '<shape xsi:type="Circle"><x>1</x>{}<radius>2</radius></shape><title xsi:nil="1"/>'
    nil = '<label xsi:nil="true"/>'
    for label in ("", nil):
        back = written(read(stub.Drawing, xml.format(label)))
        assert ("label" in names(back[0])) is bool(label)
    given = written(stub.Circle(x=Decimal(1), label=NIL, radius=2.0))
    assert names(given) == ["x", "label", "radius"]


def test_a_nil_element_keeps_its_attributes():
    xml = '<shape xsi:type="Circle"><x>1</x><radius>2</radius></shape>'
    back = written(read(stub.Drawing, xml + '<title xsi:nil="1" currency="EUR"/>'))
    assert back[1].get("currency") == "EUR"


def test_a_value_that_must_be_there_is_asked_for():
    with pytest.raises(UnwritableValue, match=r"Lent\.text needs a value"):
        written(stub.Lent(text=None))


def test_an_attribute_with_its_default_is_left_out():
    circle = written(stub.Circle(x=Decimal(1), radius=2.0))
    assert "filled" not in circle.attrib
    assert read(stub.Circle, "<x>1</x><radius>2</radius>").filled is True
    assert written(stub.Circle(x=Decimal(1), radius=2.0, filled=False)).get("filled") == "false"


def test_what_the_contract_does_not_know_is_passed_over_and_what_is_missing_is_none():
    found = read(stub.Lent, "<new>1</new>")
    assert found == stub.Lent(text=None)


def test_elements_of_any_name_are_given_as_they_are():
    found = read(stub.Open, '<known>a</known><x xmlns="urn:x">1</x>')
    assert found.any_elements[0].text == "1"
    assert etree.QName(written(found)[1]).namespace == "urn:x"


def test_anything_has_its_own_type():
    element = written(stub.Anything(first=7, second=stub.Empty()))
    back = read_record(element, stub._LAYOUT.record("Anything"), stub._LAYOUT)
    assert (back.first, back.second) == (7, stub.Empty())
    plain = read(stub.Anything, "<first>x</first>")
    assert plain.first.text == "x"
    assert written(plain)[0].text == "x"


def test_a_value_that_is_none_in_the_reply_is_named():
    with pytest.raises(UnreadableReply, match=r"x is not of type decimal"):
        read(stub.Circle, "<x>many</x>")


def response(body: str, status: int = 200, content_type: str = "text/xml") -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made._content = body.encode()
    made.headers["Content-Type"] = content_type
    return made


def envelope(body: str) -> str:
    namespace = "http://schemas.xmlsoap.org/soap/envelope/"
    return f'<e:Envelope xmlns:e="{namespace}"><e:Body>{body}</e:Body></e:Envelope>'


def test_rpc_parts_stand_in_a_wrapper_without_a_namespace():
    sent = request(calculator._LAYOUT, "Add", {"left": 1, "right": calculator.Term(factor=[2, 3])})
    body = etree.fromstring(sent.body).find("{*}Body")
    assert etree.tostring(body[0], method="c14n", exclusive=True) == (
        b'<n2:Add xmlns:n2="urn:example:calculator:calls"><left>1</left>'
        b"<right><factor>2</factor><factor>3</factor></right></n2:Add>"
    )
    assert sent.headers["SOAPAction"] == '"urn:add"'
    reply = '<c:AddResponse xmlns:c="urn:example:calculator:calls"><sum>6</sum></c:AddResponse>'
    assert result(calculator._LAYOUT, "Add", response(envelope(reply))) == 6


def test_a_declared_fault_of_a_simple_type_is_raised_with_its_value():
    fault = (
        "<e:Fault><faultcode>e:Server</faultcode><faultstring>no</faultstring><detail>"
        '<c:DivisionByZero xmlns:c="urn:example:calculator">left</c:DivisionByZero>'
        "</detail></e:Fault>"
    )
    with pytest.raises(calculator.DivisionByZeroFault, match="Server: no") as caught:
        result(calculator._LAYOUT, "Add", response(envelope(fault), 500))
    assert caught.value.detail == "left"


def test_any_other_fault_is_a_soap_fault():
    fault = "<e:Fault><faultcode>e:Client</faultcode><faultstring>no</faultstring></e:Fault>"
    with pytest.raises(SoapFault) as caught:
        result(calculator._LAYOUT, "Reset", response(envelope(fault), 500))
    assert (type(caught.value), caught.value.code) == (SoapFault, "Client")


def test_an_answer_that_is_no_soap_is_a_transport_error():
    with pytest.raises(TransportError, match="status 502"):
        result(calculator._LAYOUT, "Add", response("<html>", 502, "text/html"))
    assert result(calculator._LAYOUT, "Reset", response("", 202)) is None


def test_binary_parts_of_an_mtom_reply_are_read_where_they_belong():
    warehouse = imported("warehouse_client")
    root = envelope(
        '<l:GetLabelResponse xmlns:l="urn:example:warehouse:types"><l:label>'
        '<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:1@x"/></l:label>'
        "<l:mimeType>a/b</l:mimeType></l:GetLabelResponse>"
    )
    parts = (
        '--b\r\nContent-Type: application/xop+xml; type="text/xml"\r\nContent-ID: <r>\r\n\r\n'
        f"{root}\r\n--b\r\nContent-ID: <1@x>\r\nContent-Type: a/b\r\n\r\n\x00bytes\r\n--b--\r\n"
    )
    kind = 'multipart/related; type="application/xop+xml"; boundary=b; start="<r>"'
    label = result(warehouse._LAYOUT, "GetLabel", response(parts, 200, kind))
    assert label == warehouse.GetLabelResponse(label=b"\x00bytes", mime_type="a/b")
