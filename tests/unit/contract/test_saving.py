"""A contract saved as files: it says the same, and needs nothing from where it came."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urljoin

import pytest

from gateway.contract import fetch, load
from gateway.contract.documents import wellknown
from gateway.contract.documents.gathering import collect
from gateway.contract.documents.saving import as_files
from gateway.errors import ContractError, OutOfBounds

WAREHOUSE = Path(__file__).parents[3] / "wsdl"
SCHEMA = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{}">{}</xs:schema>'
)
IMPORT = '<xs:import namespace="{}" schemaLocation="{}"/>'
WSDL = '<definitions xmlns="http://schemas.xmlsoap.org/wsdl/"><types>{}</types></definitions>'


def saved(pages: dict[str, str], entry: str) -> dict[str, str]:
    """Save what a web site has, and return the files."""

    def read(location: str) -> bytes:
        if location not in pages:
            raise ContractError(f"{location} is not there")
        return pages[location].encode()

    return {name: data.decode() for name, data in as_files(collect(entry, read), "orders").items()}


def wsdl_of(*links: tuple[str, str]) -> str:
    imports = "".join(IMPORT.format(*link) for link in links)
    return WSDL.format(SCHEMA.format("urn:top", imports))


def test_a_contract_of_one_folder_is_saved_byte_by_byte():
    files = fetch("warehouse.wsdl", "warehouse", folder=WAREHOUSE)
    assert files == {
        name: (WAREHOUSE / name).read_bytes() for name in ("warehouse.wsdl", "warehouse.xsd")
    }


def test_what_was_saved_loads_again_without_the_place_where_it_was(tmp_path):
    for name, data in fetch("warehouse.wsdl", "stock", folder=WAREHOUSE).items():
        (tmp_path / name).write_bytes(data)
    again = load("stock.wsdl", folder=tmp_path)
    assert again.operations == load("warehouse.wsdl", folder=WAREHOUSE).operations
    assert again.notes == ()


def test_addresses_and_query_strings_become_names_of_files_that_lead_to_each_other():
    base = "http://10.1.2.3/Orders.svc"
    files = saved(
        {
            f"{base}?wsdl": wsdl_of(
                ("urn:a", "?xsd=xsd0"), ("urn:b", "/other/Orders.svc?xsd=xsd0")
            ),
            f"{base}?xsd=xsd0": SCHEMA.format("urn:a", IMPORT.format("urn:b", "other/b b.xsd")),
            urljoin(base, "/other/Orders.svc?xsd=xsd0"): SCHEMA.format("urn:b", ""),
            urljoin(base, "other/b b.xsd"): SCHEMA.format("urn:b", ""),
        },
        f"{base}?wsdl",
    )
    assert set(files) == {"orders.wsdl", "Orders-xsd-xsd0.xsd", "Orders-xsd-xsd0-2.xsd", "b-b.xsd"}
    assert 'schemaLocation="Orders-xsd-xsd0.xsd"' in files["orders.wsdl"]
    assert 'schemaLocation="Orders-xsd-xsd0-2.xsd"' in files["orders.wsdl"]
    assert 'schemaLocation="b-b.xsd"' in files["Orders-xsd-xsd0.xsd"]
    assert not any("10.1.2.3" in text or "other/" in text for text in files.values())


def test_names_that_differ_in_case_alone_are_two_files():
    files = saved(
        {
            "http://h/a.wsdl": wsdl_of(("urn:a", "x/Types.xsd"), ("urn:b", "y/types.xsd")),
            "http://h/x/Types.xsd": SCHEMA.format("urn:a", ""),
            "http://h/y/types.xsd": SCHEMA.format("urn:b", ""),
        },
        "http://h/a.wsdl",
    )
    assert len({name.lower() for name in files}) == 3


def test_schemas_of_the_catalogue_are_saved_beside_the_others():
    """So that nobody who reads the files needs a network."""
    xml = "http://www.w3.org/XML/1998/namespace"
    files = saved(
        {
            "http://h/a.wsdl": wsdl_of(
                (xml, "http://www.w3.org/2001/xml.xsd"), ("urn:b", "xml.xsd")
            ),
            "http://h/xml.xsd": SCHEMA.format("urn:b", ""),
        },
        "http://h/a.wsdl",
    )
    assert set(files) == {"orders.wsdl", "xml.xsd", "xml-2.xsd"}
    assert f'namespace="{xml}" schemaLocation="xml.xsd"' in files["orders.wsdl"]
    assert files["xml.xsd"] == wellknown.read(xml).decode()


def test_a_schema_of_the_catalogue_is_left_out_where_the_contract_has_its_own():
    xml = "http://www.w3.org/XML/1998/namespace"
    files = saved(
        {
            "http://h/a.wsdl": wsdl_of((xml, "http://www.w3.org/2001/xml.xsd"), (xml, "own.xsd")),
            "http://h/own.xsd": SCHEMA.format(xml, ""),
        },
        "http://h/a.wsdl",
    )
    assert set(files) == {"orders.wsdl", "own.xsd"}


def test_each_document_is_told_of_as_it_is_read():
    opened: list[str] = []
    fetch("warehouse.wsdl", "warehouse", folder=WAREHOUSE, opened=opened.append)
    assert [Path(one).name for one in opened] == ["warehouse.wsdl", "warehouse.xsd"]


def test_a_document_of_a_host_that_was_not_named_is_out_of_bounds(tmp_path):
    (tmp_path / "a.wsdl").write_text(wsdl_of(("urn:a", "http://elsewhere.example/a.xsd")))
    with pytest.raises(OutOfBounds, match=r"a\.wsdl:1: .*name the host elsewhere\.example"):
        fetch("a.wsdl", "a", folder=tmp_path)
