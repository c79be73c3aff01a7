"""The catalogue of public schemas."""

from __future__ import annotations

import pytest

from gateway.contract.documents import wellknown
from gateway.errors import Refused

NAMESPACES = sorted(wellknown._FILES)
TYPES = """<xs:schema targetNamespace="urn:orders" elementFormDefault="qualified">
  {imports}<xs:element name="getOrder"><xs:complexType>{content}</xs:complexType></xs:element>
</xs:schema>"""


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize(
    "location", ["", 'schemaLocation="{0}"', 'schemaLocation="http://10.0.0.1/copy.xsd"']
)
def test_every_schema_of_the_catalogue_loads_and_compiles(contract, wsdl, get, namespace, location):
    imports = f'<xs:import namespace="{namespace}" {location.format(namespace)}/>'
    loaded = contract(wsdl(get, types=TYPES.format(imports=imports, content="")))
    assert not loaded.notes


@pytest.mark.parametrize("address", sorted(wellknown._ADDRESSES))
def test_usual_addresses_are_answered_over_both_schemes(address):
    assert wellknown.known(address) == wellknown._ADDRESSES[address]
    secure = address.replace("http://", "https://")
    assert wellknown.known(secure) == wellknown._ADDRESSES[address]


def test_an_address_that_is_not_in_the_catalogue_is_not_answered():
    assert wellknown.known("http://www.w3.org/2001/other.xsd") is None
    assert wellknown.known("/www.w3.org/2001/xml.xsd") is None


def test_the_contracts_own_copy_wins(contract, wsdl, get, envelope):
    own = (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"'
        ' targetNamespace="http://www.w3.org/2005/08/addressing">'
        '<xs:element name="Action" type="xs:int"/></xs:schema>'
    )
    imports = (
        '<xs:import namespace="http://www.w3.org/2005/08/addressing" schemaLocation="wsa.xsd"/>'
    )
    content = (
        '<xs:sequence><xs:element ref="w:Action"'
        ' xmlns:w="http://www.w3.org/2005/08/addressing"/></xs:sequence>'
    )
    data = wsdl(get, types=TYPES.format(imports=imports, content=content))
    body = '<o:getOrder><w:Action xmlns:w="http://www.w3.org/2005/08/addressing">urn:x</w:Action>'
    sent = envelope(f"{body}</o:getOrder>")
    for files, accepted in (({}, True), ({"wsa.xsd": own.encode()}, False)):
        loaded = contract(data, files)
        if accepted:
            loaded.validate(loaded.operations[0], sent)
        else:
            with pytest.raises(Refused):
                loaded.validate(loaded.operations[0], sent)


def test_an_own_copy_beside_an_import_of_the_public_address_is_the_only_one(contract, wsdl, get):
    namespace = "http://www.w3.org/2005/08/addressing"
    own = (
        f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{namespace}">'
        '<xs:element name="Action" type="xs:int"/></xs:schema>'
    )
    types = "".join(
        f'<xs:schema targetNamespace="urn:{index}"><xs:import namespace="{namespace}"'
        f' schemaLocation="{location}"/></xs:schema>'
        for index, location in enumerate(("wsa.xsd", f"{namespace}/ws-addr.xsd"))
    )
    data = wsdl(get, types=types + TYPES.format(imports="", content=""))
    assert not contract(data, {"wsa.xsd": own.encode()}).notes


def test_an_own_copy_with_a_doctype_gives_way_to_the_catalogue(contract, wsdl, get):
    namespace = "http://www.w3.org/XML/1998/namespace"
    imports = f'<xs:import namespace="{namespace}" schemaLocation="xml.xsd"/>'
    content = '<xs:attribute ref="xml:lang"/>'
    data = wsdl(get, types=TYPES.format(imports=imports, content=content))
    copy = b'<!DOCTYPE xs:schema SYSTEM "XMLSchema.dtd"><xs:schema/>'
    assert not contract(data, {"xml.xsd": copy}).notes


def test_a_soap_array_and_a_data_set_of_dotnet_are_understood(contract, wsdl, get, op):
    array = """<xs:schema targetNamespace="urn:orders"
        xmlns:e="http://schemas.xmlsoap.org/soap/encoding/"
        xmlns:w="http://schemas.xmlsoap.org/wsdl/">
      <xs:import namespace="http://schemas.xmlsoap.org/soap/encoding/"/>
      <xs:complexType name="Names"><xs:complexContent><xs:restriction base="e:Array">
        <xs:attribute ref="e:arrayType" w:arrayType="xs:string[]"/>
      </xs:restriction></xs:complexContent></xs:complexType>
      <xs:element name="getOrder"><xs:complexType><xs:sequence>
        <xs:element ref="xs:schema"/><xs:any processContents="lax"/>
      </xs:sequence></xs:complexType></xs:element></xs:schema>"""
    names = op(
        name="names",
        parts=[("n", 'type="o:Names"')],
        style="rpc",
        body='use="encoded" namespace="urn:n"',
    )
    loaded = contract(wsdl(get, names, types=array))
    assert [note.split(" is ")[0] for note in loaded.notes] == ["operation names"]
