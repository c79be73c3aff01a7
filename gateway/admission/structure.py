"""Checks on a parsed envelope: its version, its parts, its payload."""

from __future__ import annotations

from gateway.contract.operations import Operation
from gateway.errors import Check, FaultCode, Refused
from gateway.message import Message
from gateway.soap.envelope import Element, Envelope
from gateway.soap.multipart import is_multipart, media_type

ONE = "The Body must hold exactly one element."
SEVERAL = "The Body holds more elements than the operation takes."


def check_version(envelope: Envelope, message: Message) -> None:
    """Refuse an envelope of one version of SOAP under the media type of the other.

    A multipart message names its version in a parameter that many leave out: it is not checked.
    """
    if is_multipart(message.content_type):
        return
    if media_type(message.content_type) != envelope.version.media_type:
        raise Refused(
            "The content type and the envelope are of different versions of SOAP: "
            "text/xml goes with 1.1, application/soap+xml with 1.2.",
            code=FaultCode.VERSION_MISMATCH,
            check=Check.CONTENT_TYPE,
        )


def check_parts(envelope: Envelope, header_blocks: int) -> None:
    """Refuse text where SOAP allows only elements, and more than so many header blocks."""
    header = () if envelope.header is None else (envelope.header,)
    if any(_elements(one) > header_blocks for one in header):
        raise Refused(
            f"No more than {header_blocks} header blocks are accepted.", check=Check.HEADER_BLOCKS
        )
    if any(_has_text(parent) for parent in (envelope.root, *header, envelope.body)):
        raise Refused(
            "Between the parts of an envelope there must be no text.", check=Check.ENVELOPE
        )


def _elements(parent: Element) -> int:
    return sum(isinstance(child.tag, str) for child in parent)


def _has_text(parent: Element) -> bool:
    texts = (parent.text, *(child.tail for child in parent))
    return any(text is not None and not text.isspace() for text in texts)


def check_payload(envelope: Envelope, operation: Operation) -> None:
    """Refuse more elements in the Body than the operation takes: usually one.

    Only rpc/encoded has multi-references beside it, which are checked separately.
    """
    if operation.encoded:
        return
    most = max(1, len(operation.children))
    if _elements(envelope.body) > most:
        raise Refused(ONE if most == 1 else SEVERAL, check=Check.PAYLOAD)
