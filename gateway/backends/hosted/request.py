"""The copy of a request for spyne, without constructs that it misreads."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from urllib.parse import unquote

from lxml import etree

from gateway.errors import Check, Refused
from gateway.soap.envelope import XOP_INCLUDE, Element, Envelope, is_alone

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


def own_copy(envelope: Envelope) -> Envelope:
    """Return a copy that spyne may change, with every attachment inlined. Raises Refused."""
    root = deepcopy(envelope.root)
    # spyne reads text only up to a comment, and takes a comment in a list for a member.
    etree.strip_tags(root, etree.Comment)
    _inline_attachments(root, envelope.attachments)
    header, body = root.find(_soap(envelope, "Header")), root.find(_soap(envelope, "Body"))
    assert body is not None  # checked when it was parsed
    if len(body) > 1:
        raise Refused("The Body must hold one element, and nothing beside it.", check=Check.PAYLOAD)
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
    """Replace each xop:Include by the bytes that it names (XOP 1.0, section 3.2).

    Each part can be used once: otherwise a small message could become a large one.
    """
    left = dict(attachments)
    for include in list(root.iter(XOP_INCLUDE)):
        scheme, _, name = include.get("href", "").partition(":")
        content = left.pop(unquote(name), None) if scheme == "cid" else None
        parent = include.getparent()
        if content is None or parent is None or not is_alone(include):
            raise Refused(
                "An xop:Include must be alone, and name a part that no other one names.",
                check=Check.REFERENCES,
            )
        parent.remove(include)
        parent.text = base64.b64encode(content).decode("ascii")


def _straighten(root: Element, header: Element | None) -> None:
    """Remove attributes that spyne would misread.

    It takes any xsi:nil for true. In header blocks without a schema check, xsi:type could make
    spyne build any type of the service in place of the declared one.
    """
    for element in root.iter():
        if element.get(XSI + "nil", "").strip() in ("false", "0"):
            del element.attrib[XSI + "nil"]
    for element in () if header is None else header.iter():
        element.attrib.pop(XSI + "type", "")
