"""References inside a message: they must lead to other parts of it, without cycles or explosion.

The backend follows them. One that leads outside makes it open connections (Apache CXF,
CVE-2022-46364 and CVE-2024-28752); a cycle makes it fail (spyne: RecursionError); and a small
message of references to references expands to a large one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from urllib.parse import unquote

from gateway.errors import Check, Refused
from gateway.soap.envelope import XOP_INCLUDE, Element, Envelope, is_alone

_SOAP_ENCODING_12 = "{http://www.w3.org/2003/05/soap-encoding}"
_SOAP_ENCODING_11 = "{http://schemas.xmlsoap.org/soap/encoding/}"
_SIZES = (
    *(f"{_SOAP_ENCODING_11}{name}" for name in ("arrayType", "offset", "position")),
    f"{_SOAP_ENCODING_12}arraySize",
)
_NUMBER = re.compile("[0-9]+")
_DIGITS, _MANY = 9, 1_000_000_000
"""Digits of a number that are read: a longer one is over any limit."""
_IDS = ("id", f"{_SOAP_ENCODING_12}id")
_TOP = ""
"""The id of the Body, among those of multi-references."""

ATTACHED = "An xop:Include must be alone, and name a part that no other one names."
OUTSIDE = "A reference must name a part of the message itself."


def check_includes(envelope: Envelope) -> None:
    """Refuse an xop:Include that is not alone, or does not name an unused part (XOP 1.0, 3.2).

    Each part can be used once: otherwise a small message could become a large one. Raises Refused.
    """
    left = set(envelope.attachments)
    for include in envelope.root.iter(XOP_INCLUDE):
        name = _attachment(include.get("href", ""))
        if name not in left or not is_alone(include):
            raise Refused(ATTACHED, check=Check.REFERENCES)
        left.remove(name)


def check_arrays(envelope: Envelope, elements: int) -> None:
    """Refuse an array that declares, or begins at, more than so many members.

    Servers allocate the declared size (SOAP 1.1 section 5.4.2, SOAP 1.2 part 2 section 3.1.6).
    Raises Refused.
    """
    for element in envelope.body.iter("*"):
        for name in _SIZES:
            if name in element.attrib and _members(element.get(name, "")) > elements:
                raise Refused(
                    f"No more than {elements} members of an array are accepted.",
                    check=Check.REFERENCES,
                )


def _members(stated: str) -> int:
    """Return about the product of all sizes in ``type[2,3][4]``, ``[5]`` or ``2 3``."""
    product = 1
    for digits in _NUMBER.findall(stated[stated.find("[") + 1 :]):
        size = digits.lstrip("0") or "1"  # zero times a million: servers may allocate a million
        product = min(product * int(size[:_DIGITS]), _MANY)
        if len(size) > _DIGITS:
            return _MANY
    return product


def check_multi_references(envelope: Envelope, *, chain: int, elements: int, size: int) -> None:
    """Check the references of an rpc/encoded message (SOAP 1.1 section 5.2.3, SOAP 1.2 part 2 3.1).

    ``chain`` is how many may be one behind another. With all references expanded, the message may
    have up to ``elements`` elements and ``size`` characters of text. Raises Refused.
    """
    nodes = _nodes(envelope.body)
    _check_targets(nodes, envelope.attachments)
    try:
        order = list(TopologicalSorter(_graph(nodes)).static_order())
    except CycleError:
        raise Refused(
            "References must not lead in a circle.", check=Check.REFERENCES
        ) from None  # it names the ids
    _check_growth(nodes, order, chain=chain, elements=elements, size=size)


@dataclass(slots=True)
class _Node:
    """A multi-reference: an element with an id, without the inner elements that have one."""

    elements: int = 0
    characters: int = 0
    inner: list[str] = field(default_factory=list)
    """The ids of the nodes inside it."""
    references: list[str] = field(default_factory=list)
    """Its references, with repetitions: as ``#id`` at first, later the ids alone."""


def _nodes(body: Element) -> dict[str, _Node]:
    nodes = {_TOP: _Node()}
    pending = [(child, _TOP) for child in body.iterchildren("*")]
    if any(_id(child) is None for child, _ in pending[1:]):
        raise Refused(
            "What stands beside the Body's first element must be a multi-reference.",
            check=Check.REFERENCES,
        )
    while pending:
        element, owner = pending.pop()
        owner = _owner(element, owner, nodes)
        _count(element, nodes[owner])
        pending += [(child, owner) for child in element.iterchildren("*")]
    return nodes


def _owner(element: Element, outer: str, nodes: dict[str, _Node]) -> str:
    """Return the id of an element's node: a new one, where it has an id."""
    name = _id(element)
    if name is None:
        return outer
    if name in nodes:  # the Body's is the empty one
        raise Refused(
            "An id must not be empty, and must not be there twice.", check=Check.REFERENCES
        )
    nodes[outer].inner.append(name)
    nodes[name] = _Node()
    return name


def _id(element: Element) -> str | None:
    return next((element.get(name) for name in _IDS if element.get(name) is not None), None)


def _count(element: Element, node: _Node) -> None:
    node.elements += 1
    node.characters += len(element.text or "")
    href = element.get("href")
    if href is not None and element.tag != XOP_INCLUDE:
        node.references.append(href)
    ref = element.get(f"{_SOAP_ENCODING_12}ref")
    if ref is not None:
        node.references.append(f"#{ref}")


def _check_targets(nodes: Mapping[str, _Node], attachments: Collection[str]) -> None:
    """Refuse references that lead outside; keep only those to other elements in the nodes."""
    known = {f"#{name}" for name in nodes if name != _TOP}
    for node in nodes.values():
        outside = {one for one in node.references if one not in known}
        if not all(_attachment(one) in attachments for one in outside):
            raise Refused(OUTSIDE, check=Check.REFERENCES)
        node.references = [one[1:] for one in node.references if one in known]


def _attachment(href: str) -> str:
    """Return the Content-ID in a reference; empty where there is none (RFC 2392)."""
    scheme, _, name = href.partition(":")
    return unquote(name) if scheme == "cid" else ""


def _graph(nodes: Mapping[str, _Node]) -> Mapping[str, list[str]]:
    return {name: [*node.inner, *node.references] for name, node in nodes.items()}


def _check_growth(
    nodes: Mapping[str, _Node], order: list[str], *, chain: int, elements: int, size: int
) -> None:
    """Add up the expanded sizes: in ``order``, the targets of a node come before it."""
    longest: Counter[str] = Counter()
    for name in order:
        node = nodes[name]
        for target in (*node.inner, *node.references):
            # Bounded: otherwise ten doublings for each level make numbers of a thousand digits.
            node.elements = min(node.elements + nodes[target].elements, elements + 1)
            node.characters = min(node.characters + nodes[target].characters, size + 1)
        behind = [longest[one] for one in node.inner]
        behind += [longest[one] + 1 for one in node.references]
        longest[name] = max(behind, default=0)
    if max(longest.values()) > chain:
        raise Refused(
            f"No more than {chain} references one behind another are accepted.",
            check=Check.REFERENCES,
        )
    if nodes[_TOP].elements > elements or nodes[_TOP].characters > size:
        raise Refused(
            "With its references followed, the message is larger than is accepted.",
            check=Check.REFERENCES,
        )
