"""Envelopes: parsed once, safely, for reading only; and faults, in SOAP 1.1 and 1.2.

The home of the XML parser for messages. A parsed tree is never written back: the bytes of a message
pass on unchanged.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from gateway.errors import (
    BindingViolation,
    Check,
    FaultCode,
    FaultError,
    NotSecured,
    NotUnderstood,
    Refused,
    WrongAddressing,
)
from gateway.limits import USUAL, Limits
from gateway.message import Message, echoed
from gateway.soap.jms import MEDIA_TYPES, SOAP_11, SOAP_12, sniff_content_type
from gateway.soap.multipart import is_multipart, media_type, parameter, split
from gateway.soap.wellformed import NOT_WELL_FORMED, check_wellformed

Element = etree._Element

WS_ADDRESSING = (
    "http://www.w3.org/2005/08/addressing",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing",
)
"""The namespaces of WS-Addressing 1.0, and of its W3C submission, which is also in use."""
GATEWAY_NS = "urn:soap-queue-gateway"
SOAPJMS_NS = "http://www.w3.org/2010/soapjms/"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
XOP_INCLUDE = "{http://www.w3.org/2004/08/xop/include}Include"
# Characters that XML 1.0 cannot have (section 2.2), even escaped.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ROOT_TYPES = ("text/xml", "application/soap+xml", "application/xop+xml")
"""The media types of the envelope's part: plain, or taken apart by XOP (XOP 1.0, section 5)."""


class SoapVersion(Enum):
    """A version of SOAP: the namespace of its envelope, and its media type."""

    V11 = SOAP_11
    V12 = SOAP_12

    def __init__(self, namespace: str, media_type: str) -> None:
        self.namespace = namespace
        self.media_type = media_type

    @classmethod
    def of_content_type(cls, content_type: str) -> SoapVersion:
        """Return the version of a content type: 1.1 unless it says otherwise."""
        kind = media_type(content_type)
        if kind == "multipart/related":
            kind = parameter(content_type, "type") + parameter(content_type, "start-info")
        return cls.V12 if "application/soap+xml" in kind.lower() else cls.V11


VERSIONS = {f"{{{version.namespace}}}Envelope": version for version in SoapVersion}
"""By the name of the root element."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A parsed request, for reading only: the message's own bytes are sent on."""

    root: Element
    version: SoapVersion
    header: Element | None
    body: Element
    payload: Element | None
    """The first element inside the Body; None where the Body is empty."""
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    """The other parts of a multipart message, by Content-ID without its brackets."""
    content_type: str = ""
    """The envelope's own content type: in a multipart message, that of the root part."""


class _Deny(etree.Resolver):
    """Opens nothing that a message refers to."""

    def resolve(self, system_url: str, public_id: str) -> object:
        raise ValueError("a message must not refer to anything outside of it")


_local = threading.local()


def parser() -> etree.XMLParser:
    """Return this thread's parser for messages: threads would wait for a shared one.

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


def parse(message: Message, limits: Limits = USUAL) -> Envelope:
    """Parse a request and check that it is one SOAP envelope. Raises Refused.

    The tree is built only after the document was found to be within the limits.
    """
    data, content_type = message.body, message.content_type
    attachments: dict[str, bytes] = {}
    if is_multipart(content_type):
        root_part, attachments = split(data, content_type)
        data, content_type = root_part.body, root_part.content_type
        _check_root_part(content_type)
    check_wellformed(data, parameter(content_type, "charset"), limits)
    return _envelope(_parse_xml(data), attachments, content_type)


def checked_before(data: bytes) -> Envelope:
    """Parse an envelope that ``parse`` has accepted before, and that was serialized since."""
    return _envelope(_parse_xml(data), {}, "")


def _check_root_part(content_type: str) -> None:
    if media_type(content_type) not in ROOT_TYPES:
        raise Refused(
            f"The root part must be one of {', '.join(ROOT_TYPES)}.", check=Check.CONTENT_TYPE
        )


def _parse_xml(data: bytes) -> Element:
    try:
        return etree.fromstring(data, parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        # The parser's own text is left out, of the log too: it quotes the message.
        line, column = getattr(error, "position", (0, 0))
        raise Refused(
            NOT_WELL_FORMED, check=Check.XML, reason=f"line {line}, column {column}"
        ) from error


def _envelope(root: Element, attachments: Mapping[str, bytes], content_type: str) -> Envelope:
    version = VERSIONS.get(root.tag)
    if version is None:
        raise Refused(
            "The root element must be the Envelope of SOAP 1.1 or SOAP 1.2.",
            code=FaultCode.VERSION_MISMATCH,
            check=Check.ENVELOPE,
        )
    header_tag, body_tag = f"{{{version.namespace}}}Header", f"{{{version.namespace}}}Body"
    children = [child for child in root if isinstance(child.tag, str)]
    names = [child.tag for child in children]
    if names not in ([body_tag], [header_tag, body_tag]):
        raise Refused(
            "The Envelope must hold at most one Header, then one Body, and nothing else.",
            check=Check.ENVELOPE,
        )
    *headers, body = children
    return Envelope(
        root=root,
        version=version,
        header=headers[0] if headers else None,
        body=body,
        payload=_payload(body, version),
        attachments=attachments,
        content_type=content_type,
    )


def _payload(body: Element, version: SoapVersion) -> Element | None:
    payload = next((child for child in body if isinstance(child.tag, str)), None)
    if payload is not None and payload.tag == f"{{{version.namespace}}}Fault":
        raise Refused("A Fault is not a request.", check=Check.ENVELOPE)
    return payload


def is_alone(include: Element) -> bool:
    """True if an xop:Include is its parent's only content (XOP 1.0, section 3.2)."""
    parent = include.getparent()
    texts = ("" if parent is None else parent.text, include.tail)
    return parent is not None and len(parent) == 1 and not "".join(t or "" for t in texts).strip()


