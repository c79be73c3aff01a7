"""WS-Addressing: a message can never make anything open a connection.

Replies go back through the queue, so a request may ask for that, or for no reply, but for nothing
else: a backend that follows a reply address would make calls on behalf of the sender.

wsa:To passes: clients write the address there by which they know the service, and sign it.
"""

from __future__ import annotations

from gateway.errors import AddressingCode, WrongAddressing
from gateway.soap.envelope import Element, Envelope

_W3C = "http://www.w3.org/2005/08/addressing"
_DRAFTS = tuple(
    f"http://schemas.xmlsoap.org/ws/{made}/addressing" for made in ("2003/03", "2004/03", "2004/08")
)
_ALLOWED = {
    _W3C: {f"{_W3C}/anonymous", f"{_W3C}/none"},
    **{draft: {f"{draft}/role/anonymous"} for draft in _DRAFTS},
}
"""Where replies may go, by namespace: WS-Addressing 1.0 Core section 2.1, and its submissions."""

TWICE = "A header of WS-Addressing is there twice."

_ENDPOINTS = {
    **{f"{{{space}}}{name}": space for space in _ALLOWED for name in ("ReplyTo", "FaultTo")},
    # In the submissions, replies go to the From address where there is no other (section 3.2).
    **{f"{{{draft}}}From": draft for draft in _DRAFTS},
}
_ONCE = {
    *_ENDPOINTS,
    *(f"{{{space}}}{name}" for space in _ALLOWED for name in ("To", "Action", "MessageID", "From")),
}


def check_addressing(envelope: Envelope) -> None:
    """Refuse reply addresses that lead elsewhere, and headers that are there twice.

    In headers of any role: a service may ignore the role. Raises WrongAddressing.
    """
    header = () if envelope.header is None else envelope.header
    stated = [block for block in header if block.tag in _ONCE]
    if len({block.tag for block in stated}) < len(stated):
        raise WrongAddressing(AddressingCode.INVALID_CARDINALITY, TWICE)
    for block in stated:
        if block.tag in _ENDPOINTS:
            _check_endpoint(block, _ENDPOINTS[block.tag])


def _check_endpoint(block: Element, namespace: str) -> None:
    addresses = block.findall(f"{{{namespace}}}Address")
    text = (addresses[0].text or "").strip() if len(addresses) == 1 else ""
    if text not in _ALLOWED[namespace] or len(addresses[0]):
        raise WrongAddressing(
            AddressingCode.ONLY_ANONYMOUS_ADDRESS_SUPPORTED,
            "Replies go back the way the request came: only the anonymous address is supported.",
        )
