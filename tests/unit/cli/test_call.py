"""``gateway call``: its reply as JSON, and what it says of arguments that no operation takes."""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from pathlib import Path

import isodate
import pytest
import zeep

from gateway.cli.call import operands as call_arguments
from gateway.cli.call.command import _plain, _shown
from gateway.cli.call.words import parse_arguments
from gateway.errors import ConfigurationError

ROOT = Path(__file__).parents[3]
EAST = dt.timezone(dt.timedelta(hours=2))


@pytest.fixture(scope="module")
def service():
    with zeep.Client(str(ROOT / "wsdl" / "warehouse.wsdl")) as client:
        yield client.service


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (dt.datetime(2026, 11, 26, 1, 2, 3, tzinfo=EAST), "2026-11-26T01:02:03+02:00"),
        (dt.date(2026, 11, 26), "2026-11-26"),
        (dt.time(1, 2, 3), "01:02:03"),
        (dt.timedelta(days=1, hours=2), "P1DT2H"),
        (isodate.Duration(months=2, days=1), "P2M1D"),
        (Decimal("85.00"), "85.00"),
        (b"\x89PNG", "iVBORw=="),
    ],
)
def test_values_that_json_has_no_type_for_are_written_as_xml_has_them(value, text):
    assert json.loads(json.dumps(value, default=_plain)) == text


def test_a_person_is_shown_the_characters_of_a_reply():
    assert _shown({"name": "Bj\u00f6rk"}) == '{\n  "name": "Bj\u00f6rk"\n}'


def test_all_that_an_operation_takes_is_told_with_types(service):
    kind = call_arguments.kind_of(service, "ListOrders")
    told = call_arguments.takes("ListOrders", kind)
    assert told == "ListOrders takes [status (string)], [since (date)], limit (int)"


def test_what_is_inside_of_an_argument_is_told_by_its_names(service):
    kind = call_arguments.kind_of(service, "PlaceOrder")
    told = call_arguments.takes("PlaceOrder", kind)
    assert "lines.0 (with .sku, .quantity, .unitPrice, .gift)" in told


def test_mistakes_deep_inside_are_told_by_their_path_and_what_is_there(service):
    kind = call_arguments.kind_of(service, "PlaceOrder")
    given = {"customer": {"name": "Mill", "address": {"zip": "LS21"}}}
    with pytest.raises(ConfigurationError) as caught:
        call_arguments.check("PlaceOrder", kind, given)
    assert "argument customer.address.zip: is not known: there is city, country" in str(
        caught.value
    )
    assert "(customer.address takes street (string), city (string)" in str(caught.value)


def test_what_the_operation_takes_is_let_pass_and_zeeps_own_words_too(service):
    kind = call_arguments.kind_of(service, "PlaceOrder")
    lines = [{"sku": "PAL-0001", "quantity": 2}, {"sku": "PAL-0002", "quantity": "3"}]
    given = {"customer": {"name": "Mill", "number": "7"}, "lines": lines, "note": None}
    call_arguments.check("PlaceOrder", kind, {**given, "_soapheaders": {"callKey": "k"}})


PRICES = """\
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:p" targetNamespace="urn:p"
    xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:x="http://www.w3.org/2001/XMLSchema">
  <types><x:schema targetNamespace="urn:p" elementFormDefault="qualified">
    <x:complexType name="Amount"><x:simpleContent><x:extension base="x:decimal">
      <x:attribute name="currency" type="x:string" use="required"/>
    </x:extension></x:simpleContent></x:complexType>
    <x:element name="Book"><x:complexType><x:sequence>
      <x:element name="amount" type="t:Amount"/>
      <x:element name="who"><x:complexType><x:sequence>
        <x:element name="name" type="x:string"/></x:sequence></x:complexType></x:element>
    </x:sequence></x:complexType></x:element>
  </x:schema></types>
  <message name="Book"><part name="parameters" element="t:Book"/></message>
  <portType name="P"><operation name="Book"><input message="t:Book"/></operation></portType>
  <binding name="B" type="t:P">
    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Book"><soap:operation soapAction=""/>
      <input><soap:body use="literal"/></input></operation></binding>
  <service name="S"><port name="B" binding="t:B"><soap:address location="http://127.0.0.1/"/></port>
  </service>
</definitions>
"""


@pytest.fixture
def prices(tmp_path):
    (tmp_path / "prices.wsdl").write_text(PRICES)
    with zeep.Client(str(tmp_path / "prices.wsdl")) as client:
        yield client


def test_a_text_with_attributes_is_one_value_and_named_as_one(prices):
    kind = call_arguments.kind_of(prices.service, "Book")
    told = call_arguments.takes("Book", kind)
    assert told == "Book takes amount (decimal, with .currency), who (with .name)"


def test_a_text_and_its_attribute_are_written_one_beside_the_other(prices):
    for words in (
        ["amount=12.50", "amount.currency=EUR", "who.name=Mill"],
        ["amount.currency=EUR", "amount=12.50", "who.name=Mill"],
    ):
        given = parse_arguments(words)
        call_arguments.check("Book", call_arguments.kind_of(prices.service, "Book"), given)
        written = prices.create_message(prices.service, "Book", **given)
        (amount,) = written.iter("{urn:p}amount")
        assert (amount.text, amount.get("currency")) == ("12.50", "EUR")


@pytest.mark.parametrize(
    "words",
    [
        ("items:=[1,2]", "items.2=3"),
        ("items.2=3", "items:=[1,2]"),
        ("a:=null", "a.b=1"),
        ("a.b=1", "a:=null"),
        ("a.b=1", 'a:={"c":2}'),
        ("a.0=x", "a=y"),
        ("a=y", "a.0=x"),
    ],
)
def test_a_value_and_what_cannot_be_beside_it_are_not_both_taken(words):
    with pytest.raises(ConfigurationError, match=f"argument '{re.escape(words[1])}': was given"):
        parse_arguments(words)


def test_a_text_where_only_parts_may_be_is_a_mistake(prices):
    given = parse_arguments(["amount=1", "who=Mill", "who.name=Mill"])
    with pytest.raises(ConfigurationError, match=r"argument who: has parts, written who\.NAME="):
        call_arguments.check("Book", call_arguments.kind_of(prices.service, "Book"), given)


def test_a_value_that_was_given_before_is_a_mistake():
    for words in (["a=1", "a=2"], ["a.b=1", "a=2", "a=3"]):
        with pytest.raises(ConfigurationError, match="was given twice"):
            parse_arguments(words)
