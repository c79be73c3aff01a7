"""The documents of a contract for its callers: every address in them is the gateway's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set

from lxml import etree

from gateway.contract.documents import Document, linked
from gateway.contract.names import SOAP_BINDINGS, WSDL, XS, XSI, links, parse, wsdl
from gateway.contract.reader import MEMORY
from gateway.places import STAND_IN
from gateway.soap import Element

ENTRY = "wsdl"
MARK = "published by soap-queue-gateway"
"""A comment in the entry document: its address is a listener's, not that of a backend."""

_SOAP_ADDRESSES = tuple(f"{{{uri}}}address" for uri in SOAP_BINDINGS)
_JMS = "{http://www.w3.org/2010/soapjms/}*"
_KNOWN = {WSDL, XS, *SOAP_BINDINGS}
_HINTS = (f"{{{XSI}}}schemaLocation", f"{{{XSI}}}noNamespaceSchemaLocation")


Port = tuple[str, str]
"""The names of a service and of one of its ports."""


def publish(
    documents: Mapping[str, Document], address: str, served: Set[Port], hidden: re.Pattern[str]
) -> Mapping[str, bytes]:
    """Return the documents to serve, by the query string that asks for each; the entry is "wsdl".

    Left out, because they name the backend and its surroundings: comments, ports that are not
    served, endpoint references, queue names of SOAP over JMS, and hints where to find schemas.
    What ``hidden`` finds in documentation, policies and other extensions is replaced. The names
    of namespaces and actions stay: they are in every message.
    """
    keys = _keys(documents)
    join = "&" if "?" in address else "?"
    queries = {location: f"{address}{join}{key}" for location, key in keys.items()}
    published = {}
    for location, key in keys.items():
        root = linked(documents[location], bare=True)
        _rewrite_links(root, queries)
        for service in root.iterfind(wsdl("service")):
            _rewrite_ports(service, address, served)
        # Legal in types as elsewhere, but node's soap module stumbles over it there.
        notes = root.iterfind(f"{wsdl('types')}/{wsdl('documentation')}")
        for node in [*root.iter(_JMS), *notes]:
            _drop(node)
        _hide(root, hidden)
        root.addprevious(etree.Comment(f" {MARK} "))
        tree = root.getroottree()
        published[key] = etree.tostring(tree, xml_declaration=True, encoding="utf-8")
    return published


def named_places(documents: Iterable[Document]) -> Iterator[str]:
    """Yield every address that documents were read from, and that they give a port."""
    for document in documents:
        if not document.location.startswith(MEMORY):
            yield document.location
        if not document.is_schema:
            root = parse(document.data, document.location)
            for port in root.iterfind(f"{wsdl('service')}/{wsdl('port')}"):
                yield from (node.get("location", "") for node in port)


def _keys(documents: Mapping[str, Document]) -> Mapping[str, str]:
    keys: dict[str, str] = {}
    counts = {"wsdl": 0, "xsd": 0}
    for index, (location, document) in enumerate(documents.items()):
        kind = "xsd" if document.is_schema else "wsdl"
        counts[kind] += 1 if index else 0
        keys[location] = f"{kind}={counts[kind]}" if index else ENTRY
    return keys


def _rewrite_links(root: Element, queries: Mapping[str, str]) -> None:
    for node, attribute in links(root):
        location = str(node.attrib.pop(attribute, ""))
        if location in queries:
            node.set(attribute, queries[location])
    for node in root.iter("{*}*"):
        for hint in _HINTS:
            node.attrib.pop(hint, "")


def _rewrite_ports(service: Element, address: str, served: Set[Port]) -> None:
    """Leave in each port nothing but its name, its binding, its documentation, and our address."""
    for port in list(service.iterfind(wsdl("port"))):
        if (service.get("name", ""), port.get("name", "")) not in served:
            _drop(port)
            continue
        for node in list(port):
            if node.tag in _SOAP_ADDRESSES:
                node.set("location", address)
            elif etree.QName(node).namespace != WSDL:
                _drop(node)


def _hide(root: Element, hidden: re.Pattern[str]) -> None:
    """Replace the places of the backend wherever a contract does not depend on what is written.

    Addresses and links are ours by now; other attributes of WSDL and XML Schema are names.
    """
    for node in root.iter("{*}*"):
        node.text, node.tail = (
            hidden.sub(STAND_IN, text) if text else text for text in (node.text, node.tail)
        )
        is_known = etree.QName(node).namespace in _KNOWN
        for name, value in node.attrib.items():
            if _is_free(str(name), is_known):
                node.set(name, hidden.sub(STAND_IN, str(value)))


def _is_free(name: str, is_known: bool) -> bool:
    """Tell whether an attribute may be changed: not an action, nor a name of the standards."""
    if etree.QName(name).localname == "Action":
        return False
    return name == "source" or not is_known or name.startswith("{")


def _drop(node: Element) -> None:
    parent = node.getparent()
    if parent is not None:
        parent.remove(node)
