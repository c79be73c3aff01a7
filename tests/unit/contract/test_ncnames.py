"""Names are looked at before anything else reads a contract: they reach settings, Python, pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.contract import fetch, from_documents
from gateway.contract.documents.ncnames import is_ncname
from gateway.errors import ContractError

INJECTED = "getOrder&quot;]&#10;[services.evil]&#10;forward = &quot;http://evil"


@pytest.mark.parametrize(
    "name",
    [
        "getOrder",
        "_x",
        "get-order.2",
        "Größe",
        "日本",
        "a" * 1000,
        "\U00020000",
        "\u0646\u200c\u0645",
    ],
)
def test_names_of_all_languages_pass(name):
    assert is_ncname(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "2nd", "-a", ".a", "a b", "a\n", "\na", "a\tb", 'a"', "a'b", "a#b", "a:b", "a=b"),
        *("a]b", "a\\b", "a\u0085b", "a\u2028b", "a\u202eb", "a\u061cb", "a\ufeffb", "a\u1680b"),
        *("a" * 1001, "A" * 50_000),
    ],
)
def test_what_is_no_name_or_hides_something_is_refused(name):
    assert not is_ncname(name)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('<operation name="getOrder">', f'<operation name="{INJECTED}">', "wsdl:operation"),
        ('port name="p0"', 'port name="p 0"', "wsdl:port"),
        ('service name="Orders"', 'service name="Or&#x202e;ders"', "wsdl:service"),
        ('binding name="b0"', 'binding name="b&#10;0"', "wsdl:binding"),
        ('portType name="pt"', 'portType name="p,t"', "wsdl:portType"),
        ('message name="Nothing"', 'message name="No&quot;thing"', "wsdl:message"),
        ('part name="p"', 'part name="p&#13;"', "wsdl:part"),
        ('element name="quantity"', 'element name="quan tity"', "xs:element"),
        ('element="o:getOrder"', 'element="o:get&#10;Order"', "wsdl:part"),
        ('type="xs:int"', 'type="xs:in&#10;t"', "xs:element"),
        ('type="xs:int"', 'type="xs:in#t"', "xs:element"),
    ],
)
def test_a_contract_with_a_name_that_is_none_is_refused_with_its_line(wsdl, get, old, new, what):
    text = wsdl(get).decode()
    assert old in text
    with pytest.raises(ContractError) as refused:
        from_documents({"orders.wsdl": text.replace(old, new).encode()}, "orders.wsdl")
    told = str(refused.value)
    assert what in told
    assert told.startswith("orders.wsdl:")
    assert told.isascii()
    assert told.isprintable()


def test_a_name_of_50_000_letters_is_refused_and_not_repeated(wsdl, get):
    long = wsdl(get).decode().replace("getOrder", "G" * 50_000).encode()
    with pytest.raises(ContractError, match="more than 1000 characters") as refused:
        from_documents({"orders.wsdl": long}, "orders.wsdl")
    assert len(str(refused.value)) < 300


def test_such_a_contract_is_not_saved_either(wsdl, get, tmp_path: Path):
    text = wsdl(get).decode().replace('operation name="getOrder"', f'operation name="{INJECTED}"')
    (tmp_path / "orders.wsdl").write_text(text)
    with pytest.raises(ContractError, match="is not a name"):
        fetch("orders.wsdl", "orders", folder=tmp_path)


def test_blanks_around_a_reference_are_no_part_of_it(wsdl, get):
    text = wsdl(get).decode().replace('type="xs:int"', 'type=" xs:int&#10;"')
    assert from_documents({"orders.wsdl": text.encode()}, "orders.wsdl").operations
