"""Envelopes: what is parsed, what is refused, and the faults that say so."""

from __future__ import annotations

import pytest
from lxml import etree

from gateway.errors import (
    AddressingCode,
    FaultCode,
    FaultError,
    Refused,
    WrongAddressing,
)
from gateway.message import Message
from gateway.soap.envelope import SoapVersion, fault, parse

NS = {version: version.namespace for version in SoapVersion}
BOTH = pytest.mark.parametrize("version", list(SoapVersion))


def envelope(version: SoapVersion, inside: str = "<e:Body><a/></e:Body>", head: str = "") -> bytes:
    return f'{head}<e:Envelope xmlns:e="{version.namespace}">{inside}</e:Envelope>'.encode()


def message(body: bytes, content_type: str = "text/xml") -> Message:
    return Message(body=body, content_type=content_type, target_service="orders")


@BOTH
def test_an_envelope_is_parsed_into_its_parts(version):
    parsed = parse(message(envelope(version, "<e:Header><h/></e:Header><e:Body><a/></e:Body>")))
    assert parsed.version is version
    assert parsed.header[0].tag == "h"
    assert parsed.payload.tag == "a"


@BOTH
def test_a_body_may_be_empty_and_a_header_missing(version):
    parsed = parse(message(envelope(version, "<e:Body><!-- nothing --></e:Body>")))
    assert (parsed.header, parsed.payload) == (None, None)


@pytest.mark.parametrize(
    ("inside", "says"),
    [
        ("", "one Body"),
        ("<e:Body/><e:Body/>", "one Body"),
        ("<e:Body/><e:Header/>", "one Header, then one Body"),
        ("<e:Header/><e:Header/><e:Body/>", "at most one Header"),
        ("<e:Body/><x/>", "nothing else"),
        ("<e:Body><e:Fault/></e:Body>", "Fault"),
        ("<e:Body><?php evil ?></e:Body>", "processing instruction"),
    ],
)
@BOTH
def test_what_is_no_soap_request_is_refused(version, inside, says):
    with pytest.raises(Refused, match=says):
        parse(message(envelope(version, inside)))


@pytest.mark.parametrize(
    "head",
    [
        "<!DOCTYPE a>",
        '<!DOCTYPE a SYSTEM "file:///etc/hostname">',
        '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:1/"> %p;]>',
    ],
)
def test_a_document_type_is_refused_and_never_followed(head):
    with pytest.raises(Refused) as caught:
        parse(message(envelope(SoapVersion.V11, head=head)))
    assert "etc" not in caught.value.text


def test_a_processing_instruction_before_the_envelope_is_refused():
    with pytest.raises(Refused, match="processing instruction"):
        parse(message(envelope(SoapVersion.V11, head="<?xml-stylesheet href='a'?>")))


@pytest.mark.parametrize(
    "body", [b" ", b"hello", b"<a", b"\x1f\x8b\x08", b"<a>\x00</a>", b"<a>&x;</a>"]
)
def test_what_is_not_xml_is_refused_without_the_words_of_the_parser(body):
    with pytest.raises(Refused) as caught:
        parse(message(body))
    assert caught.value.text == "The message is not well-formed XML."


def test_another_root_is_a_version_mismatch():
    with pytest.raises(Refused) as caught:
        parse(message(b'<Envelope xmlns="urn:soap3"><Body/></Envelope>'))
    assert caught.value.code is FaultCode.VERSION_MISMATCH


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_utf_8_and_utf_16_are_read(encoding):
    text = envelope(SoapVersion.V11, "<e:Body><a>ü</a></e:Body>").decode()
    body = f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding)
    parsed = parse(message(body, f"text/xml; charset={encoding}"))
    assert parsed.payload.text == "ü"


def test_another_encoding_is_refused():
    head = '<?xml version="1.0" encoding="iso-8859-1"?>'
    with pytest.raises(Refused, match="UTF-8 or UTF-16"):
        parse(message(envelope(SoapVersion.V11, head=head)))


def test_a_charset_that_disagrees_with_the_document_is_refused():
    head = '<?xml version="1.0" encoding="utf-8"?>'
    with pytest.raises(Refused, match="disagree"):
        parse(message(envelope(SoapVersion.V11, head=head), "text/xml; charset=utf-16"))


MTOM = (
    'multipart/related; boundary=b; type="application/xop+xml"; start="<root@x>"; start-info="{}"'
)


def multipart(version: SoapVersion) -> Message:
    body = (
        b"--b\r\nContent-ID: <data@x>\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: binary\r\n\r\n\x00\r\n\xff\r\n\r\n"
        b"--b\r\nContent-ID: <root@x>\r\nContent-Type: application/xop+xml\r\n\r\n"
        + envelope(version)
        + b"\r\n--b--\r\n"
    )
    return message(body, MTOM.format(version.media_type))


