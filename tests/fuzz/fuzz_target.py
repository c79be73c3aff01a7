"""What is fuzzed: all that happens to a request from the queue before a service sees it.

``tox -e fuzz`` hands over what a coverage-guided fuzzer comes up with; the tests hand over what is
kept in ``corpus/``, and valid envelopes with mistakes in them. Needs nothing but the gateway.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.parsers import expat

from gateway.admission import Gate, Limits
from gateway.contract import load
from gateway.errors import BindingViolation, Refused
from gateway.message import Message, Unreadable, from_properties
from gateway.soap.envelope import fault
from gateway.soap.jms import decoded

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 1.0
"""Seconds of processor time that a request may take, at most."""

WAYS = (
    {"SOAPJMS_contentType": "text/xml; charset=utf-8"},
    {"SOAPJMS_contentType": "application/soap+xml; charset=utf-8"},
    {"SOAPJMS_contentType": "text/xml"},
    {"SOAPJMS_contentType": "text/xml; charset=utf-16"},
    {"SOAPJMS_contentType": 'multipart/related; boundary="b"; type="text/xml"'},
    {"SOAPJMS_contentType": 'multipart/related; boundary=b; start-info="application/soap+xml"'},
    {},
    {"SOAPJMS_contentEncoding": "gzip"},
    {"SOAPJMS_soapAction": '"urn:example:warehouse/GetOrder"'},
)
"""What may stand beside a body."""
CHOSEN = len(WAYS)
"""The way of a body whose first lines are the content type, the action and the request URI."""
PLACES = 16
"""The first byte of an input: the way, and, in sixteens, the contract."""


def _beside(way: int, body: bytes) -> tuple[dict[str, str], bytes]:
    """Return the properties, and the body that they stand beside."""
    if way < CHOSEN:
        return WAYS[way], body
    lines = [*body.split(b"\n", 3), b"", b"", b""]
    names = ("SOAPJMS_contentType", "SOAPJMS_soapAction", "SOAPJMS_requestURI")
    values = [line.decode("latin-1") for line in lines]
    return {name: value for name, value in zip(names, values, strict=False) if value}, lines[3]


@cache
def gates() -> tuple[Gate, ...]:
    """Return the gates of a document/literal contract and of an rpc one."""
    warehouse = load("warehouse.wsdl", folder=ROOT / "wsdl")
    legacy = load("legacy.wsdl", folder=ROOT / "tests" / "attacks")
    return Gate(warehouse, Limits()), Gate(legacy, Limits())


def run(data: bytes) -> str:
    """Have an input admitted, and return the code of its fault; empty where it passed.

    The first byte says what is beside the body. Raises AssertionError for whatever must not be:
    another exception than the gateway's own, a fault that is no XML, time.
    """
    contract, way = divmod(data[0] if data else 0, PLACES)
    properties, body = _beside(min(way, CHOSEN), data[1:])
    began = time.process_time()
    message = from_properties(properties, body, id="01ARZ3NDEKTSV4RRFFQ69G5FAV", sender="alice")
    assert not isinstance(message, Unreadable)
    code = _admitted(gates()[contract % 2], message)
    took = time.process_time() - began
    assert took < LONGEST, f"{took:.1f} s for {len(data)} bytes"
    return code


def _admitted(gate: Gate, message: Message) -> str:
    try:
        if message.violation is not None:
            raise BindingViolation(message.violation)
        _admit(gate, message)
    except Refused as error:
        reply = fault(error, message)
        expat.ParserCreate().Parse(reply.body, True)
        return str(error.code)
    return ""


def _admit(gate: Gate, message: Message) -> None:
    body = decoded(message.body, message.content_encoding, Limits().request)
    unpacked = replace(
        message, body=body, content_encoding="", content_type=message.content_type or "text/xml"
    )
    call = gate.admit(unpacked)
    assert call.message.body == body  # the very bytes go on
