"""Content types whose parameters the library of mail cannot take apart."""

from __future__ import annotations

import pytest

from gateway.errors import Refused
from gateway.message import Message, from_properties
from gateway.soap.multipart import (
    LOOKS,
    PARTS,
    is_plain,
    is_readable,
    parameter,
    root_span,
    split,
)

IN_ASCII = [f"a*{'9' * 5000}=x", "a*=x; a*0=y"]
NAMES = ["a number of 5000 digits", "whole and in parts"]
UNREADABLE = pytest.mark.parametrize(
    "given", [*IN_ASCII, "\ud800=x; a*=y"], ids=[*NAMES, "a surrogate"]
)


@UNREADABLE
def test_what_cannot_be_read_has_no_parameters_and_is_not_plain(given):
    content_type = f"text/xml; charset=utf-8; {given}"
    assert parameter(content_type, "charset") == ""
    assert not is_plain(content_type)
    assert not is_readable(content_type)


@pytest.mark.parametrize(
    ("given", "charset"),
    [
        ("text/xml", ""),
        ('text/xml; Charset="utf-8"', "utf-8"),
        ("text/xml; charset=a; charset=b", "a"),
        ("text/xml; charset*=utf-8''x", ""),
    ],
)
def test_what_can_be_read_has_them(given, charset):
    assert parameter(given, "charset") == charset
    assert is_readable(given)


@pytest.mark.parametrize("given", IN_ASCII, ids=NAMES)
def test_a_root_part_whose_type_cannot_be_read_is_refused(given):
    body = f"--b\r\nContent-Type: text/xml; {given}\r\n\r\n<a/>\r\n--b--".encode()
    with pytest.raises(Refused, match="root part's content type"):
        split(body, "multipart/related; boundary=b")


@UNREADABLE
def test_a_message_whose_own_type_cannot_be_read_has_no_parts(given):
    content_type = f"multipart/related; boundary=b; {given}"
    assert root_span(b"--b\r\n\r\n<a/>\r\n--b--", content_type) is None


@UNREADABLE
@pytest.mark.parametrize("kind", ["text/xml", "application/soap+xml"])
def test_it_is_taken_from_a_queue_all_the_same(given, kind):
    """A gate refuses it later. Here it would end the process that takes it."""
    properties = {"SOAPJMS_contentType": f"{kind}; {given}"}
    found = from_properties(properties, b"<a/>", id="a" * 16, sender="alice", strict=True)
    assert isinstance(found, Message)


FEW = LOOKS // 2
TYPE = 'multipart/related; boundary=b; start="<r>"'
ROOT = b"--b\r\nContent-Type: text/xml\r\nContent-ID: <r>\r\n\r\n<a/>\r\n--b--"


def test_a_boundary_that_is_all_over_a_part_is_refused():
    def body(times):
        return b"--b\r\nContent-ID: <x>\r\n\r\n" + b"x--b" * times + b"\r\n" + ROOT

    assert root_span(body(FEW), TYPE) is not None
    assert root_span(body(2 * FEW), TYPE) is None
    with pytest.raises(Refused, match="full of their boundary"):
        split(body(2 * FEW), TYPE)


def test_a_root_is_looked_for_among_as_many_parts_as_a_message_may_have():
    part = b"--b\r\nContent-ID: <x>\r\n\r\n\r\n"
    assert root_span(part * (PARTS - 1) + ROOT, TYPE) is not None
    assert root_span(part * PARTS + ROOT, TYPE) is None
