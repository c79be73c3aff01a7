"""Header blocks that demand to be understood."""

from __future__ import annotations

import pytest
from lxml import etree

from gateway.errors import FaultCode, NotUnderstood
from gateway.message import Message
from gateway.soap.envelope import SoapVersion, fault, parse
from gateway.soap.headers import check_understood

V11, V12 = SoapVersion.V11, SoapVersion.V12
BOTH = pytest.mark.parametrize("version", list(SoapVersion))


def envelope(header: str, version: SoapVersion):
    text = (
        f'<e:Envelope xmlns:e="{version.namespace}" xmlns:h="urn:h">'
        f"<e:Header>{header}</e:Header><e:Body><op/></e:Body></e:Envelope>"
    )
    return parse(Message(body=text.encode(), content_type=version.media_type))


@BOTH
@pytest.mark.parametrize("demand", ["1", "true", " 1\n", "yes", "TRUE"])
def test_what_demands_to_be_understood_and_is_not_is_refused(version, demand):
    with pytest.raises(NotUnderstood) as caught:
        check_understood(envelope(f'<h:a e:mustUnderstand="{demand}"/>', version), set())
    assert caught.value.code is FaultCode.MUST_UNDERSTAND
    assert caught.value.blocks == ("{urn:h}a",)


@BOTH
@pytest.mark.parametrize("demand", ["", "0", "false", " 0 "])
def test_what_does_not_demand_it_passes(version, demand):
    check_understood(envelope(f'<h:a e:mustUnderstand="{demand}"/><h:b/>', version), set())


@BOTH
def test_a_comment_among_header_blocks_demands_nothing(version):
    check_understood(envelope("<!-- a --><h:b/>", version), set())


@BOTH
def test_what_is_understood_passes_by_its_whole_name(version):
    check_understood(envelope('<h:a e:mustUnderstand="1"/>', version), {"{urn:h}a"})
    with pytest.raises(NotUnderstood):
        check_understood(envelope('<h:a e:mustUnderstand="1"/>', version), {"{urn:i}a", "a"})


@BOTH
@pytest.mark.parametrize(
    "namespace",
    [
        "http://www.w3.org/2005/08/addressing",
        "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    ],
)
def test_addressing_is_understood_and_security_is_not(version, namespace):
    check_understood(envelope(f'<To xmlns="{namespace}" e:mustUnderstand="1"/>', version), set())
    secext = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
    header = f'<Security xmlns="{secext}" e:mustUnderstand="1"/>'
    with pytest.raises(NotUnderstood):
        check_understood(envelope(header, version), set())


@pytest.mark.parametrize(
    ("version", "role"),
    [
        (V11, 'e:actor=""'),
        (V11, 'e:actor="http://schemas.xmlsoap.org/soap/actor/next"'),
        (V11, 'e:role="urn:other"'),
        (V12, 'e:role="http://www.w3.org/2003/05/soap-envelope/role/next"'),
        (V12, 'e:role="http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver"'),
        (V12, 'e:actor="urn:other"'),
        (V12, 'role="urn:other"'),
    ],
)
def test_a_block_for_the_last_receiver_or_the_next_one_is_for_us(version, role):
    with pytest.raises(NotUnderstood):
        check_understood(envelope(f'<h:a e:mustUnderstand="1" {role}/>', version), set())


@pytest.mark.parametrize(
    ("version", "role"),
    [
        (V11, 'e:actor="urn:other"'),
        (V12, 'e:role="urn:other"'),
        (V12, 'e:role="http://www.w3.org/2003/05/soap-envelope/role/none"'),
    ],
)
def test_a_block_for_somebody_else_passes(version, role):
    check_understood(envelope(f'<h:a e:mustUnderstand="1" {role}/>', version), set())


def told(header: str, version: SoapVersion) -> etree._Element:
    """Return the fault that a request with such a header gets."""
    request = Message(body=b"", content_type=version.media_type)
    with pytest.raises(NotUnderstood) as caught:
        check_understood(envelope(header, version), set())
    return etree.fromstring(fault(caught.value, request).body)


def test_the_fault_of_soap_1_2_names_the_blocks_that_were_not_understood():
    header = '<h:a e:mustUnderstand="1"/><b xmlns="u?a&amp;b" e:mustUnderstand="1"/>'
    fault_12 = told(header, V12)
    namespace = f"{{{V12.namespace}}}"
    assert fault_12.findtext(f".//{namespace}Code/{namespace}Value") == "soap:MustUnderstand"
    blocks = fault_12.findall(f"{namespace}Header/{namespace}NotUnderstood")
    names = [(one.nsmap["n"], one.get("qname")) for one in blocks]
    assert names == [("urn:h", "n:a"), ("u?a&b", "n:b")]


def test_the_fault_of_soap_1_1_has_no_such_header():
    fault_11 = told('<h:a e:mustUnderstand="1"/>', V11)
    assert fault_11.findtext(".//faultcode") == "soap:MustUnderstand"
    assert fault_11.find(f"{{{V11.namespace}}}Header") is None


def test_a_fault_does_not_repeat_a_name_of_kilobytes_or_one_without_a_namespace():
    header = f'<a xmlns="{"u" * 60_000}" e:mustUnderstand="1"/><b e:mustUnderstand="1"/>'
    assert len(etree.tostring(told(header, V12))) < 1000
