"""From where a contract may be read, and how it is refused."""

from __future__ import annotations

import pytest

from gateway.contract import load
from gateway.contract.documents import fetching, reader
from gateway.errors import ContractError

INCLUDE = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:orders">'
    '<xs:include schemaLocation="{}"/></xs:schema>'
)
ORDERS_XSD = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:orders">'
    '<xs:element name="getOrder" type="xs:int"/></xs:schema>'
)


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "contracts"
    inside.mkdir()
    (tmp_path / "outside.xsd").write_text(ORDERS_XSD)
    return inside


@pytest.fixture
def including(folder, wsdl, get):
    """Return a loader of a WSDL in the folder that includes a schema from some location."""

    def load_it(location, hosts=frozenset()):
        (folder / "a.wsdl").write_bytes(wsdl(get, types=INCLUDE.format(location)))
        return load("a.wsdl", folder=folder, hosts=hosts)

    return load_it


def refused(call, *args, **named):
    with pytest.raises(ContractError) as caught:
        call(*args, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_below_the_folder_are_read(folder, including):
    (folder / "deep").mkdir()
    (folder / "deep" / "my orders.xsd").write_text(ORDERS_XSD)
    for location in (
        "deep/my orders.xsd",
        "deep/my%20orders.xsd",
        "./deep/../deep/my orders.xsd",
        (folder / "deep" / "my orders.xsd").as_uri(),
    ):
        assert including(location).operations[0].body == "{urn:orders}getOrder"


def test_an_absolute_entry_below_the_folder_is_read(folder, wsdl, get):
    (folder / "a.wsdl").write_bytes(wsdl(get))
    assert load(str(folder / "a.wsdl"), folder=folder).operations


@pytest.mark.parametrize(
    "location", ["../outside.xsd", "x/../../outside.xsd", "%2e%2e/outside.xsd", "..%2foutside.xsd"]
)
def test_dots_do_not_lead_out_of_the_folder(including, location):
    assert "outside of the contract's folder" in refused(including, location)


def test_an_absolute_path_or_a_file_url_does_not_lead_out(tmp_path, including):
    outside = tmp_path / "outside.xsd"
    for location in (str(outside), outside.as_uri(), f"FILE://localhost{outside}"):
        assert "outside of the contract's folder" in refused(including, location)


def test_a_symbolic_link_does_not_lead_out(tmp_path, folder, including):
    (folder / "link.xsd").symlink_to(tmp_path / "outside.xsd")
    (folder / "up").symlink_to(tmp_path)
    for location in ("link.xsd", "up/outside.xsd"):
        assert "outside of the contract's folder" in refused(including, location)


def test_the_entry_itself_is_confined(tmp_path, folder, wsdl, get):
    (tmp_path / "out.wsdl").write_bytes(wsdl(get))
    for location in ("../out.wsdl", str(tmp_path / "out.wsdl")):
        assert "outside of the contract's folder" in refused(load, location, folder=folder)


@pytest.mark.parametrize("location", ["file://elsewhere/etc/x.xsd", "ftp://x/y.xsd", "jar://a"])
def test_other_kinds_of_addresses_are_refused(including, location):
    assert "save it in the contract's folder" in refused(including, location)


def test_a_named_host_is_read_and_nothing_else(site, including):
    site.pages["/o.xsd"] = (200, {}, ORDERS_XSD.encode())
    assert including(f"{site.url}/o.xsd", frozenset({site.host})).operations
    assert site.asked == ["/o.xsd"]
    for hosts in (frozenset(), frozenset({"127.0.0.1"}), frozenset({"example.com"})):
        message = refused(including, f"{site.url}/o.xsd", hosts)
        assert f"name the host {site.host}" in message
    assert site.asked == ["/o.xsd"]


@pytest.mark.parametrize(
    "trick", ["http://{host}@127.0.0.2/o.xsd", "http://127.0.0.2\\@{host}/o.xsd", "http:///o.xsd"]
)
def test_an_address_that_could_be_read_in_two_ways_is_refused(site, including, trick):
    message = refused(including, trick.format(host=site.host), frozenset({site.host}))
    assert "is not an address" in message
    assert not site.asked


def test_a_redirect_is_not_followed(site, including):
    site.pages["/o.xsd"] = (302, {"Location": "/real.xsd"}, b"")
    site.pages["/real.xsd"] = (200, {}, ORDERS_XSD.encode())
    assert "redirect" in refused(including, f"{site.url}/o.xsd", frozenset({site.host}))
    assert site.asked == ["/o.xsd"]


def test_a_whole_contract_is_read_from_a_host(site, folder, wsdl, get):
    site.pages["/s/a?wsdl"] = (200, {}, wsdl(get, types=INCLUDE.format("o.xsd")))
    site.pages["/s/o.xsd"] = (200, {}, ORDERS_XSD.encode())
    loaded = load(f"{site.url}/s/a?wsdl", folder=folder, hosts=frozenset({site.host}))
    assert loaded.operations
    assert site.asked == ["/s/a?wsdl", "/s/o.xsd"]


def test_a_contract_from_a_host_cannot_name_files_here(site, tmp_path, folder, wsdl, get):
    outside = (tmp_path / "outside.xsd").as_uri()
    site.pages["/a"] = (200, {}, wsdl(get, types=INCLUDE.format(outside)))
    refused(load, f"{site.url}/a", folder=folder, hosts=frozenset({site.host}))
    inside = folder / "private.xsd"
    inside.write_text(ORDERS_XSD)
    site.pages["/a"] = (200, {}, wsdl(get, types=INCLUDE.format(inside.as_uri())))
    refused(load, f"{site.url}/a", folder=folder, hosts=frozenset({site.host}))


def test_a_host_that_does_not_answer_or_says_no_is_refused_by_its_name(site, including):
    hosts = frozenset({site.host, "127.0.0.1:1"})
    assert "status 404" in refused(including, f"{site.url}/none", hosts)
    assert "does not answer" in refused(including, "http://127.0.0.1:1/o.xsd", hosts)


def test_a_document_that_is_too_large_is_refused(site, folder, including, monkeypatch):
    monkeypatch.setattr(reader, "MAX_DOCUMENT", 5000)
    monkeypatch.setattr(fetching, "MAX_DOCUMENT", 5000)
    site.pages["/o.xsd"] = (200, {}, b" " * 6000)
    (folder / "o.xsd").write_bytes(b" " * 6000)
    for location in (f"{site.url}/o.xsd", "o.xsd"):
        assert "larger than" in refused(including, location, frozenset({site.host}))


def test_what_is_no_file_is_refused(folder, including):
    (folder / "sub").mkdir()
    for location in ("sub", "missing.xsd"):
        message = refused(including, location)
        assert "a.wsdl:5: " in message
        assert location in message


def test_a_doctype_is_refused(folder, wsdl, get):
    text = wsdl(get).replace(b"<definitions", b'<!DOCTYPE d [<!ENTITY e "x">]><definitions', 1)
    (folder / "a.wsdl").write_bytes(text)
    assert "DOCTYPE" in refused(load, "a.wsdl", folder=folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"<definitions>\n<open>", "a.wsdl:2: this is not well-formed XML"),
        (b"", "a.wsdl:1: this is not well-formed XML"),
        (b"<html/>", "a.wsdl:1: this is not a WSDL 1.1 document"),
    ],
)
def test_what_is_no_wsdl_is_refused_with_its_line(folder, text, said):
    (folder / "a.wsdl").write_bytes(text)
    assert said in refused(load, "a.wsdl", folder=folder)


