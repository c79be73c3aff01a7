"""Which requests have no reply, from raw WSDL documents."""

from __future__ import annotations

import pytest

from gateway.contract import one_way_bodies
from gateway.errors import ContractError


def part(name):
    return [("p", f'element="o:{name}"')]


def test_operations_without_an_output_are_found_in_both_styles(wsdl, op, get):
    data = wsdl(
        get,
        op(name="tell", parts=part("dropOrder"), one_way=True),
        op(name="say", style="rpc", body='use="literal" namespace="urn:calc"', one_way=True),
    )
    assert one_way_bodies([data]) == {"{urn:orders}dropOrder", "{urn:calc}say"}


def test_an_element_that_has_a_reply_elsewhere_is_left_out(wsdl, op, get):
    data = wsdl(get, op(name="tell", parts=part("getOrder"), one_way=True))
    assert one_way_bodies([data]) == frozenset()


def test_only_the_parts_that_the_body_lists_count(wsdl, op):
    parts = [("auth", 'element="o:getOrder"'), ("p", 'element="o:dropOrder"')]
    tell = op(name="tell", parts=parts, body='use="literal" parts="p"', one_way=True)
    assert one_way_bodies([wsdl(tell)]) == {"{urn:orders}dropOrder"}


def test_documents_may_come_in_any_order(wsdl, op):
    whole = wsdl(op(name="tell", parts=part("dropOrder"), one_way=True))
    at = whole.index(b"<binding ")
    head = whole[: whole.index(b"<types>")]
    abstract, concrete = whole[:at] + b"</definitions>", head + whole[at:]
    assert one_way_bodies([concrete]) == frozenset()
    for documents in ([abstract, concrete], [concrete, abstract]):
        assert one_way_bodies(documents) == {"{urn:orders}dropOrder"}


def test_a_document_that_is_no_xml_is_a_contract_error():
    with pytest.raises(ContractError, match="document 1:1: "):
        one_way_bodies([b"not xml"])


def test_the_contract_and_the_raw_documents_agree(contract, wsdl, op, get):
    data = wsdl(get, op(name="tell", parts=part("dropOrder"), one_way=True))
    found = {one.body for one in contract(data).operations if one.one_way}
    assert one_way_bodies([data]) == found
