"""References inside a message: to parts of it, once around, and not for ever."""

from __future__ import annotations

import time

import pytest

from gateway.admission.references import check_arrays, check_includes, check_multi_references
from gateway.errors import Refused
from gateway.soap.envelope import SoapVersion

XOP = '<i:Include xmlns:i="http://www.w3.org/2004/08/xop/include" href="{}"/>'
ENC_12 = 'xmlns:c="http://www.w3.org/2003/05/soap-encoding"'


def check(envelope, chain=64, elements=50_000, size=1 << 20):
    check_multi_references(envelope, chain=chain, elements=elements, size=size)


def include(*names: str) -> str:
    return "<op>" + "".join(f"<b>{XOP.format(name)}</b>" for name in names) + "</op>"


def test_an_include_names_a_part_of_its_own_message(envelope):
    check_includes(envelope(body=include("cid:one%40x", "cid:two"), attachments=["one@x", "two"]))


@pytest.mark.parametrize(
    "names",
    [
        ["http://169.254.169.254/"],
        ["file:///etc/passwd"],
        ["one"],
        ["cid:"],
        ["cid:other"],
        ["CID:one"],
        ["cid:one", "cid:one"],
    ],
)
def test_an_include_of_anything_else_is_refused(envelope, names):
    with pytest.raises(Refused, match="xop:Include"):
        check_includes(envelope(body=include(*names), attachments=["one"]))


def test_an_include_without_attachments_is_refused_in_the_header_too(envelope):
    with pytest.raises(Refused):
        check_includes(envelope(body=include("http://x.example/")))
    with pytest.raises(Refused):
        check_includes(envelope(header=f"<h:h>{XOP.format('cid:one')}</h:h>"))


def test_an_include_beside_other_content_is_refused(envelope):
    body = f"<op>text{XOP.format('cid:one')}</op>"
    with pytest.raises(Refused):
        check_includes(envelope(body=body, attachments=["one"]))


def test_multi_references_beside_the_payload_pass(envelope):
    check(envelope(body='<op><a href="#1"/><b href="#1"/></op><m id="1">x</m>'))
    check(envelope(body='<op><a id="1">x</a><b href="#1"/></op>'))
    soap_12 = f'<op {ENC_12}><a c:ref="1"/></op><m {ENC_12} c:id="1"/>'
    check(envelope(body=soap_12, version=SoapVersion.V12))


def test_an_attachment_may_be_referred_to(envelope):
    check(envelope(body='<op><a href="cid:one"/></op>', attachments=["one"]))


@pytest.mark.parametrize(
    "href", ["http://169.254.169.254/", "file:///etc/passwd", "#2", "", "#", "1", "cid:2", "//x"]
)
def test_a_reference_that_leads_outside_is_refused(envelope, href):
    with pytest.raises(Refused, match="part of the message"):
        check(envelope(body=f'<op><a href="{href}"/></op><m id="1"/>', attachments=["one"]))


def test_a_reference_of_soap_1_2_that_leads_nowhere_is_refused(envelope):
    with pytest.raises(Refused):
        check(envelope(body=f'<op {ENC_12}><a c:ref="2"/></op>', version=SoapVersion.V12))


def test_what_stands_beside_the_payload_must_have_an_id(envelope):
    with pytest.raises(Refused, match="multi-reference"):
        check(envelope(body="<op/><other/>"))


@pytest.mark.parametrize("ids", ['<m id="1"/><m id="1"/>', '<m id=""/>'])
def test_an_id_is_there_once_and_is_not_empty(envelope, ids):
    with pytest.raises(Refused, match="id"):
        check(envelope(body=f"<op/>{ids}"))


@pytest.mark.parametrize(
    "body",
    [
        '<op><a href="#1"/></op><m id="1" href="#1"/>',
        '<op/><m id="1"><a href="#2"/></m><m id="2"><a href="#1"/></m>',
        '<op/><m id="1"><n id="2"><a href="#1"/></n></m>',
    ],
)
def test_a_circle_is_refused(envelope, body):
    with pytest.raises(Refused, match="circle"):
        check(envelope(body=body))


def chained(length: int) -> str:
    return '<op><a href="#1"/></op>' + "".join(
        f'<m id="{n}">' + (f'<a href="#{n + 1}"/>' if n < length else "") + "</m>"
        for n in range(1, length + 1)
    )


def test_a_chain_may_be_as_long_as_the_limit(envelope):
    check(envelope(body=chained(64)))
    with pytest.raises(Refused, match="64 references"):
        check(envelope(body=chained(65)))


def links(id: str, times: int) -> str:
    return f'<a href="#{id}"/>' * times


def test_a_thousand_laughs_by_references_are_refused_at_once(envelope):
    levels = "".join(f'<m id="{n}">{links(str(n + 1), 10)}</m>' for n in range(40))
    body = f'<op>{links("0", 1)}</op>{levels}<m id="40">ha</m>'
    began = time.perf_counter()
    with pytest.raises(Refused, match="larger"):
        check(envelope(body=body))
    assert time.perf_counter() - began < 0.5


def test_many_references_to_one_long_text_are_refused(envelope):
    body = f'<op>{links("1", 20)}</op><m id="1">{"x" * 1000}</m>'
    check(envelope(body=body), size=21_000)
    with pytest.raises(Refused, match="larger"):
        check(envelope(body=body), size=20_999)


ENC_11 = 'xmlns:d="http://schemas.xmlsoap.org/soap/encoding/"'


@pytest.mark.parametrize(
    "stated",
    [
        'd:arrayType="xs:int64[100]"',
        'd:arrayType="xs:int[10,10]"',
        'd:arrayType="xs:int[]"',
        'd:arrayType="xs:int[][5]"',
        'd:offset="[7]"',
        'c:arraySize="* 100"',
    ],
)
def test_an_array_of_few_members_passes(envelope, stated):
    check_arrays(envelope(body=f"<op><a {ENC_11} {ENC_12} {stated}/></op>"), 100)


@pytest.mark.parametrize(
    "stated",
    [
        'd:arrayType="xs:int[101]"',
        'd:arrayType="xs:int[2147483647]"',
        f'd:arrayType="xs:int[{"9" * 60_000}]"',
        'd:arrayType="xs:int[0,101]"',
        'd:arrayType="xs:int[11,10]"',
        'd:arrayType="xs:int[11][10]"',
        'd:offset="[000101]"',
        'd:position="[101]"',
        'c:arraySize="* 101"',
    ],
)
def test_an_array_that_says_it_has_many_members_is_refused(envelope, stated):
    with pytest.raises(Refused, match="100 members of an array"):
        check_arrays(envelope(body=f"<op><a {ENC_11} {ENC_12} {stated}/></op>"), 100)


def test_many_references_to_many_elements_are_refused(envelope):
    body = f'<op>{links("1", 20)}</op><m id="1">{"<n/>" * 99}</m>'
    within = 1 + 20 + 100 + 20 * 100  # the payload, the references, the node itself, and each time
    check(envelope(body=body), elements=within)
    with pytest.raises(Refused, match="larger"):
        check(envelope(body=body), elements=within - 1)
