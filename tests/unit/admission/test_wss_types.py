"""A signature has to cover what the types inside of the Body are, and not their names alone."""

from __future__ import annotations

import time

import pytest
from lxml import etree

from gateway.admission.wss.value_types import check_types
from gateway.errors import NotSecured

XSI, XS = "http://www.w3.org/2001/XMLSchema-instance", "http://www.w3.org/2001/XMLSchema"
ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
ENCODING_12 = "http://www.w3.org/2003/05/soap-encoding"
ROOT = f'<e xmlns:x="{XSI}" xmlns:s="{XS}" xmlns:c="{ENCODING}" xmlns:h="urn:orders">{{}}</e>'


def checked(inside: str, *included: str) -> None:
    """Check the first element inside of a message, signed with these prefixes in its list."""
    element = etree.fromstring(ROOT.format(inside))[0]
    canonical = etree.tostring(
        element, method="c14n", exclusive=True, inclusive_ns_prefixes=list(included)
    )
    check_types(element, canonical)


@pytest.mark.parametrize(
    ("inside", "name"),
    [
        ('<b><a x:type="h:Refund"/></b>', "xsi:type"),
        ('<b><a c:arrayType=" h:Refund[2]"/></b>', "arrayType"),
        (
            f'<b><a f:itemType="h:Refund" xmlns:f="{ENCODING_12}"/></b>',
            "itemType",
        ),
        ('<b><a x:type="j:Refund" xmlns:j="urn:here"/></b>', "xsi:type"),
        ('<b><h:a/><a x:type="h:Refund"/></b>', "xsi:type"),
        ('<h:b xmlns:h="urn:outer"><a xmlns:h="urn:inner" x:type="h:Refund"/></h:b>', "xsi:type"),
        ('<h:b xmlns="urn:default"><h:a x:type="Refund"/></h:b>', "xsi:type"),
    ],
    ids=["type", "array", "item", "declared there", "sibling", "declared anew", "default"],
)
def test_a_type_of_a_namespace_that_is_not_signed_is_refused(inside, name):
    with pytest.raises(NotSecured) as caught:
        checked(inside)
    assert f"the namespace of what {name} names" in caught.value.reason


@pytest.mark.parametrize(
    ("inside", "included"),
    [
        ("<b>h:Refund</b>", ()),
        ('<b><a x:type="h:Refund"/></b>', ("h",)),
        ('<h:b><a x:type="h:Refund"/></h:b>', ()),
        ('<b><h:a x:type="h:Refund"/></b>', ()),
        ('<b><a h:way="1" x:type="h:Refund"/></b>', ()),
        ('<b xmlns="urn:default"><a x:type="Refund"/></b>', ()),
        ('<b><a x:type="Refund"/></b>', ()),
        ('<b><a x:type="unknown:Refund"/></b>', ()),
        ('<b><a x:type="s:int"/><a x:type="c:string"/><a c:arrayType="s:int[2]"/></b>', ()),
        ('<h:b><h:a xmlns:h="urn:i"><h:c x:type="h:A"/></h:a><a x:type="h:B"/></h:b>', ()),
    ],
    ids=[
        "none",
        "included",
        "named around",
        "named there",
        "named by an attribute",
        "default",
        "of no namespace",
        "undeclared",
        "built in",
        "declared anew",
    ],
)
def test_a_type_whose_namespace_is_signed_passes_and_so_do_those_that_everybody_has(
    inside, included
):
    checked(inside, *included)


def test_many_types_below_many_declarations_take_a_moment():
    declared = " ".join(f'xmlns:p{n}="u:{n}"' for n in range(64))
    deep = f"<h:a {declared}>" * 60 + '<h:a x:type="h:b"/>' * 20_000 + "</h:a>" * 60
    began = time.process_time()
    checked(deep)
    assert time.process_time() - began < 2
