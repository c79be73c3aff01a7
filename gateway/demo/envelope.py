"""SOAP envelopes of the warehouse: read and written, in SOAP 1.1 and 1.2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from lxml import etree

Element = etree._Element

SERVICE = "urn:example:warehouse"
CALL_KEY = f"{{{SERVICE}}}CallKey"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
NEXT = (
    "http://schemas.xmlsoap.org/soap/actor/next",
    "http://www.w3.org/2003/05/soap-envelope/role/next",
)


class Version(Enum):
    """A version of SOAP: the namespace of its envelope, and its media type."""

    V11 = ("http://schemas.xmlsoap.org/soap/envelope/", "text/xml")
    V12 = ("http://www.w3.org/2003/05/soap-envelope", "application/soap+xml")

    @property
    def media_type(self) -> str:
        return self.value[1]

    def tag(self, name: str) -> str:
        """Return a name of the envelope's own namespace, as lxml writes it."""
        return f"{{{self.value[0]}}}{name}"


class Fault(Exception):
    """The answer to a request that is not carried out.

    The code is that of SOAP 1.1: Client, Server, MustUnderstand or VersionMismatch.
    """

    def __init__(self, code: str, text: str, detail: Element | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Request:
    """The content of an envelope: the Body's only child, and the caller's own name for the call."""

    payload: Element
    call_key: str


def read(data: bytes, version: Version) -> Request:
    """Read an envelope of this version. Raises Fault."""
    envelope = _parse(data)
    if envelope.tag != version.tag("Envelope"):
        raise Fault(
            "VersionMismatch", "The Envelope is not one of the SOAP version it was sent as."
        )
    names = [child.tag for child in envelope]
    if names not in ([version.tag("Body")], [version.tag("Header"), version.tag("Body")]):
        raise Fault("Client", "The Envelope must hold at most one Header, then one Body.")
    if len(envelope[-1]) != 1:
        raise Fault("Client", "The Body must hold exactly one element.")
    header = list(envelope[0]) if len(envelope) == 2 else []
    _check_understood(header, version)
    return Request(payload=envelope[-1][0], call_key=_call_key(header))


def _parse(data: bytes) -> Element:
    # A parser for each message: it costs microseconds, and threads share none. Without comments
    # and processing instructions, so that none of them can cut a text in two.
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise Fault("Client", "The message is not well-formed XML.") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise Fault("Client", "A SOAP message must not contain a document type declaration.")
    return root


def _check_understood(header: Sequence[Element], version: Version) -> None:
    """Refuse a header that must be understood and is not (SOAP 1.1, 4.2.3; SOAP 1.2, 2.4)."""
    for block in header:
        required = block.get(version.tag("mustUnderstand")) in ("1", "true")
        role = block.get(version.tag("actor")) or block.get(version.tag("role"))
        if required and block.tag != CALL_KEY and (role is None or role in NEXT):
            raise Fault("MustUnderstand", "A header that must be understood is not known here.")


def _call_key(header: Sequence[Element]) -> str:
    keys = [block.text or "" for block in header if block.tag == CALL_KEY]
    return keys[0] if keys else ""


def write(payload: Element, version: Version) -> bytes:
    """Return the envelope around a reply."""
    envelope = etree.Element(version.tag("Envelope"), nsmap={"soap": version.value[0]})
    etree.SubElement(envelope, version.tag("Body")).append(payload)
    return etree.tostring(envelope, xml_declaration=True, encoding="utf-8")


def write_fault(fault: Fault, version: Version) -> tuple[int, bytes]:
    """Return a fault, and the HTTP status that it has (SOAP 1.1, 6.2; SOAP 1.2 part 2, 7.5.2.2)."""
    if version is Version.V11:
        return 500, write(_fault_11(fault), version)
    return (400 if fault.code == "Client" else 500), write(_fault_12(fault), version)


def _fault_11(fault: Fault) -> Element:
    root = etree.Element(Version.V11.tag("Fault"), nsmap={"soap": Version.V11.value[0]})
    etree.SubElement(root, "faultcode").text = f"soap:{fault.code}"
    etree.SubElement(root, "faultstring").text = fault.text
    if fault.detail is not None:
        etree.SubElement(root, "detail").append(fault.detail)
    return root


def _fault_12(fault: Fault) -> Element:
    tag = Version.V12.tag
    root = etree.Element(tag("Fault"), nsmap={"soap": Version.V12.value[0]})
    value = etree.SubElement(etree.SubElement(root, tag("Code")), tag("Value"))
    value.text = "soap:" + {"Client": "Sender", "Server": "Receiver"}.get(fault.code, fault.code)
    text = etree.SubElement(etree.SubElement(root, tag("Reason")), tag("Text"))
    text.text = fault.text
    text.set(XML_LANG, "en")
    if fault.detail is not None:
        etree.SubElement(root, tag("Detail")).append(fault.detail)
    return root
