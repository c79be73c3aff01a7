"""The kind of a reply, by its first elements: a large reply is not parsed into a tree."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from gateway.soap.envelope import VERSIONS, Element, SoapVersion, parser
from gateway.soap.multipart import is_multipart, media_type, root_span

SMALL = 64 << 10
"""Bytes of a reply that is parsed whole: for so few that is faster than stopping in between."""
CHUNK = 4096
FARTHEST = 256 << 10
"""Bytes within which the Body must begin; real headers are much shorter."""
MOST = 10_000
"""Elements before the Body's content in a reply over SMALL: each takes time on the event loop."""

_BODIES = [f"{{{version.namespace}}}Body" for version in SoapVersion]
MEDIA_TYPES = ("text/xml", "application/soap+xml", "multipart/related", "application/xml")


@dataclass(frozen=True, slots=True)
class Glimpse:
    """The kind of a reply."""

    version: SoapVersion
    is_fault: bool
    sender_at_fault: bool = False
    """A fault of the sender: Client in SOAP 1.1, Sender in 1.2."""


def glimpse(body: bytes, content_type: str) -> Glimpse | None:
    """The kind of a SOAP reply; None where it is not one."""
    if media_type(content_type) not in MEDIA_TYPES:
        return None
    span = root_span(body, content_type) if is_multipart(content_type) else (0, len(body))
    if span is None:
        return None
    start, end = span
    try:
        root = _whole(body[start:end]) if end - start <= SMALL else _beginning(body, start, end)
    except (etree.XMLSyntaxError, ValueError):
        return None
    return _kind(root)


def _whole(data: bytes) -> Element:
    return etree.fromstring(data, parser())


def _beginning(body: bytes, start: int, end: int) -> Element:
    """Parse only as much of a reply as is needed to see the Body's first element."""
    pull = etree.XMLPullParser(
        events=("start",), resolve_entities=False, no_network=True, load_dtd=False
    )
    left = MOST
    for at in range(start, min(end, start + FARTHEST), CHUNK):
        pull.feed(body[at : min(end, at + CHUNK)])
        for _, element in pull.read_events():
            if isinstance(element, etree._Element) and _is_in_body(element):
                return element.getroottree().getroot()
            left -= 1
        if left < 0:
            break
    raise ValueError("no Body that holds anything")


def _is_in_body(element: Element) -> bool:
    parent = element.getparent()
    return parent is not None and parent.tag in _BODIES


def _kind(root: Element) -> Glimpse | None:
    """The kind of a reply, by its tree or the beginning of one."""
    if root.getroottree().docinfo.internalDTD is not None:
        return None  # forbidden (SOAP 1.1 section 3), and a danger to the next reader
    version = VERSIONS.get(root.tag)
    body = None if version is None else _child(root, version, "Body")
    if version is None or body is None:
        return None
    fault = _child(body, version, "Fault")
    return Glimpse(version, is_fault=False) if fault is None else _fault(fault, version)


def _child(parent: Element, version: SoapVersion, name: str) -> Element | None:
    return next(parent.iterchildren(_tag(version, name)), None)


def _fault(fault: Element, version: SoapVersion) -> Glimpse:
    path = f"{_tag(version, 'Code')}/{_tag(version, 'Value')}"
    code = (fault.findtext("faultcode") or fault.findtext(path) or "").strip().rpartition(":")[2]
    at_fault = code.partition(".")[0] in ("Client", "Sender")
    return Glimpse(version, is_fault=True, sender_at_fault=at_fault)


def _tag(version: SoapVersion, name: str) -> str:
    return f"{{{version.namespace}}}{name}"
