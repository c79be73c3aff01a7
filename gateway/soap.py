"""Envelopes: parsed once, safely, to look at; and faults, in SOAP 1.1 and 1.2.

The home of the XML parser for messages. What was parsed is never written back: the bytes of a
message go on as they came.
"""

from __future__ import annotations

import codecs
import math
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from xml.sax.saxutils import escape

from lxml import etree

from gateway.errors import BindingViolation, FaultCode, FaultError, Refused
from gateway.message import Message
from gateway.multipart import is_multipart, media_type, parameter, split
from gateway.soapjms import MEDIA_TYPES, SOAP_11, SOAP_12, sniff_content_type

Element = etree._Element

GATEWAY_NS = "urn:soap-queue-gateway"
SOAPJMS_NS = "http://www.w3.org/2010/soapjms/"
XOP_INCLUDE = "{http://www.w3.org/2004/08/xop/include}Include"
# What XML 1.0 cannot hold (section 2.2), however it is escaped.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
ENCODINGS = {"UTF-8", "UTF-16", "UTF-16LE", "UTF-16BE", "US-ASCII", "ASCII"}


class SoapVersion(Enum):
    """A version of SOAP: the namespace of its envelope, and its media type."""

    V11 = SOAP_11
    V12 = SOAP_12

    @property
    def namespace(self) -> str:
        return self.value[0]

    @property
    def media_type(self) -> str:
        return self.value[1]

    @classmethod
    def of_content_type(cls, content_type: str) -> SoapVersion:
        """Return the version that a content type stands for: 1.1 unless it says otherwise."""
        kind = media_type(content_type)
        if kind == "multipart/related":
            kind = parameter(content_type, "type") + parameter(content_type, "start-info")
        return cls.V12 if "application/soap+xml" in kind.lower() else cls.V11


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A parsed request. Look at it; what is sent on is the message's own bytes."""

    root: Element
    version: SoapVersion
    header: Element | None
    body: Element
    payload: Element | None
    """The first element inside the Body; None where the Body is empty."""
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    """The other parts of a multipart message, by Content-ID without its brackets."""
    content_type: str = ""
    """That of the envelope itself: in a multipart message, of the root part."""


class _Deny(etree.Resolver):
    """Opens nothing: whatever a message refers to stays closed."""

    def resolve(self, system_url: str, public_id: str) -> object:
        raise ValueError("a message must not refer to anything outside of it")


_local = threading.local()


def parser() -> etree.XMLParser:
    """Return this thread's parser for messages: with a shared one, threads wait for each other.

    Never with collect_ids=False: libxml2 then reads an external DTD, whatever else is set.
    """
    mine: etree.XMLParser | None = getattr(_local, "parser", None)
    if mine is None:
        mine = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            attribute_defaults=False,
            huge_tree=False,
        )
        mine.resolvers.add(_Deny())
        _local.parser = mine
    return mine


def parse(message: Message) -> Envelope:
    """Parse a request and check that it is one SOAP envelope. Raises Refused."""
    data, content_type = message.body, message.content_type
    attachments: dict[str, bytes] = {}
    if is_multipart(content_type):
        root_part, attachments = split(data, content_type)
        data, content_type = root_part.body, root_part.content_type
    root = _parse_xml(data)
    _check_document(root, data, content_type)
    return replace(_envelope(root, attachments), content_type=content_type)