@BOTH
def test_the_envelope_of_a_multipart_message_is_found_by_its_start(version):
    parsed = parse(multipart(version))
    assert parsed.payload.tag == "a"
    assert parsed.attachments == {"data@x": b"\x00\r\n\xff\r\n"}


def test_a_multipart_message_without_its_boundary_is_refused():
    with pytest.raises(Refused, match="boundary"):
        parse(message(b"no parts", "multipart/related; boundary=x"))


@BOTH
def test_a_fault_comes_in_the_version_of_the_request(version):
    request = message(b"", f"{version.media_type}; charset=utf-8")
    reply = fault(FaultError("Too <late> & wrong", code=FaultCode.EXPIRED), request)
    assert reply.is_fault
    assert reply.correlation_id == request.id
    assert reply.target_service == "orders"
    assert SoapVersion.of_content_type(reply.content_type) is version
    root = etree.fromstring(reply.body)
    assert root.tag == f"{{{version.namespace}}}Envelope"
    assert request.id in "".join(root.itertext())
    assert "Too <late> & wrong" in "".join(root.itertext())


def test_a_multipart_request_is_answered_in_its_version():
    reply = fault(Refused("no"), multipart(SoapVersion.V12))
    assert SoapVersion.V12.namespace.encode() in reply.body


@pytest.mark.parametrize(
    ("code", "value", "subcode"),
    [
        (FaultCode.CLIENT, "Sender", None),
        (FaultCode.SERVER, "Receiver", None),
        (FaultCode.OUTCOME_UNKNOWN, "Receiver", "OutcomeUnknown"),
        (FaultCode.VERSION_MISMATCH, "VersionMismatch", None),
    ],
)
def test_soap_12_has_its_own_words_for_a_code(code, value, subcode):
    reply = fault(FaultError("x", code=code), message(b"", "application/soap+xml"))
    values = [e.text.partition(":")[2] for e in etree.fromstring(reply.body).iter("{*}Value")]
    assert values == [value] if subcode is None else [value, subcode]


def test_soap_11_keeps_the_dots_of_a_code():
    reply = fault(FaultError("x", code=FaultCode.OUTCOME_UNKNOWN), message(b""))
    assert etree.fromstring(reply.body).find(".//faultcode").text == "soap:Server.OutcomeUnknown"


def test_text_that_xml_cannot_hold_does_not_break_a_fault():
    reply = fault(FaultError("bell \x07 and \x00"), message(b""))
    etree.fromstring(reply.body)


@BOTH
def test_a_fault_of_ws_addressing_has_the_codes_of_that_standard(version):
    error = WrongAddressing(AddressingCode.ONLY_ANONYMOUS_ADDRESS_SUPPORTED, "no")
    root = etree.fromstring(fault(error, message(b"", version.media_type)).body)
    if version is SoapVersion.V11:
        code = root.find(".//faultcode")
        assert code.text == "sub:OnlyAnonymousAddressSupported"
        assert code.nsmap["sub"] == "http://www.w3.org/2005/08/addressing"
        return
    codes = [one.text for one in root.iter(f"{{{version.namespace}}}Value")]
    wanted = ["InvalidAddressingHeader", "OnlyAnonymousAddressSupported"]
    assert codes == ["soap:Sender", *(f"sub:{one}" for one in wanted)]
    assert root.nsmap["sub"] == "http://www.w3.org/2005/08/addressing"


def test_the_root_part_must_be_an_envelope_by_its_type():
    good = multipart(SoapVersion.V11)
    bad = good.body.replace(b"Content-Type: application/xop+xml", b"Content-Type: text/plain")
    assert bad != good.body
    with pytest.raises(Refused, match="root part"):
        parse(message(bad, good.content_type))


ECHOED = ("soap_action", "target_service", "request_uri", "correlation_id")


def test_a_fault_carries_back_what_its_request_came_with():
    request = Message(body=b"", content_type="text/xml", **{name: f"urn:{name}" for name in ECHOED})
    reply = fault(Refused("no"), request)
    assert [getattr(reply, name) for name in ECHOED] == [f"urn:{name}" for name in ECHOED]


@pytest.mark.parametrize("name", ECHOED)
@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\0", "\u202e", "a" * 1001, "\u00fc" * 200])
def test_a_fault_carries_nothing_back_that_a_queue_could_not_hold(name, value):
    request = Message(body=b"", content_type="text/xml", **{name: value})
    reply = fault(Refused("no"), request)
    assert getattr(reply, name) == (request.id if name == "correlation_id" else "")
