"""Reply addresses: only the way back is a way."""

from __future__ import annotations

import pytest

from gateway.admission.addressing import check_addressing
from gateway.errors import FaultCode, WrongAddressing

W3C = "http://www.w3.org/2005/08/addressing"
OLD = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
OLDEST = "http://schemas.xmlsoap.org/ws/2003/03/addressing"


def endpoint(name: str, address: str, namespace: str = W3C) -> str:
    return f'<{name} xmlns="{namespace}"><Address>{address}</Address></{name}>'


@pytest.mark.parametrize("name", ["ReplyTo", "FaultTo"])
@pytest.mark.parametrize(
    ("namespace", "address"),
    [
        (W3C, f"{W3C}/anonymous"),
        (W3C, f" {W3C}/none\n"),
        (OLD, f"{OLD}/role/anonymous"),
        (OLDEST, f"{OLDEST}/role/anonymous"),
    ],
)
def test_anonymous_and_none_pass(envelope, name, namespace, address):
    check_addressing(envelope(endpoint(name, address, namespace)))


@pytest.mark.parametrize("name", ["ReplyTo", "FaultTo"])
@pytest.mark.parametrize("namespace", [W3C, OLD, OLDEST])
@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest",
        "",
        f"{W3C}/anonymous/",
        f"{W3C}/anonymous?id=1",
        f"{W3C}/<!-- -->anonymous",
        "mailto:x@example.com",
    ],
)
def test_every_other_address_is_refused(envelope, name, namespace, address):
    with pytest.raises(WrongAddressing) as caught:
        check_addressing(envelope(endpoint(name, address, namespace)))
    assert caught.value.subcodes == ("InvalidAddressingHeader", "OnlyAnonymousAddressSupported")
    assert caught.value.code is FaultCode.CLIENT
    assert "169.254" not in caught.value.text


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "text",
        f"<Address>{W3C}/anonymous</Address><Address>http://x.example/</Address>",
        f"<Address><b/>{W3C}/anonymous</Address>",
        f"<Address>{W3C}/anonymous<b/></Address>",
        f"<Address>{W3C}/anonymous<!-- -->@x.example</Address>",
    ],
)
def test_an_endpoint_without_one_plain_address_is_refused(envelope, inside):
    with pytest.raises(WrongAddressing):
        check_addressing(envelope(f'<ReplyTo xmlns="{W3C}">{inside}</ReplyTo>'))


def test_an_address_for_another_role_is_refused_as_well(envelope):
    header = '<a:ReplyTo e:actor="urn:x"><a:Address>http://x.example/</a:Address></a:ReplyTo>'
    with pytest.raises(WrongAddressing):
        check_addressing(envelope(header))


def test_who_sent_it_is_an_address_to_dial_in_the_old_standards_alone(envelope):
    check_addressing(envelope(endpoint("From", "http://x.example/")))
    with pytest.raises(WrongAddressing):
        check_addressing(envelope(endpoint("From", "http://x.example/", OLD)))


@pytest.mark.parametrize("name", ["To", "Action", "MessageID", "ReplyTo", "From"])
def test_a_header_that_is_there_twice_is_refused(envelope, name):
    header = endpoint(name, f"{W3C}/anonymous")
    check_addressing(envelope(header))
    with pytest.raises(WrongAddressing) as caught:
        check_addressing(envelope(header * 2))
    assert caught.value.subcodes[-1] == "InvalidCardinality"


def test_other_headers_and_none_at_all_pass(envelope):
    check_addressing(envelope())
    check_addressing(envelope("<h:ReplyTo/><h:ReplyTo/><a:RelatesTo>urn:x</a:RelatesTo>"))


@pytest.mark.parametrize("namespace", [W3C, OLD])
@pytest.mark.parametrize("address", ["http://old.example/Orders", "jms:queue:orders", "urn:x", ""])
def test_whom_a_message_is_to_is_not_looked_at(envelope, namespace, address):
    """Clients write what they were set up with; the docs say what that means for a router."""
    check_addressing(envelope(f'<To xmlns="{namespace}">{address}</To>'))
