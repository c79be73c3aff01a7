"""Real WSDLs, as their owners published them: each loads, or is refused in one clear line."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from deployment import CORPUS
from lxml import etree

from gateway.contract import load
from gateway.errors import ContractError

GATEWAY = "http://gateway.example/published"

REFUSED = {
    "gowsdl/stock.wsdl": "tns:StockQuoteBinding, which is declared nowhere",
    "gowsdl/vim.wsdl": "query-messagetypes.xsd is not there",
    "gowsdl/workday-time-min.wsdl": "WorkerReferenceEnumeration",
    "wasabi/encoded_endpoint.wsdl": "ExamplePortType",
    "wasabi/escaped_endpoint.wsdl": "ExamplePortType",
    "wasabi/import_port_types.wsdl": "name the host bydexchange.nbs-us.com",
    "wasabi/inherited.wsdl": "no operation that can be served",
    "wasabi/juniper.wsdl": "SystemService?xsd=xsd0.xsd is not there",
    "wasabi/lower_camel.wsdl": "ArticleSoap",
    "wasabi/multiple_namespaces.wsdl": "no operation that can be served",
    "wasabi/multiple_parts_in_message.wsdl": "ExamplePortType",
    "wasabi/multiple_types.wsdl": "no operation that can be served",
    "wasabi/no_message_parts.wsdl": "no operation that can be served",
    "wasabi/soap12.wsdl": "it cannot be used",
    "wasabi/two_bindings.wsdl": "it cannot be used",
    "wasabi/types_with_same_name_in_separate_namespaces.wsdl": "no operation that can be served",
}
"""What is refused, and words of the reason: they lack documents, port types or services."""

OPERATIONS = {
    "gowsdl/ec2.wsdl": 151,
    "gowsdl/epcis/EPCglobal-epcis-query-1_2.wsdl": 7,
    "gowsdl/vboxweb.wsdl": 1158,
    "wasabi/economic.wsdl": 3022,
    "wasabi/marketo.wsdl": 23,
    "wasabi/workday.wsdl": 236,
}
"""How many operations some of them have, over all their ports."""

FILES = sorted(path.relative_to(CORPUS).as_posix() for path in CORPUS.rglob("*.wsdl"))
needs_corpus = pytest.mark.skipif(not FILES, reason="the corpus of real WSDLs is not beside this")


def hosts_in_addresses(documents: list[bytes]) -> set[str]:
    """Return the hosts that any address or location attribute in the documents names."""
    return {
        host
        for data in documents
        for node in etree.fromstring(data, etree.XMLParser(huge_tree=True)).iter("{*}*")
        for name, value in node.attrib.items()
        if etree.QName(name).localname in ("location", "schemaLocation")
        for host in [urlsplit(value.strip()).netloc]
        if host
    }


def loads(name: str):
    path = CORPUS / name
    return load(path.name, folder=path.parent)


@needs_corpus
@pytest.mark.parametrize("name", [name for name in FILES if name in REFUSED])
def test_a_contract_that_cannot_be_used_is_refused_in_one_line(name):
    with pytest.raises(ContractError) as caught:
        loads(name)
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message
    assert Path(name).name in message
    assert REFUSED[name] in message


@needs_corpus
@pytest.mark.parametrize("name", [name for name in FILES if name not in REFUSED])
def test_a_real_contract_loads_and_is_published_without_its_own_hosts(name):
    contract = loads(name)
    assert len(contract.operations) == OPERATIONS.get(name, len(contract.operations)) > 0
    checked = not any("do not compile" in note for note in contract.notes)
    encoded = all(operation.encoded for operation in contract.operations)
    assert encoded or (contract._schemas is not None) is checked
    assert all("\n" not in note for note in contract.notes)
    assert contract.addresses()
    published = contract.publish(GATEWAY)
    assert hosts_in_addresses(list(published.values())) == {"gateway.example"}


@needs_corpus
def test_the_table_of_refusals_names_files_that_are_there():
    assert set(REFUSED) | set(OPERATIONS) <= set(FILES)