def fault(error: FaultError, request: Message) -> Message:
    """Return the fault that tells a caller about an error, in the SOAP version of the request.

    Its detail has the request's id, by which an operator finds the log line; and, if it is worth
    trying again, in how many seconds.
    """
    version = _version_of(request)
    write = _fault_12 if version is SoapVersion.V12 else _fault_11
    text, id = (escape(_NO_XML.sub("\ufffd", one)) for one in (error.text, request.id))
    hint = f"<retryAfter>{math.ceil(error.retry_after)}</retryAfter>" if error.retry_after else ""
    envelope = write(error, text, f"<id>{id}</id>{hint}")
    return Message(
        body=f'<?xml version="1.0" encoding="utf-8"?>\n{envelope}'.encode(),
        content_type=f"{version.media_type}; charset=utf-8",
        is_fault=True,
        **_carried_back(request),
    )


def _carried_back(request: Message) -> dict[str, Any]:
    """The properties of a request that its fault repeats: the id alone, if they are too long."""
    fields = echoed(request)
    if sum(len(quote(value)) for value in fields.values()) > CARRIED_BACK:
        return {"correlation_id": request.id}
    return fields


def _version_of(request: Message) -> SoapVersion:
    stated = request.content_type
    if media_type(stated) not in MEDIA_TYPES:  # the fault may be about just that
        stated = sniff_content_type(request.body)
    return SoapVersion.of_content_type(stated)


def _fault_11(error: FaultError, text: str, request: str) -> str:
    code, declared = f"soap:{error.code}", ""
    if isinstance(error, BindingViolation | WrongAddressing | NotSecured):
        namespace, codes = _subcodes(error)
        code, declared = f"sub:{codes[-1]}", f' xmlns:sub="{namespace}"'
    return (
        f'<soap:Envelope xmlns:soap="{SoapVersion.V11.namespace}"{declared}>'
        f"<soap:Body><soap:Fault><faultcode>{code}</faultcode><faultstring>{text}</faultstring>"
        f'<detail><request xmlns="{GATEWAY_NS}">{request}</request></detail>'
        "</soap:Fault></soap:Body></soap:Envelope>"
    )


LONGEST_NAME = 512
"""Characters of a header block's name, with its namespace, that a fault repeats at most."""
CARRIED_BACK = 1000
"""Bytes of a request's properties, percent-encoded, that its fault repeats at most."""
_CODES_12 = {"Client": "Sender", "Server": "Receiver"}


def _fault_12(error: FaultError, text: str, request: str) -> str:
    head = error.code.partition(".")[0]
    namespace, codes = _subcodes(error)
    subcode = ""
    for code in reversed(codes):
        value = f"<soap:Value>sub:{code}</soap:Value>"
        subcode = f"<soap:Subcode>{value}{subcode}</soap:Subcode>"
    return (
        f'<soap:Envelope xmlns:soap="{SoapVersion.V12.namespace}" xmlns:sub="{namespace}">'
        f"{_not_understood(error)}<soap:Body><soap:Fault>"
        f"<soap:Code><soap:Value>soap:{_CODES_12.get(head, head)}</soap:Value>{subcode}</soap:Code>"
        f'<soap:Reason><soap:Text xml:lang="en">{text}</soap:Text></soap:Reason>'
        f'<soap:Detail><request xmlns="{GATEWAY_NS}">{request}</request></soap:Detail>'
        "</soap:Fault></soap:Body></soap:Envelope>"
    )


def _subcodes(error: FaultError) -> tuple[str, tuple[str, ...]]:
    """Return the namespace and the names of the subcodes, the outermost first."""
    if isinstance(error, BindingViolation):
        return SOAPJMS_NS, (error.subcode,)
    if isinstance(error, WrongAddressing):
        return WS_ADDRESSING[0], error.subcodes
    if isinstance(error, NotSecured):
        return WSSE, (error.subcode,)
    rest = error.code.partition(".")[2]
    return GATEWAY_NS, (rest,) if rest else ()


def _not_understood(error: FaultError) -> str:
    """Return the header that names the blocks (SOAP 1.2 part 1, section 5.4.8), or nothing."""
    if not isinstance(error, NotUnderstood):
        return ""
    told = [block.rpartition("}") for block in error.blocks if len(block) <= LONGEST_NAME]
    blocks = (
        f"<soap:NotUnderstood qname={quoteattr(f'n:{name}')} xmlns:n={quoteattr(namespace[1:])}/>"
        for namespace, _, name in told
        if namespace
    )
    return f"<soap:Header>{''.join(blocks)}</soap:Header>"
