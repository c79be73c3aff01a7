"""What spyne gets to see of a request: a tree of its own, without what it stumbles over."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import replace
from urllib.parse import unquote

from lxml import etree

from gateway.errors import FaultCode, Refused
from gateway.soap import XOP_INCLUDE, Element, Envelope, SoapVersion, is_alone

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"

GATEWAY_HEADERS = {
    "http://www.w3.org/2005/08/addressing",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing",
}
"""Namespaces of header blocks that admission answers for: no service has to declare them.

WS-Security is not among them: who demands that it be understood must not be told that it was."""

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


def own_copy(envelope: Envelope) -> Envelope:
    """Return a copy that spyne may change, with every attachment inlined. Raises Refused."""
    root = deepcopy(envelope.root)
    # spyne reads the text up to a comment, and takes a comment in a list for a member of it.
    etree.strip_tags(root, etree.Comment)
    _inline_attachments(root, envelope.attachments)
    header, body = root.find(_soap(envelope, "Header")), root.find(_soap(envelope, "Body"))
    assert body is not None  # checked when it was parsed
    if len(body) > 1:
        raise Refused("The Body must hold one element, and nothing beside it.")
    _straighten(root, header)
    return replace(
        envelope,
        root=root,
        header=header,
        body=body,
        payload=body[0] if len(body) else None,
        attachments={},
    )


def _soap(envelope: Envelope, name: str) -> str:
    return f"{{{envelope.version.namespace}}}{name}"


def _inline_attachments(root: Element, attachments: Mapping[str, bytes]) -> None:
    """Put the bytes that each xop:Include names in its place (XOP 1.0, section 3.2).

    Each part can be used once: or a small message could become a large one.
    """
    left = dict(attachments)
    for include in list(root.iter(XOP_INCLUDE)):
        scheme, _, name = include.get("href", "").partition(":")
        content = left.pop(unquote(name), None) if scheme == "cid" else None
        parent = include.getparent()
        if content is None or parent is None or not is_alone(include):
            raise Refused("An xop:Include must be alone, and name a part that no other one names.")
        parent.remove(include)
        parent.text = base64.b64encode(content).decode("ascii")


def _straighten(root: Element, header: Element | None) -> None:
    """Say in spyne's way what it would misread.

    It takes xsi:nil for true whatever it says. No schema is asked about header blocks, and there
    xsi:type could make spyne build any type of the service in the place of the declared one.
    """
    for element in root.iter():
        if element.get(XSI + "nil", "").strip() in ("false", "0"):
            del element.attrib[XSI + "nil"]
    for element in () if header is None else header.iter():
        element.attrib.pop(XSI + "type", "")


def check_understood(envelope: Envelope, declared: Collection[str]) -> None:
    """Refuse a header block that must be understood and is not (SOAP 1.2 part 1, section 2.4).

    ``declared`` holds the names that the operation takes, as ``{namespace}local``.
    """
    must, role = _soap(envelope, "mustUnderstand"), _soap(envelope, _ROLES[envelope.version][0])
    for block in () if envelope.header is None else envelope.header:
        if block.tag in declared or etree.QName(block).namespace in GATEWAY_HEADERS:
            continue
        if block.get(must, "").strip() in ("1", "true"):
            _check_not_ours(block.get(role, "").strip(), envelope.version)


def _check_not_ours(role: str, version: SoapVersion) -> None:
    if role in _ROLES[version][1]:
        raise Refused(
            "A header block that must be understood is not one that the operation declares.",
            code=FaultCode.MUST_UNDERSTAND,
        )