@pytest.mark.parametrize("part", ['element="o:none"', 'type="o:none"'])
def test_a_reference_to_nothing_is_refused(contract, wsdl, op, part):
    message = refused(contract, wsdl(op(name="get", parts=[("p", part)])))
    assert message.startswith("orders.wsdl: ")


def test_documents_in_memory_refer_to_each_other_and_to_nothing_else(contract, wsdl, get):
    data = wsdl(get, types=INCLUDE.format("sub/o.xsd"))
    assert contract(data, {"sub/o.xsd": ORDERS_XSD.encode()}).operations
    assert "sub/o.xsd is not among the documents" in refused(contract, data)
    elsewhere = wsdl(get, types=INCLUDE.format("/etc/passwd"))
    assert "is not among the documents" in refused(contract, elsewhere)


def test_a_contract_can_be_loaded_without_its_schemas(folder, wsdl, get, envelope):
    (folder / "a.wsdl").write_bytes(wsdl(get))
    loaded = load("a.wsdl", folder=folder, check_schemas=False)
    sent = envelope("<o:getOrder>anything</o:getOrder>")
    loaded.validate(loaded.find(sent, ""), sent)
    assert loaded.notes == ("the settings turn schemas off: messages are not checked",)


def test_types_that_extend_each_other_too_often_are_refused_with_the_cure(contract, wsdl, get):
    types = '<xs:complexType name="t0"><xs:sequence/></xs:complexType>'
    for n in range(1, 900):
        types += (
            f'<xs:complexType name="t{n}"><xs:complexContent><xs:extension base="o:t{n - 1}"/>'
            "</xs:complexContent></xs:complexType>"
        )
    types += '<xs:element name="getOrder" type="o:t899"/>'
    schema = f'<xs:schema targetNamespace="urn:orders">{types}</xs:schema>'
    with pytest.raises(ContractError, match=r"orders\.wsdl: its types, .* nested too deep or"):
        contract(wsdl(get, types=schema))
