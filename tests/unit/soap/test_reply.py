"""What a reply is, from its first elements."""

from __future__ import annotations

import pytest

from gateway.errors import FaultError, Refused
from gateway.message import Message
from gateway.soap.envelope import SoapVersion, fault
from gateway.soap.reply import (
    FARTHEST,
    MOST,
    SMALL,
    Glimpse,
    glimpse,
)

BOTH = pytest.mark.parametrize("version", list(SoapVersion))


def reply(version: SoapVersion, inside: str) -> bytes:
    return f'<s:Envelope xmlns:s="{version.namespace}">{inside}</s:Envelope>'.encode()


@BOTH
@pytest.mark.parametrize(
    "inside", ["<s:Body><a/></s:Body>", "<s:Header/><s:Body/>", "<s:Body> </s:Body>"]
)
def test_a_reply_is_seen_with_its_version(version, inside):
    assert glimpse(reply(version, inside), "text/xml") == Glimpse(version, is_fault=False)


@BOTH
@pytest.mark.parametrize(("error", "at_fault"), [(FaultError("x"), False), (Refused("x"), True)])
def test_a_fault_is_seen_with_who_is_to_blame(version, error, at_fault):
    made = fault(error, Message(body=b"", content_type=version.media_type))
    assert glimpse(made.body, made.content_type) == Glimpse(version, True, at_fault)


@BOTH
def test_an_element_called_fault_in_another_place_is_none(version):
    body = reply(version, "<s:Body><a><s:Fault/></a></s:Body>")
    assert not glimpse(body, "text/xml").is_fault


@BOTH
def test_only_the_beginning_of_a_large_reply_is_read(version):
    head, tail = reply(version, "<s:Body><a>|</a></s:Body>").split(b"|")
    assert glimpse(head + b"x" * 50_000_000, "text/xml") == Glimpse(version, is_fault=False)
    assert tail  # never reached


@BOTH
def test_a_body_behind_more_headers_than_anybody_sends_is_not_looked_for(version):
    inside = "<s:Header>{}</s:Header><s:Body><a/></s:Body>" + " " * SMALL
    few, many = (inside.format("<b/>" * count) for count in (MOST // 2, MOST + 1000))
    assert glimpse(reply(version, few), "text/xml") == Glimpse(version, is_fault=False)
    assert glimpse(reply(version, many), "text/xml") is None
    long = inside.format("x" * FARTHEST)
    assert glimpse(reply(version, long), "text/xml") is None


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html><body>502 Bad Gateway</body></html>", "text/html"),
        (b"<html><body>oops</body></html>", "text/xml"),
        (b"<br>", "text/xml"),
        (b"", "text/xml"),
        (b"Traceback (most recent call last)", "text/xml"),
        (reply(SoapVersion.V11, "<s:Body/>"), "application/json"),
        (b'<Envelope xmlns="urn:other"><Body/></Envelope>', "text/xml"),
        (b"--x\r\n\r\nno boundary", "multipart/related; boundary=y"),
    ],
)
def test_what_is_no_soap_reply_is_not_taken_for_one(body, content_type):
    assert glimpse(body, content_type) is None


@BOTH
@pytest.mark.parametrize("first", [True, False])
def test_the_root_part_of_a_multipart_reply_is_found(version, first):
    root = b"--b\r\nContent-ID: <r@x>\r\n\r\n" + reply(version, "<s:Body><a/></s:Body>") + b"\r\n"
    other = b"--b\r\nContent-ID: <o@x>\r\n\r\n\x00\xff not xml\r\n"
    parts = [root, other] if first else [other, root]
    body = b"".join(parts) + b"--b--\r\n"
    content_type = 'multipart/related; boundary="b"; start="<r@x>"'
    assert glimpse(body, content_type) == Glimpse(version, is_fault=False)
