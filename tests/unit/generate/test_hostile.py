"""Whatever a contract says, what is made from it holds that as text, and nothing more."""

from __future__ import annotations

import ast
import io
import sys
import tokenize
import tomllib
import types
import unicodedata
from collections import Counter
from enum import Enum
from html.parser import HTMLParser
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.cli import streams
from gateway.cli.commands import new
from gateway.contract import Contract, from_documents
from gateway.errors import ContractError
from gateway.generate.contract.reading import read
from gateway.generate.model import Model
from gateway.generate.python import describing
from gateway.generate.python.client import ClientOptions, render
from gateway.listening.pages import index_page, service_page
from gateway.provision.publishing import HERE, relative

WSDL = """\
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
    xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t={namespace} targetNamespace={namespace}>
<documentation>{text}</documentation>
<types><xs:schema targetNamespace={namespace} elementFormDefault="qualified">
  <xs:simpleType name="Kind">
    <xs:annotation><xs:documentation>{text}</xs:documentation></xs:annotation>
    <xs:restriction base="xs:string"><xs:enumeration value={value}>
      <xs:annotation><xs:documentation>{text}</xs:documentation></xs:annotation>
    </xs:enumeration><xs:enumeration value="plain"/></xs:restriction>
  </xs:simpleType>
  <xs:simpleType name="Code"><xs:restriction base="xs:string">
    <xs:pattern value={value}/></xs:restriction></xs:simpleType>
  <xs:complexType name={type}>
    <xs:annotation><xs:documentation>{text}</xs:documentation></xs:annotation>
    <xs:sequence><xs:element name={element} type="t:Kind">
      <xs:annotation><xs:documentation>{text}</xs:documentation></xs:annotation></xs:element>
    </xs:sequence>
    <xs:attribute name="given" type="xs:string" default={value}/>
    <xs:attribute name="code" type="t:Code"/>
  </xs:complexType>
  <xs:element name="ask"><xs:complexType><xs:sequence>
    <xs:element name="one" type={typed}/></xs:sequence></xs:complexType></xs:element>
  <xs:element name="wrong" type={typed}/>
</xs:schema></types>
<message name="in"><part name="p" element="t:ask"/></message>
<message name="fault"><part name="p" element="t:wrong"/></message>
<portType name="pt"><operation name={operation}><documentation>{text}</documentation>
  <input message="t:in"/><output message="t:in"/>
  <fault name={operation} message="t:fault"/></operation></portType>
<binding name="b" type="t:pt"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/>
  <operation name={operation}><s:operation soapAction={action}/>
    <input><s:body use="literal"/></input><output><s:body use="literal"/></output>
    <fault name={operation}><s:fault name={operation} use="literal"/></fault>
  </operation></binding>
<service name={service}><documentation>{text}</documentation>
  <port name={port} binding="t:b"><s:address location={address}/></port></service>
</definitions>"""

PIECES = [
    *('"', '"""', "'''", "'", "\\", '\\"""', "\n", "\r", "\t", "\u0085", "\u2028", "\u2029"),
    *("\u202e", "\u2066", "\u200b", "\u061c", "\ufeff", "\u009b31m", "#", "]", "}", "{{ 7 }}"),
    *("{name}", "%s", "${X}", "$(id)", "`id`", "; id", "</pre><script>", "<b x='", "-->", "]]>"),
    *('\n[services.evil]\nforward = "http://evil"\n', "\nimport os\n", "\\N{BELL}", "\\u000a"),
    *(" ", "word", "\U0001f600", "é", "日本"),
]
XML = st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\ufffe\uffff").filter(
    lambda one: one >= " "
)
TEXT = st.lists(st.sampled_from(PIECES) | st.text(XML, max_size=4), max_size=6).map("".join)
NAME = st.lists(
    st.sampled_from(["get", "Order", "_x000A_", "_x0022_", "-", ".", "\u200c", "é", "日"]),
    max_size=5,
).map(lambda pieces: "n" + "".join(pieces))
WORDS = {
    **dict.fromkeys(("text", "value", "action", "address"), TEXT),
    "namespace": st.text("ax1/?&=';:@!$()*,~-", max_size=8).map("urn:{}".format),
    **dict.fromkeys(("type", "element", "operation", "service", "port"), NAME),
}
PLAIN = {
    **{"text": "Plain.", "value": "one", "namespace": "urn:x", "action": "urn:do"},
    **{"address": "http://h/x", "type": "Order", "element": "kind", "operation": "ask"},
    **{"service": "Shop", "port": "Shop"},
}


def written(words: dict[str, str]) -> bytes:
    quoted = {key: quoteattr(value) for key, value in words.items() if key != "text"}
    text = escape(words["text"], {"\r": "&#13;"})
    return WSDL.format(text=text, typed=quoteattr(f"t:{words['type']}"), **quoted).encode()


def understood(words: dict[str, str]) -> tuple[Contract, Model]:
    contract = from_documents({"shop.wsdl": written(words)}, "shop.wsdl")
    return contract, read(contract)


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        raise AssertionError(data)


def loaded(source: str) -> dict[str, object]:
    module = types.ModuleType("made")
    sys.modules["made"] = module  # dataclasses look there
    exec(compile(source, "made.py", "exec"), module.__dict__)
    return module.__dict__


def identifiers(source: str) -> set[str]:
    fields = ("id", "name", "attr", "arg", "asname", "module")
    found = (getattr(node, one, None) for node in ast.walk(ast.parse(source)) for one in fields)
    return {one for one in found if isinstance(one, str)}


