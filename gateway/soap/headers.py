"""Header blocks that must be understood (SOAP 1.1 section 4.2.3, SOAP 1.2 part 1 section 5.2.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gateway.errors import NotUnderstood
from gateway.soap.envelope import WS_ADDRESSING, Element, Envelope, SoapVersion

_ROLES = {
    SoapVersion.V11: ("actor", {"", "http://schemas.xmlsoap.org/soap/actor/next"}),
    SoapVersion.V12: (
        "role",
        {
            "",
            "http://www.w3.org/2003/05/soap-envelope/role/next",
            "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
        },
    ),
}
"""The attribute that addresses a header block, and its values for the final receiver."""

_NOT_DEMANDED = {"", "0", "false"}
"""The values of mustUnderstand that mean no; all others count as yes."""


def check_understood(envelope: Envelope, understood: Collection[str]) -> None:
    """Refuse a header block that must be understood here, but is not. Raises NotUnderstood.

    ``understood`` has names, as ``{namespace}local``. WS-Addressing need not be among them:
    admission checks it. WS-Security is only among them where it is verified: otherwise the caller
    would wrongly conclude that it was understood.
    """
    unknown = [
        block.tag
        for block in _demanding(envelope)
        if block.tag not in understood and _namespace(block.tag) not in WS_ADDRESSING
    ]
    if unknown:
        raise NotUnderstood(tuple(unknown))


def is_for_us(block: Element, version: SoapVersion) -> bool:
    """True for a header block that is for the next or the final receiver."""
    role, ours = _ROLES[version]
    return block.get(f"{{{version.namespace}}}{role}", "").strip() in ours


def _demanding(envelope: Envelope) -> Iterator[Element]:
    version = envelope.version
    for block in () if envelope.header is None else envelope.header.iterchildren("*"):
        demand = block.get(f"{{{version.namespace}}}mustUnderstand", "").strip()
        if demand not in _NOT_DEMANDED and is_for_us(block, version):
            yield block


def _namespace(tag: str) -> str:
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""
