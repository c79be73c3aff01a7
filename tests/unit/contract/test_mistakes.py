"""A schema fault says what is wrong, and quotes nothing of what was sent."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from gateway.errors import Refused

TYPES = """
<xs:schema targetNamespace="urn:orders" elementFormDefault="qualified">
  <xs:simpleType name="Colour"><xs:restriction base="xs:string">
    <xs:enumeration value="red"/><xs:enumeration value="blue"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Code"><xs:restriction base="xs:string">
    <xs:pattern value="[A-Z]+"/><xs:maxLength value="3"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Few"><xs:restriction base="xs:int">
    <xs:minInclusive value="2"/><xs:maxInclusive value="5"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Many"><xs:list itemType="xs:int"/></xs:simpleType>
  <xs:element name="getOrder"><xs:complexType><xs:sequence>
    <xs:element name="sku" type="xs:int"/>
    <xs:element name="colour" type="o:Colour" minOccurs="0"/>
    <xs:element name="code" type="o:Code" minOccurs="0"/>
    <xs:element name="few" type="o:Few" minOccurs="0"/>
    <xs:element name="many" type="o:Many" minOccurs="0"/>
    <xs:element name="note" type="xs:string"/>
  </xs:sequence>
    <xs:attribute name="kind" type="xs:int" use="required"/></xs:complexType></xs:element>
</xs:schema>"""
SKU = "<o:sku>1</o:sku>"
NOTE = "<o:note>n</o:note>"
NEXT = "one of (colour, code, few, many, note)"


@pytest.fixture
def told(contract, wsdl, get, envelope):
    loaded = contract(wsdl(get, types=TYPES))

    def tell(content, attributes='kind="1"', around=""):
        sent = envelope(f"<o:getOrder {attributes}>{content}</o:getOrder>", declare=around)
        with pytest.raises(Refused) as caught:
            loaded.validate(loaded.find(sent, ""), sent)
        return caught.value.text.removeprefix("The Body does not follow the contract: ")

    return tell


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "element getOrder: it lacks sku."),
        (SKU, f"element getOrder: it lacks {NEXT}."),
        (NOTE, "element getOrder/note: it is not expected here; sku is."),
        (f"{SKU}<o:SECRET/>", f"element getOrder: it has a child that is not expected; {NEXT} is."),
        (f"{SKU}{NOTE}{SKU}", "element getOrder/sku[2]: it is not expected here."),
        (
            f"<o:sku>SECRET</o:sku>{NOTE}",
            "element getOrder/sku: it has a value that is not a valid xs:int.",
        ),
        (
            f"{SKU}<o:colour>SECRET</o:colour>{NOTE}",
            "element getOrder/colour: its value is not one that its type lists.",
        ),
        (
            f"{SKU}<o:code>secret</o:code>{NOTE}",
            "element getOrder/code: its value is too long.",
        ),
        (
            f"{SKU}<o:code>se</o:code>{NOTE}",
            "element getOrder/code: its value does not match the pattern of its type.",
        ),
        (f"{SKU}<o:few>1</o:few>{NOTE}", "element getOrder/few: its value is too small."),
        (f"{SKU}<o:few>9</o:few>{NOTE}", "element getOrder/few: its value is too large."),
        (
            f"{SKU}<o:many>1 SECRET</o:many>{NOTE}",
            "element getOrder/many: it has a value that is not a valid xs:int.",
        ),
        (f"SECRET{SKU}{NOTE}", "element getOrder: it takes elements, and no text."),
        (
            f"<o:sku><o:SECRET/></o:sku>{NOTE}",
            "element getOrder/sku: it takes a value, and no elements.",
        ),
    ],
)
def test_a_fault_says_what_was_expected(told, content, said):
    assert told(content) == said


def test_attributes_that_lack_and_those_too_many_are_told(told):
    assert told(SKU + NOTE, "") == "element getOrder: it lacks the attribute kind."
    assert told(SKU + NOTE, 'kind="1" SECRET="2"') == (
        "element getOrder: it has an attribute that is not declared."
    )
    assert told(SKU + NOTE, 'kind="SECRET"') == (
        "element getOrder: it has a value that is not a valid xs:int."
    )


@pytest.mark.parametrize(
    "forged",
    [
        "This element is not expected. Expected is ( {urn:orders}SECRET ).",
        "x. Expected is ( SECRET ). Expected is ( SECRET ).",
        "x' is not a valid value of the atomic type 'SECRET'.",
        "x': The attribute 'SECRET' is required but missing.",
        ": Missing child element(s). Expected is ( SECRET ).",
    ],
)
def test_what_a_message_says_in_the_words_of_the_parser_is_not_believed(told, forged):
    uri = f"xmlns:p='urn:{quote(forged)}'"
    for content, around in (
        (f"<o:sku>{forged}</o:sku>{NOTE}", ""),
        (f"{SKU}<o:colour>{forged}</o:colour>{NOTE}", ""),
        (f"{SKU}{NOTE}<p:note/>", uri),
        (f"{SKU}<p:note/>", uri),
        (f"<p:SECRET>{forged}</p:SECRET>", uri),
    ):
        assert "SECRET" not in told(content, around=around)
