"""Messages: their ids, and their properties to and from the wire."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message import (
    Message,
    Unreadable,
    from_properties,
    id_time,
    new_id,
    to_properties,
)


@given(st.floats(min_value=0, max_value=2**47 / 1000))
def test_an_id_tells_when_it_was_made(moment):
    assert abs(id_time(new_id(lambda: moment)) - moment) < 0.002


def test_ids_sort_by_time():
    assert new_id(lambda: 1e9) < new_id(lambda: 1e9 + 0.002) < new_id(lambda: 2e9)


def test_ids_of_one_moment_differ():
    assert len({new_id(lambda: 1e9) for _ in range(1000)}) == 1000


def test_an_id_of_another_make_tells_no_time():
    assert id_time("7f3c9a52-1111-4222-8333-123456789abc") is None
    assert id_time("8" + "Z" * 25) is None  # more than 128 bits


names = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"'))


@given(
    st.builds(
        Message,
        body=st.binary(),
        content_type=names,
        content_encoding=names,
        soap_action=names,
        target_service=names,
        request_uri=names,
        is_fault=st.booleans(),
        correlation_id=names,
        reply_to=names,
        expires=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_what_is_written_to_the_wire_is_read_back(message):
    read = from_properties(to_properties(message), message.body, id=message.id, sender="")
    assert replace(read, violation=None) == message


def test_the_rules_for_requests_are_not_asked_of_replies():
    properties = {"SOAPJMS_contentType": "text/plain", "SOAPJMS_bindingVersion": "2.0"}
    request, reply = (
        from_properties(properties, b"<a/>", kind=kind, id="i", sender="s")
        for kind in ("byte", None)
    )
    assert request.violation is not None
    assert reply.violation is None


def test_a_soap_action_is_read_with_quotes_and_without():
    for written in ('"urn:a"', "urn:a"):
        properties = {"SOAPJMS_contentType": "text/xml", "SOAPJMS_soapAction": written}
        assert from_properties(properties, b"", id="i", sender="s").soap_action == "urn:a"


@given(st.dictionaries(st.text(), st.text()), st.text())
def test_reading_properties_never_raises(properties, expires):
    properties["gateway-expires"] = expires
    read = from_properties(properties, b"", id="i", sender="s")
    assert isinstance(read, Message | Unreadable)


@pytest.mark.parametrize(
    "written", ["nan", "inf", "-inf", "Infinity", "1e999", "soon", "", "1_0", " 1", "\u0661"]
)
def test_a_deadline_that_is_no_finite_number_cannot_be_read(written):
    read = from_properties({"gateway-expires": written}, b"", id="i", sender="s")
    assert isinstance(read, Unreadable)
    assert "gateway-expires" in read.reason


@pytest.mark.parametrize("written", ["0", "-5", "1e3", "1796105657.150608"])
def test_a_deadline_is_any_finite_number(written):
    read = from_properties({"gateway-expires": written}, b"", id="i", sender="s")
    assert read.expires == float(written)
