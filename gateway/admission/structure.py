"""Checks on a parsed envelope against the operation that it is for."""

from __future__ import annotations

from gateway.contract.operations import Operation
from gateway.errors import FaultCode, Refused
from gateway.message import Message
from gateway.multipart import is_multipart, media_type
from gateway.soap import Envelope


def check_version(envelope: Envelope, message: Message) -> None:
    """Refuse an envelope of one version of SOAP under the media type of the other.

    A multipart message names its version in a parameter that many leave out: it is not asked.
    """
    if is_multipart(message.content_type):
        return
    if media_type(message.content_type) != envelope.version.media_type:
        raise Refused(
            "The content type and the envelope are of different versions of SOAP: "
            "text/xml goes with 1.1, application/soap+xml with 1.2.",
            code=FaultCode.VERSION_MISMATCH,
        )


def check_payload(envelope: Envelope, operation: Operation) -> None:
    """Refuse more than one element in the Body, where only rpc/encoded has multi-references."""
    elements = sum(isinstance(child.tag, str) for child in envelope.body)
    if elements > 1 and not operation.encoded:
        raise Refused("The Body must hold exactly one element.")
