"""What is fuzzed: all that happens to a request from the queue before a service sees it.

``tox -e fuzz`` hands over what a coverage-guided fuzzer comes up with; the tests hand over what is
kept in ``corpus/``, and valid envelopes with mistakes in them. Needs nothing but the gateway.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from xml.parsers import expat

from gateway.admission import Gate, Limits
from gateway.contract import load
from gateway.errors import BindingViolation, Refused
from gateway.message import Message, Unreadable, from_properties
from gateway.soap import fault
from gateway.soapjms import decoded

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
"""What may stand beside a body; the first byte of an input chooses."""


@cache
def gates() -> tuple[Gate, ...]:
    """Return the gates of a document/literal contract and of an rpc one."""
    warehouse = load("warehouse.wsdl", folder=ROOT / "wsdl")
    legacy = load("legacy.wsdl", folder=ROOT / "tests" / "attacks")
    return Gate(warehouse, Limits()), Gate(legacy, Limits())


def run(data: bytes) -> str:
    """Have an input admitted, and return the code of its fault; empty where it passed.

    The first byte says what is beside the body, which is the rest. Raises AssertionError for
    whatever must not be: another exception than the gateway's own, a fault that is no XML, time.
    """
    which, body = divmod(data[0] if data else 0, len(WAYS)), data[1:]
    message = from_properties(WAYS[which[1]], body, id="01ARZ3NDEKTSV4RRFFQ69G5FAV", sender="alice")
    assert not isinstance(message, Unreadable)
    began = time.process_time()
    code = _admitted(gates()[which[0] % 2], message)
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
    call = gate.admit(Message(body=body, content_type=message.content_type or "text/xml"))
    assert call.message.body == body  # the very bytes go on
