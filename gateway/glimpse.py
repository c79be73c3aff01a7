"""What a reply is, from its first elements: no tree is built of one, however large it is."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from gateway.multipart import is_multipart, media_type, parameter
from gateway.soap import SoapVersion

CHUNK = 512
FARTHEST = 1 << 20
"""Bytes after which the Body must have begun; headers before it have never been near as long."""

MEDIA_TYPES = ("text/xml", "application/soap+xml", "multipart/related", "application/xml")


@dataclass(frozen=True, slots=True)
class Glimpse:
    """The kind of a reply."""

    version: SoapVersion
    is_fault: bool
    sender_at_fault: bool = False
    """A fault that says the sender must change something: Client in SOAP 1.1, Sender in 1.2."""


def glimpse(body: bytes, content_type: str) -> Glimpse | None:
    """Return what kind of SOAP reply this is; None where it is none."""
    if media_type(content_type) not in MEDIA_TYPES:
        return None
    span = _root_part(body, content_type) if is_multipart(content_type) else (0, len(body))
    if span is None:
        return None
    start, end = span
    # recover=False: a page of HTML must not be bent into an envelope.
    parser = etree.XMLPullParser(
        events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False
    )
    try:
        return _read(parser, memoryview(body)[start : min(end, start + FARTHEST)])
    except (etree.XMLSyntaxError, ValueError):
        return None


def _root_part(body: bytes, content_type: str) -> tuple[int, int] | None:
    """Return where the content of the root part begins and ends; None where it is not found.

    The root part is the one that ``start`` names, or else the first (RFC 2387, section 3.2).
    """
    boundary = b"--" + parameter(content_type, "boundary").encode("latin-1", "replace")
    wanted = parameter(content_type, "start").strip("<>").encode("latin-1", "replace")
    at = body.find(boundary)
    while at >= 0:
        end_of_head = body.find(b"\r\n\r\n", at)
        if end_of_head < 0:
            return None
        if not wanted or wanted in body[at:end_of_head]:
            end = body.find(b"\r\n" + boundary, end_of_head)
            return end_of_head + 4, end if end >= 0 else len(body)
        at = body.find(boundary, end_of_head)
    return None


def _read(parser: etree.XMLPullParser, data: memoryview) -> Glimpse | None:
    """Feed the parser until the first element of the Body tells enough."""
    reading = _Reading()
    for at in range(0, len(data), CHUNK):
        parser.feed(bytes(data[at : at + CHUNK]))
        for event, element in parser.read_events():
            if isinstance(element, etree._Element) and reading.sees(event, element):
                return reading.glimpse
    return reading.glimpse


class _Reading:
    """Where the parser is, and what was seen so far."""

    def __init__(self) -> None:
        self.glimpse: Glimpse | None = None
        self._version: SoapVersion | None = None

    def sees(self, event: str, element: etree._Element) -> bool:
        """Take one event; tell whether enough is known."""
        if self._version is None:
            self._version = next(
                (v for v in SoapVersion if element.tag == _tag(v, "Envelope")), None
            )
            return self._version is None
        is_body = element.tag == _tag(self._version, "Body")
        if self.glimpse is not None:
            return self._sees_fault(event, element, self._version)
        if is_body and event == "end":  # an empty one
            self.glimpse = Glimpse(self._version, is_fault=False)
        parent = element.getparent()
        if parent is not None and parent.tag == _tag(self._version, "Body"):
            is_fault = element.tag == _tag(self._version, "Fault")
            self.glimpse = Glimpse(self._version, is_fault=is_fault)
        return self.glimpse is not None and not self.glimpse.is_fault

    def _sees_fault(self, event: str, element: etree._Element, version: SoapVersion) -> bool:
        """Take an event inside a fault; tell whether its code, which comes first, is known."""
        if event == "start" or element.tag not in ("faultcode", _tag(version, "Value")):
            return False
        code = (element.text or "").strip().rpartition(":")[2]
        at_fault = code.partition(".")[0] in ("Client", "Sender")
        self.glimpse = Glimpse(version, is_fault=True, sender_at_fault=at_fault)
        return True


def _tag(version: SoapVersion, name: str) -> str:
    return f"{{{version.namespace}}}{name}"
