"""The Body of a request against the contract's own schemas."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from lxml import etree

from gateway.contract.documents.gathering import collect
from gateway.contract.documents.reader import MEMORY, from_memory
from gateway.contract.schemas.schema_set import schema_set
from gateway.errors import Refused

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
XOP = 'xmlns:xop="http://www.w3.org/2004/08/xop/include"'


def check(loaded, sent):
    loaded.validate(loaded.find(sent, ""), sent)


def schema(content, namespace="urn:orders", extra=""):
    return (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:o="urn:orders"'
        f' targetNamespace="{namespace}" elementFormDefault="qualified" {extra}>'
        f"{content}</xs:schema>"
    )


@pytest.fixture
def orders(contract, wsdl, get, drop):
    return contract(wsdl(get, drop))


@pytest.fixture
def typed(contract, wsdl, get):
    """Return a contract whose getOrder has the given content, from documents beside it too."""

    def load(types, **others):
        files = {f"{name}.xsd": text.encode() for name, text in others.items()}
        return contract(wsdl(get, types=types), files)

    return load


def test_a_body_that_follows_the_contract_passes(orders, envelope):
    check(orders, envelope("<o:getOrder><o:quantity>7</o:quantity></o:getOrder>"))


def test_a_wrong_value_is_refused_by_place_and_never_quoted(orders, envelope):
    with pytest.raises(Refused) as caught:
        check(orders, envelope("<o:getOrder><o:quantity>secret</o:quantity></o:getOrder>"))
    assert caught.value.text == (
        "The Body does not follow the contract: element getOrder/quantity: "
        "it has a value that is not a valid xs:int."
    )


def test_a_name_that_is_not_the_contracts_is_never_quoted(orders, envelope):
    with pytest.raises(Refused) as caught:
        check(orders, envelope("<o:getOrder><o:secret/></o:getOrder>"))
    assert caught.value.text == (
        "The Body does not follow the contract: element getOrder: "
        "it has a child that is not expected; quantity is."
    )


@pytest.mark.parametrize("prefix", ["o:", "p:", ""])
def test_the_place_is_found_under_any_prefix_and_counts_twins(typed, envelope, prefix):
    item = '<xs:element name="item" maxOccurs="9"><xs:complexType><xs:sequence>'
    item += '<xs:element name="n" type="xs:int"/></xs:sequence></xs:complexType></xs:element>'
    loaded = typed(
        schema(
            f'<xs:element name="getOrder"><xs:complexType><xs:sequence>{item}'
            "</xs:sequence></xs:complexType></xs:element>"
        )
    )
    items = "".join(f"<@item><@n>{n}</@n></@item>" for n in ("1", "2", "x"))
    declare = 'xmlns:p="urn:orders" xmlns="urn:orders"'
    sent = envelope(f"<@getOrder>{items}</@getOrder>".replace("@", prefix), declare=declare)
    with pytest.raises(Refused, match=r"element getOrder/item\[3\]/n: it has a value"):
        check(loaded, sent)


def test_a_second_element_in_the_body_is_refused(orders, envelope):
    good = "<o:getOrder><o:quantity>7</o:quantity></o:getOrder>"
    with pytest.raises(Refused, match="getOrder, and nothing else"):
        check(orders, envelope(good + good))


def test_a_message_of_several_elements_needs_all_of_them(contract, wsdl, op, envelope):
    parts = [("a", 'element="o:getOrder"'), ("b", 'element="o:dropOrder"')]
    loaded = contract(wsdl(op(name="both", parts=parts)))
    first = "<o:getOrder><o:quantity>7</o:quantity></o:getOrder>"
    check(loaded, envelope(first + "<o:dropOrder>x</o:dropOrder>"))
    with pytest.raises(Refused, match="getOrder, then dropOrder"):
        check(loaded, envelope(first))
    with pytest.raises(Refused, match="element dropOrder: "):
        check(loaded, envelope(first + "<o:dropOrder><o:x/></o:dropOrder>"))


def test_several_schemas_of_one_namespace_and_of_others_count_together(typed, envelope):
    loaded = typed(
        schema('<xs:element name="getOrder" type="o:Order"/>')
        + schema(
            '<xs:complexType name="Order"><xs:sequence><xs:element ref="i:item"/></xs:sequence>'
            "</xs:complexType>",
            extra='xmlns:i="urn:items"',
        )
        + schema('<xs:element name="item" type="xs:int"/>', namespace="urn:items")
    )
    assert not loaded.notes
    check(loaded, envelope('<o:getOrder><i:item xmlns:i="urn:items">4</i:item></o:getOrder>'))
    with pytest.raises(Refused, match="getOrder/item"):
        check(loaded, envelope('<o:getOrder><i:item xmlns:i="urn:items">x</i:item></o:getOrder>'))


def test_imports_in_a_circle_compile(typed, envelope):
    def importing(other, name, kind):
        return schema(
            f'<xs:import namespace="urn:{other}" schemaLocation="{other}.xsd"/>'
            f'<xs:element name="{name}" type="{kind}"/>',
            namespace="urn:a" if other == "b" else "urn:b",
        )

    loaded = typed(
        schema(
            '<xs:import namespace="urn:a" schemaLocation="a.xsd"/><xs:element name="getOrder">'
            "<xs:complexType><xs:sequence>"
            '<xs:element ref="a:x" xmlns:a="urn:a"/></xs:sequence></xs:complexType></xs:element>'
        ),
        a=importing("b", "x", "xs:int"),
        b=importing("a", "y", "xs:string"),
    )
    assert not loaded.notes
    with pytest.raises(Refused):
        check(loaded, envelope('<o:getOrder><a:x xmlns:a="urn:a">no</a:x></o:getOrder>'))


def test_an_included_schema_without_a_namespace_takes_that_of_each_includer(typed, envelope):
    bare = (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">'
        '{}<xs:complexType name="{}"><xs:sequence><xs:element name="n" type="{}"/></xs:sequence>'
        "</xs:complexType></xs:schema>"
    )
    loaded = typed(
        schema(
            '<xs:include schemaLocation="one.xsd"/>'
            '<xs:import namespace="urn:other" schemaLocation="other.xsd"/>'
            '<xs:element name="getOrder"><xs:complexType><xs:sequence>'
            '<xs:element name="mine" type="o:One"/><xs:element ref="x:theirs"/>'
            "</xs:sequence></xs:complexType></xs:element>",
            extra='xmlns:x="urn:other"',
        )
        + schema('<xs:include schemaLocation="one.xsd"/>'),
        one=bare.format('<xs:include schemaLocation="two.xsd"/>', "One", "Two"),
        two=bare.format("", "Two", "xs:int"),
        other=schema(
            '<xs:include schemaLocation="one.xsd"/><xs:element name="theirs" type="x:One"/>',
            namespace="urn:other",
            extra='xmlns:x="urn:other"',
        ),
    )
    assert not loaded.notes
    body = (
        "<o:getOrder><o:mine><o:n><o:n>{0}</o:n></o:n></o:mine>"
        '<x:theirs xmlns:x="urn:other"><x:n><x:n>{1}</x:n></x:n></x:theirs></o:getOrder>'
    )
    check(loaded, envelope(body.format(1, 2)))
    for values in (("x", 2), (1, "x")):
        with pytest.raises(Refused):
            check(loaded, envelope(body.format(*values)))


def test_an_xsi_type_whose_prefix_is_declared_on_the_envelope_is_understood(typed, envelope):
    loaded = typed(
        schema(
            '<xs:complexType name="Base"/><xs:complexType name="More"><xs:complexContent>'
            '<xs:extension base="o:Base"><xs:sequence><xs:element name="n" type="xs:int"/>'
            "</xs:sequence></xs:extension></xs:complexContent></xs:complexType>"
            '<xs:element name="getOrder" type="o:Base"/>'
        )
    )
    body = f'<o:getOrder {XSI} xsi:type="z:More"><o:n>{{}}</o:n></o:getOrder>'
    check(loaded, envelope(body.format(1), declare='xmlns:z="urn:orders"'))
    with pytest.raises(Refused, match="getOrder/n"):
        check(loaded, envelope(body.format("x"), declare='xmlns:z="urn:orders"'))


def rpc(op, name="add", use="literal"):
    return op(
        name=name,
        parts=[("x", 'type="xs:int"'), ("order", 'type="o:Order"')],
        style="rpc",
        body=f'use="{use}" namespace="urn:calc"',
    )


ORDER = schema(
    '<xs:complexType name="Order"><xs:sequence><xs:element name="n" type="xs:int"/></xs:sequence>'
    "</xs:complexType>"
)


def test_an_rpc_literal_message_is_checked_part_by_part(contract, wsdl, op, envelope):
    loaded = contract(wsdl(rpc(op), types=ORDER))
    assert not loaded.notes
    body = '<c:add xmlns:c="urn:calc"><x>{}</x><order><o:n>1</o:n></order></c:add>'
    check(loaded, envelope(body.format(1)))
    with pytest.raises(Refused, match="element add/x: "):
        check(loaded, envelope(body.format("no")))


def test_an_rpc_encoded_message_is_not_checked_and_noted(contract, wsdl, op, envelope):
    loaded = contract(wsdl(rpc(op, use="encoded"), rpc(op, name="plain"), types=ORDER))
    assert loaded.notes == (
        "operation add is rpc/encoded: its messages are not checked against a schema",
    )
    check(loaded, envelope('<c:add xmlns:c="urn:calc"><anything/></c:add>'))
    with pytest.raises(Refused):
        check(loaded, envelope('<c:plain xmlns:c="urn:calc"><anything/></c:plain>'))


BINARY = schema(
    '<xs:element name="getOrder"><xs:complexType><xs:sequence>'
    '<xs:element name="file" type="xs:base64Binary"/><xs:element name="n" type="xs:int"/>'
    "</xs:sequence></xs:complexType></xs:element>"
)


def test_an_xop_include_stands_for_binary_content_and_the_envelope_stays(typed, envelope):
    include = f'<xop:Include {XOP} href="cid:1@x"/>'
    body = f"<o:getOrder><o:file>{include}</o:file><o:n>{{}}</o:n></o:getOrder>"
    loaded, sent = typed(BINARY), envelope(body.format(1))
    check(loaded, sent)
    assert next(sent.body.iter("{*}Include"), None) is not None
    with pytest.raises(Refused, match="getOrder/n"):
        check(loaded, envelope(body.format("x")))


def test_an_xop_include_beside_other_elements_is_refused(typed, envelope):
    include = f'<xop:Include {XOP} href="cid:1@x"/>'
    body = f"<o:getOrder>{include}<o:file>YQ==</o:file><o:n>1</o:n></o:getOrder>"
    with pytest.raises(Refused):
        check(typed(BINARY), envelope(body))


def test_a_value_that_costs_its_pattern_too_much_is_refused(typed, envelope):
    loaded = typed(
        schema(
            '<xs:element name="getOrder"><xs:simpleType><xs:restriction base="xs:string">'
            '<xs:pattern value="([a-z]{1,50}){1,50}"/></xs:restriction></xs:simpleType>'
            "</xs:element>"
        )
    )
    with pytest.raises(Refused) as caught:
        check(loaded, envelope(f"<o:getOrder>{'a' * 2000}!</o:getOrder>"))
    assert "aaa" not in caught.value.text


def test_a_schema_that_is_named_in_a_message_is_not_read(orders, envelope, tmp_path):
    other = tmp_path / "other.xsd"
    other.write_text(schema('<xs:element name="getOrder" type="xs:string"/>'))
    hint = f'{XSI} xsi:schemaLocation="urn:orders {other}"'
    with pytest.raises(Refused):
        check(orders, envelope(f"<o:getOrder {hint}>text</o:getOrder>"))


def test_schemas_that_do_not_compile_are_noted_and_not_checked(typed, envelope):
    twice = '<xs:element name="a" type="xs:int" minOccurs="0"/>' * 2
    loaded = typed(
        schema(
            f'<xs:element name="getOrder"><xs:complexType><xs:sequence>{twice}</xs:sequence>'
            "</xs:complexType></xs:element>"
        )
    )
    assert len(loaded.notes) == 1
    assert loaded.notes[0].startswith("the schemas do not compile: ")
    assert "\n" not in loaded.notes[0]
    check(loaded, envelope("<o:getOrder>anything</o:getOrder>"))


def test_schemas_compile_whole_while_other_threads_compile(wsdl, get):
    """lxml's loader of documents belongs to the process: one parse can take it from another."""
    documents = collect(MEMORY, from_memory({"": wsdl(get)}))
    sources = schema_set(documents, [])
    text = '<getOrder xmlns="urn:orders"><quantity>1</quantity></getOrder>'

    def check_it(_):
        parsed = [etree.fromstring(text) for _ in range(50)]
        return sources.compile().validate(parsed[0])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(check_it, range(400)))


def test_threads_load_contracts_at_once(contract, wsdl, get):
    with ThreadPoolExecutor(8) as pool:
        assert not any(one.notes for one in pool.map(contract, [wsdl(get)] * 40))


def test_threads_and_tasks_share_a_contract(orders, envelope):
    def many(value):
        refused = 0
        for _ in range(200):
            try:
                sent = f"<o:getOrder><o:quantity>{value}</o:quantity></o:getOrder>"
                check(orders, envelope(sent))
            except Refused:
                refused += 1
        return refused

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(many, [1, "x"] * 4)) == [0, 200] * 4


async def test_a_task_checks_in_another_thread(orders, envelope):
    sent = envelope("<o:getOrder><o:quantity>x</o:quantity></o:getOrder>")
    with pytest.raises(Refused):
        await asyncio.to_thread(check, orders, sent)
