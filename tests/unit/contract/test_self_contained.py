"""What is published needs nothing else: zeep, on its own, is never sent to the internet."""

from __future__ import annotations

from pathlib import Path

import pytest
import zeep
from lxml import etree

from gateway.contract import (
    Contract,
    fetch,
    from_documents,
    load,
)
from gateway.contract.documents import wellknown
from gateway.generate.contract.reading import read
from gateway.provision.publishing import HERE, relative

ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
ARRAY = """
<xs:complexType name="Names"><xs:complexContent><xs:restriction base="e:Array">
  <xs:attribute ref="e:arrayType" w:arrayType="xs:string[]"/>
</xs:restriction></xs:complexContent></xs:complexType>"""
SCHEMA = '<types><xs:schema targetNamespace="urn:x">{}{}</xs:schema></types>'
BARE = f'<xs:import namespace="{ENCODING}"/>'
COPY = f'<xs:import namespace="{ENCODING}" schemaLocation="own.xsd"/>'
WSDL = """\
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
    xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:xs="http://www.w3.org/2001/XMLSchema"
    xmlns:e="http://schemas.xmlsoap.org/soap/encoding/" xmlns:t="urn:x" targetNamespace="urn:x">
<documentation>Arrays.</documentation>{types}
<message name="In"><part name="names" type="{type}"/></message>
<message name="Out"><part name="r" type="xs:string"/></message>
<portType name="PT"><operation name="Op"><input message="{p}In"/><output message="{p}Out"/>
</operation></portType>
<binding name="B" type="{p}PT">
  <s:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>
  <operation name="Op"><s:operation soapAction="urn:op"/>
    <input><s:body use="{use}" namespace="urn:x"/></input>
    <output><s:body use="{use}" namespace="urn:x"/></output></operation></binding>
<service name="S"><port name="P" binding="{p}B"><s:address location="http://h/x"/></port></service>
</definitions>"""
# As the standard's own has them: names that refer to each other.
OWN = f"""\
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:e="{ENCODING}"
  targetNamespace="{ENCODING}">
<xs:attribute name="arrayType" type="xs:string"/>
<xs:complexType name="Array">
<xs:sequence><xs:any minOccurs="0" maxOccurs="unbounded"/></xs:sequence>
<xs:attribute ref="e:arrayType"/></xs:complexType></xs:schema>"""

WAYS = {
    "imported without a location": SCHEMA.format(BARE, ARRAY),
    "imported from its address": SCHEMA.format(
        BARE.replace("/>", f' schemaLocation="{ENCODING}"/>'), ARRAY
    ),
    "not imported": SCHEMA.format("", ARRAY),
    "a copy of its own": SCHEMA.format(COPY, ARRAY),
    "a copy that is imported elsewhere": SCHEMA.format("", ARRAY).replace(
        "</types>", f'<xs:schema targetNamespace="urn:y">{COPY}</xs:schema></types>'
    ),
    "a part alone": "",
    "a part beside other schemas": SCHEMA.format("", ""),
}


class Alone(zeep.Transport):
    """Has some documents, and no network."""

    def __init__(self, documents: dict[str, bytes]) -> None:
        super().__init__()
        self.documents = documents

    def load(self, url: str) -> bytes:
        return self.documents[url]


def written(way: str, use: str = "encoded", prefix: str = "t:") -> bytes:
    kind = "t:Names" if ARRAY in WAYS[way] else "e:Array"
    return WSDL.format(types=WAYS[way], type=kind, use=use, p=prefix).encode()


def contract(way: str, use: str = "encoded", prefix: str = "t:") -> Contract:
    documents = {"x.wsdl": written(way, use, prefix), "own.xsd": OWN.encode()}
    return from_documents(documents, "x.wsdl")


def understood(documents: dict[str, bytes], entry: str) -> zeep.Client:
    with zeep.Client(entry, transport=Alone(documents)) as client:
        assert client.wsdl.bindings["{urn:x}B"].all()
        return client


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("prefix", ["t:", ""], ids=["prefixed", "without prefixes"])
def test_a_published_contract_is_understood_with_no_network(way, prefix):
    published = contract(way, prefix=prefix).publish("http://z/")
    understood({f"http://z/?{key}": data for key, data in published.items()}, "http://z/?wsdl")
    again = from_documents(
        {f"http://z/?{key}": one for key, one in published.items()}, "http://z/?wsdl"
    )
    assert [one.name for one in again.operations] == ["Op"]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_written_into_a_bucket_is_understood_with_no_network(way):
    files = relative(contract(way).publish(HERE), "queue:")
    entry = list(files)[-1]
    understood({f"http://b/{name}": data for name, data in files.items()}, f"http://b/{entry}")


@pytest.mark.parametrize("way", list(WAYS)[:2])
def test_what_is_saved_holds_what_came_from_the_catalogue(way, tmp_path: Path):
    (tmp_path / "x.wsdl").write_bytes(written(way))
    files = fetch("x.wsdl", "saved", folder=tmp_path)
    assert set(files) == {"saved.wsdl", "soap-encoding.xsd"}
    understood({f"http://f/{name}": data for name, data in files.items()}, "http://f/saved.wsdl")


@pytest.mark.parametrize("way", WAYS)
def test_what_is_published_is_as_strict_about_arrays_as_before(way):
    """The Body is checked where it is literal, with the catalogue's types or with its own."""
    assert not [one for one in contract(way, "literal").notes if "do not compile" in one]


def test_the_catalogue_names_nothing_of_soap_encoding_in_soap_encoding():
    data = wellknown.read(ENCODING)
    assert b":Array" not in data
    etree.XMLSchema(etree.fromstring(data))


def test_other_contracts_are_published_as_they_are(wsdl, get):
    published = from_documents({"orders.wsdl": wsdl(get)}, "orders.wsdl").publish("http://z/")
    assert list(published) == ["wsdl"]
    assert b"encoding" not in published["wsdl"].partition(b"?>")[2]


def test_stubs_are_written_where_names_have_no_prefix(tmp_path: Path):
    way = "a part beside other schemas"
    text = written(way, "literal", "").decode().replace('type="e:Array"', 'type="xs:string"')
    (tmp_path / "x.wsdl").write_text(text)
    model = read(load("x.wsdl", folder=tmp_path))
    assert [one.name for one in model.operations] == ["Op"]
