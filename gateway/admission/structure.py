"""Checks on a parsed envelope against the operation that it is for."""

from __future__ import annotations

from gateway.contract.operations import Operation
from gateway.errors import Refused
from gateway.soap import Envelope


def check_payload(envelope: Envelope, operation: Operation) -> None:
    """Refuse more than one element in the Body, where only rpc/encoded has multi-references."""
    elements = sum(isinstance(child.tag, str) for child in envelope.body)
    if elements > 1 and not operation.encoded:
        raise Refused("The Body must hold exactly one element.")
