"""The tree of a fault: built only if it is small enough to be searched quickly."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from lxml import etree

from gateway.backends.answers import NOT_SOAP
from gateway.errors import BackendFailed
from gateway.soap.envelope import Element

MOST = 10_000
"""Elements, attributes, namespaces and comments of a fault in all: some milliseconds."""
MOST_ON_ONE = 250
"""Attributes of one element: reading all of them takes quadratic time."""
_CHUNK = 16 << 10


class TooMuch(Exception):
    """The fault is too large to be searched on the event loop."""


def parsed(data: bytes) -> Element:
    """Return the root of a fault. Raises TooMuch, BackendFailed (it is not XML)."""
    if data.count(b"xmlns") > MOST:  # before the parser processes each of them
        raise TooMuch
    pull = etree.XMLPullParser(
        ("start", "start-ns", "comment", "pi"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
    )
    left = MOST
    try:
        for at in range(0, len(data), _CHUNK):
            pull.feed(data[at : at + _CHUNK])
            left -= sum(_weight(event, node) for event, node in pull.read_events())
            if left < 0:
                raise TooMuch
        root: Element = pull.close()
        return root
    except (etree.XMLSyntaxError, ValueError) as error:  # beyond what the glimpse has read
        raise BackendFailed(NOT_SOAP) from error


def _weight(event: str, node: Any) -> int:
    attributes = len(node.attrib) if event == "start" else 0
    if attributes > MOST_ON_ONE:
        raise TooMuch
    return 1 + attributes


def namespaces(node: Element) -> set[str]:
    """Return the namespaces that are declared, or used, inside a node.

    Those used may be declared around it.
    """
    declared = {str(uri) for _, (_, uri) in etree.iterwalk(node, events=("start-ns",))}
    return declared.union(*map(own_namespaces, node.iter("{*}*")))


def own_namespaces(node: Element) -> set[str]:
    """Return the namespaces of the names of an element, and of its attributes."""
    names = (str(node.tag), *map(str, node.attrib))
    return {etree.QName(name).namespace or "" for name in names}


def whole(node: Element) -> Iterator[Element]:
    """Yield all nodes of a document, including comments beside its root."""
    root = node.getroottree().getroot()
    yield from root.itersiblings(preceding=True)
    yield from root.iter()
    yield from root.itersiblings()


def values(node: Element) -> str:
    """Return all words of a node: texts, attribute values, and local names."""
    attributes = [pair for one in node.iter("{*}*") for pair in one.attrib.items()]
    names = {str(one.tag) for one in node.iter("{*}*")}.union(str(name) for name, _ in attributes)
    local = sorted({etree.QName(name).localname for name in names})
    return " ".join(
        [*map(str, node.itertext("{*}*")), *(str(one) for _, one in attributes), *local]
    )


def texts(node: Element) -> str:
    return "".join(map(str, node.itertext("{*}*", with_tail=True)))


def set_text(node: Element, text: str) -> None:
    for child in list(node):
        node.remove(child)
    node.text = text


def drop(nodes: Collection[Element]) -> None:
    """Remove nodes, but keep the text behind each.

    All at once: one by one, the text behind would be copied again with each.
    """
    gone = set(nodes)
    for parent in {node.getparent() for node in gone}:
        if parent is not None:  # None: beside the root, which is not written
            _drop_from(parent, gone)


def _drop_from(parent: Element, gone: set[Element]) -> None:
    last, said = None, [parent.text or ""]
    for child in list(parent):
        tail = child.tail or ""
        if child in gone:
            said.append(tail)
            parent.remove(child)
        else:
            _say(parent, last, said)
            last, said = child, [tail]
    _say(parent, last, said)


def _say(parent: Element, last: Element | None, said: list[str]) -> None:
    """Set the text behind a child of a node, or before the first one if ``last`` is None."""
    if len(said) > 1 and last is None:
        parent.text = "".join(said)
    elif len(said) > 1 and last is not None:
        last.tail = "".join(said)