def comments(source: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [one.string for one in tokens if one.type == tokenize.COMMENT]


def named(model: Model) -> set[str]:
    """All that a contract has given a name in Python."""
    records = [*model.records.values()]
    return {
        *model.records,
        *model.enumerations,
        *(member.name for one in model.enumerations.values() for member in one.members),
        *(one.name for record in records for one in record.fields),
        *(one.name for operation in model.operations for one in operation.beside),
        *(one.method for one in model.operations),
        *(fault.class_name for one in model.operations for fault in one.faults),
        *(f"{model.port.class_name}{kind}" for kind in ("", "Client", "Service")),
        *(f"test_{one.method}" for one in model.operations),
    }


def without_marks(every: list[str]) -> list[str]:
    return [one for one in every if one != "# fmt: skip" and not one.startswith("# ruff: noqa")]


_, PLAIN_MODEL = understood(PLAIN)
PLAIN_FILES = {
    name: data.decode() for name, data in new.python_files(PLAIN_MODEL, "shop", True).items()
}


@pytest.mark.timeout(600)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(st.fixed_dictionaries(WORDS))
def test_what_is_made_from_a_contract_holds_its_words_as_text_alone(words):
    try:
        contract, model = understood(words)
    except ContractError:  # an address or a namespace that nothing can be made of
        return
    check_settings(model, words)
    check_python(model, words)
    check_pages(contract, words)
    check_published(contract)
    check_terminal(contract, model)


def test_the_words_that_broke_out_are_understood_and_stay_inside():
    """So that the test above cannot pass by refusals alone."""
    text = '"""\nimport os\n\\"""]]>\u2028[services.evil]\u0085\u202e\\'
    words = {**PLAIN, "text": text, "value": text, "action": text, "namespace": "urn:a';$(id)"}
    contract, model = understood({**words, "address": "http://h/\" onclick='"})
    check_settings(model, words)
    check_python(model, words)
    check_pages(contract, words)
    check_published(contract)
    check_terminal(contract, model)


def check_settings(model: Model, words: dict[str, str]) -> None:
    for host in (False, True):
        text = new.settings("shop", 'sqlite:///a"\n\\b.db', model, host)
        plain = new.settings("shop", "q", PLAIN_MODEL, host)
        assert len(text.splitlines()) == len(plain.splitlines())
        found = tomllib.loads(text)
        own = {"host": f"shop_service:{model.port.class_name}"} if host else {}
        service = {"wsdl": "wsdl/shop.wsdl", **own}
        assert found == {"queue": 'sqlite:///a"\n\\b.db', "services": {"shop": service}}
        offered = tomllib.loads(text.replace("# repeatable", "repeatable"))
        assert offered["services"]["shop"]["repeatable"] == [words["operation"]]


def check_python(model: Model, words: dict[str, str]) -> None:
    known = named(model)
    files = {name: data.decode() for name, data in new.python_files(model, "shop", True).items()}
    assert files.keys() == PLAIN_FILES.keys()
    for name, source in files.items():
        assert all(one.isprintable() or one in "\n\u200c\u200d" for one in source), name
        extra = identifiers(source) - identifiers(PLAIN_FILES[name]) - known
        assert not extra, name
        plain = without_marks(comments(PLAIN_FILES[name]))
        assert len(without_marks(comments(source))) == len(plain)
        compile(source, name, "exec")
    assert len(ast.parse(files["shop_client.py"]).body) == len(
        ast.parse(PLAIN_FILES["shop_client.py"]).body
    )
    check_values(loaded(files["shop_client.py"]), model, words)
    source = render(model, ClientOptions(source="a\nimport os\u2028.wsdl", service="shop"))
    assert "import os" in source.split("\n")[0]


def check_values(module: dict[str, object], model: Model, words: dict[str, str]) -> None:
    """What a program gets is the contract's very words."""
    (enumeration,) = model.enumerations
    kind = module[enumeration]
    assert isinstance(kind, type)
    assert issubclass(kind, Enum)
    assert {one.value for one in kind} == {words["value"], "plain"}
    table = module["_LAYOUT"].table  # type: ignore[attr-defined]
    assert set(table.prefixes.values()) == {words["namespace"]}
    layout = module["_LAYOUT"].operation(words["operation"])  # type: ignore[attr-defined]
    assert layout.action == words["action"]
    record = next(name for name, one in model.records.items() if one.attributes)
    fields = module["_LAYOUT"].record(record).attributes  # type: ignore[attr-defined]
    assert fields[0].default == words["value"]
    made = module[record].__dataclass_fields__["given"]  # type: ignore[attr-defined]
    assert made.default == words["value"]


def check_pages(contract: Contract, words: dict[str, str]) -> None:
    address = "http://127.0.0.1:8800/shop"
    page = Tags(service_page("shop", contract.operations, address))
    plain_contract, _ = understood(PLAIN)
    plain = Tags(service_page("shop", plain_contract.operations, address))
    assert (page.tags, page.attributes) == (plain.tags, plain.attributes)
    assert words["operation"] in page.text
    assert Tags(index_page({"shop": address})).tags["tr"] == 2


def check_published(contract: Contract) -> None:
    for data in relative(contract.publish(HERE), "http://l/shop").values():
        root = etree.fromstring(data)
        assert {one.get("location") for one in root.iter("{*}address")} == {"http://l/shop"}


def check_terminal(contract: Contract, model: Model) -> None:
    console = streams.console()
    console.file = io.StringIO()
    operation = contract.operations[0]
    told = [*contract.notes, *describing.gaps(model, as_list=False), operation.soap_action]
    for one in [*told, operation.address, model.port.documentation]:
        console.print(one, markup=False)
    unseen = {one for one in console.file.getvalue() if unicodedata.category(one) in ("Cc", "Cf")}
    assert unseen <= set("\n\t\u200c\u200d")
