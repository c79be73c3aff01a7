"""Header blocks that demand to be understood (SOAP 1.1 section 4.2.3, SOAP 1.2 part 1 5.2.3)."""

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
"""The attribute that addresses a header block, and what stands for the last receiver."""

_NOT_DEMANDED = {"", "0", "false"}
"""What mustUnderstand says where it says no; whatever else it says is taken for yes."""


def check_understood(envelope: Envelope, understood: Collection[str]) -> None:
    """Refuse a header block that must be understood here and is not. Raises NotUnderstood.

    ``understood`` holds names, as ``{namespace}local``. WS-Addressing need not be among them:
    admission answers for it. WS-Security must, where it is not verified: who demands that it be
    understood must not be told that it was.
    """
    unknown = [
        block.tag
        for block in _demanding(envelope)
        if block.tag not in understood and _namespace(block.tag) not in WS_ADDRESSING
    ]
    if unknown:
        raise NotUnderstood(tuple(unknown))


def is_for_us(block: Element, version: SoapVersion) -> bool:
    """True for a header block that is for the next or the last receiver."""
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