def _parse_xml(data: bytes) -> Element:
    try:
        return etree.fromstring(data, parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        # The parser's own words stay out: they quote the message, and name files.
        raise Refused("The message is not well-formed XML.") from error


def _check_document(root: Element, data: bytes, content_type: str) -> None:
    """Refuse what SOAP forbids in a document (SOAP 1.1 section 3, SOAP 1.2 part 1 section 5)."""
    docinfo = root.getroottree().docinfo
    if docinfo.internalDTD is not None:
        raise Refused("A SOAP message must not contain a document type declaration.")
    if _has_processing_instruction(root):
        raise Refused("A SOAP message must not contain a processing instruction.")
    encoding = (docinfo.encoding or "UTF-8").upper()
    if data.startswith(_UTF_16_MARKS):
        # lxml says UTF-8 where there is no declaration (XML 1.0, section 4.3.3 and appendix F).
        encoding = "UTF-16"
    if encoding not in ENCODINGS:
        raise Refused("The message must be encoded in UTF-8 or UTF-16.")
    charset = parameter(content_type, "charset").upper()
    if charset and charset[:6] != encoding[:6]:
        raise Refused("The charset of the content type and the encoding of the XML disagree.")


def _has_processing_instruction(root: Element) -> bool:
    """Tell whether there is one inside the root, before it, or after it."""
    beside = (*root.itersiblings(preceding=True), *root.itersiblings())
    if any(isinstance(one, etree._ProcessingInstruction) for one in beside):
        return True
    return next(root.iter(etree.ProcessingInstruction), None) is not None


def _version(root: Element) -> SoapVersion:
    for version in SoapVersion:
        if root.tag == f"{{{version.namespace}}}Envelope":
            return version
    raise Refused(
        "The root element must be the Envelope of SOAP 1.1 or SOAP 1.2.",
        code=FaultCode.VERSION_MISMATCH,
    )


def _envelope(root: Element, attachments: Mapping[str, bytes]) -> Envelope:
    version = _version(root)
    header_tag, body_tag = (f"{{{version.namespace}}}{name}" for name in ("Header", "Body"))
    children = [child for child in root if isinstance(child.tag, str)]
    names = [child.tag for child in children]
    if names not in ([body_tag], [header_tag, body_tag]):
        raise Refused("The Envelope must hold at most one Header, then one Body, and nothing else.")
    *headers, body = children
    return Envelope(
        root=root,
        version=version,
        header=headers[0] if headers else None,
        body=body,
        payload=_payload(body, version),
        attachments=attachments,
    )


def _payload(body: Element, version: SoapVersion) -> Element | None:
    payload = next((child for child in body if isinstance(child.tag, str)), None)
    if payload is not None and payload.tag == f"{{{version.namespace}}}Fault":
        raise Refused("A Fault is not a request.")
    return payload


def is_alone(include: Element) -> bool:
    """Tell whether an xop:Include is all that its parent holds (XOP 1.0, section 3.2)."""
    parent = include.getparent()
    texts = ("" if parent is None else parent.text, include.tail)
    return parent is not None and len(parent) == 1 and not "".join(t or "" for t in texts).strip()


def fault(error: FaultError, request: Message) -> Message:
    """Return the fault that tells a caller about an error, in the SOAP version of the request.

    Its detail carries the request's id, by which an operator finds the log line; and, where it is
    worth to try again, in how many seconds.
    """
    version = _version_of(request)
    write = _fault_12 if version is SoapVersion.V12 else _fault_11
    text, id = (escape(_NO_XML.sub("\ufffd", one)) for one in (error.text, request.id))
    hint = f"<retryAfter>{math.ceil(error.retry_after)}</retryAfter>" if error.retry_after else ""
    envelope = write(error, text, f"<id>{id}</id>{hint}")
    return Message(
        body=f'<?xml version="1.0" encoding="utf-8"?>\n{envelope}'.encode(),
        content_type=f"{version.media_type}; charset=utf-8",
        soap_action=request.soap_action,
        target_service=request.target_service,
        request_uri=request.request_uri,
        is_fault=True,
        correlation_id=request.correlation_id or request.id,
    )


def _version_of(request: Message) -> SoapVersion:
    stated = request.content_type
    if media_type(stated) not in MEDIA_TYPES:  # the fault may be about just that
        stated = sniff_content_type(request.body)
    return SoapVersion.of_content_type(stated)


def _fault_11(error: FaultError, text: str, request: str) -> str:
    code, declared = f"soap:{error.code}", ""
    if isinstance(error, BindingViolation):
        code, declared = f"jms:{error.subcode}", f' xmlns:jms="{SOAPJMS_NS}"'
    return (
        f'<soap:Envelope xmlns:soap="{SoapVersion.V11.namespace}"{declared}>'
        f"<soap:Body><soap:Fault><faultcode>{code}</faultcode><faultstring>{text}</faultstring>"
        f'<detail><request xmlns="{GATEWAY_NS}">{request}</request></detail>'
        "</soap:Fault></soap:Body></soap:Envelope>"
    )


_CODES_12 = {"Client": "Sender", "Server": "Receiver"}


def _fault_12(error: FaultError, text: str, request: str) -> str:
    head, _, rest = error.code.partition(".")
    namespace = GATEWAY_NS
    if isinstance(error, BindingViolation):
        namespace, rest = SOAPJMS_NS, error.subcode
    subcode = f"<soap:Subcode><soap:Value>sub:{rest}</soap:Value></soap:Subcode>" if rest else ""
    return (
        f'<soap:Envelope xmlns:soap="{SoapVersion.V12.namespace}" xmlns:sub="{namespace}">'
        "<soap:Body><soap:Fault>"
        f"<soap:Code><soap:Value>soap:{_CODES_12.get(head, head)}</soap:Value>{subcode}</soap:Code>"
        f'<soap:Reason><soap:Text xml:lang="en">{text}</soap:Text></soap:Reason>'
        f'<soap:Detail><request xmlns="{GATEWAY_NS}">{request}</request></soap:Detail>'
        "</soap:Fault></soap:Body></soap:Envelope>"
    )
