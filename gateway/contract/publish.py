"""The documents of a contract for its callers: every address in them is the gateway's."""

from __future__ import annotations

from collections.abc import Mapping, Set

from lxml import etree

from gateway.contract.documents import Document, linked
from gateway.contract.names import SOAP_BINDINGS, WSDL, XSI, links, wsdl
from gateway.soap import Element

ENTRY = "wsdl"
MARK = "published by soap-queue-gateway"
"""A comment in the entry document: its address is a listener's, not that of a backend."""

_SOAP_ADDRESSES = tuple(f"{{{uri}}}address" for uri in SOAP_BINDINGS)
_JMS = "{http://www.w3.org/2010/soapjms/}*"
_HINTS = (f"{{{XSI}}}schemaLocation", f"{{{XSI}}}noNamespaceSchemaLocation")


Port = tuple[str, str]
"""The names of a service and of one of its ports."""


def publish(
    documents: Mapping[str, Document], address: str, served: Set[Port]
) -> Mapping[str, bytes]:
    """Return the documents to serve, by the query string that asks for each; the entry is "wsdl".

    Left out, because they name the backend and its surroundings: comments, ports that are not
    served, endpoint references, queue names of SOAP over JMS, and hints where to find schemas.
    Documentation stays as it is, and so do the names of namespaces.
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
        root.addprevious(etree.Comment(f" {MARK} "))
        tree = root.getroottree()
        published[key] = etree.tostring(tree, xml_declaration=True, encoding="utf-8")
    return published


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


def _drop(node: Element) -> None:
    parent = node.getparent()
    if parent is not None:
        parent.remove(node)
