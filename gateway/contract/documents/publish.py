"""The documents of a contract for its callers: every address in them is the gateway's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace

from lxml import etree

from gateway.contract.backend_names import STAND_IN
from gateway.contract.documents import wellknown
from gateway.contract.documents.gathering import Document, linked
from gateway.contract.documents.reader import MEMORY
from gateway.contract.names import SOAP_BINDINGS, WSDL, XS, XSI, clark, links, parse, wsdl, xs
from gateway.soap.envelope import Element

ENTRY = "wsdl"
MARK = "published by soap-queue-gateway"
"""A comment in the entry document: its address is a listener's, not a backend's."""

_SOAP_ADDRESSES = tuple(f"{{{uri}}}address" for uri in SOAP_BINDINGS)
_JMS = "{http://www.w3.org/2010/soapjms/}*"
_KNOWN = {WSDL, XS, *SOAP_BINDINGS}
_HINTS = (f"{{{XSI}}}schemaLocation", f"{{{XSI}}}noNamespaceSchemaLocation")
_ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
"""The namespace of SOAP encoding: clients fetch its schema there, unless they are given it."""
_REFERRING = ("type", "base", "ref", "itemType", "memberTypes", "element")

Port = tuple[str, str]
"""The names of a service and of one of its ports."""


def publish(
    documents: Mapping[str, Document], address: str, served: Set[Port], hidden: re.Pattern[str]
) -> Mapping[str, bytes]:
    """Return the documents to serve, by the query string for each; the entry is "wsdl".

    Left out, because they reveal the backend: comments, ports that are not served, endpoint
    references, queue names of SOAP over JMS, and schema location hints. Matches of ``hidden`` in
    documentation, policies and other extensions are replaced. Names of namespaces and actions stay:
    they are in every message. The documents are complete: schemas of the catalogue are among them,
    that of SOAP encoding even if it is not imported.
    """
    documents = _with_encoding(documents)
    encoding = next((key for key, one in documents.items() if _is_copy(one)), "")
    keys = _keys(documents)
    join = "&" if "?" in address else "?"
    queries = {location: f"{address}{join}{key}" for location, key in keys.items()}
    published = {}
    for location, key in keys.items():
        root = linked(documents[location], bare=True)
        if encoding and location != encoding:
            _import_encoding(root, encoding)
        _rewrite_links(root, queries)
        for service in root.iterfind(wsdl("service")):
            _rewrite_ports(service, address, served)
        # Legal in types as elsewhere, but node's soap module fails on it there.
        notes = root.iterfind(f"{wsdl('types')}/{wsdl('documentation')}")
        for node in [*root.iter(_JMS), *notes]:
            _drop(node)
        _hide(root, hidden)
        root.addprevious(etree.Comment(f" {MARK} "))
        tree = root.getroottree()
        published[key] = etree.tostring(tree, xml_declaration=True, encoding="utf-8")
    return published


def named_places(documents: Iterable[Document]) -> Iterator[str]:
    """Yield every address that documents were read from, and every address of a port."""
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


def _with_encoding(documents: Mapping[str, Document]) -> Mapping[str, Document]:
    """Add the catalogue's schema of SOAP encoding to documents that use its names.

    It also replaces the contract's own copy of it: zeep looks for the names that such a copy refers
    to at the namespace's address, on the internet.
    """
    schema = Document(_ENCODING, wellknown.read(_ENCODING), True, (), frozenset({_ENCODING}))
    copies = {key: replace(schema, location=key) for key, one in documents.items() if _is_copy(one)}
    if copies:
        return {key: copies.get(key, one) for key, one in documents.items()}
    is_named = any(map(_names_encoding, documents.values()))
    return {**documents, _ENCODING: schema} if is_named else documents


def _is_copy(document: Document) -> bool:
    return document.is_schema and document.namespaces == {_ENCODING} and not any(document.targets)


def _names_encoding(document: Document) -> bool:
    # Most do not, and need not be parsed again. In UTF-16 a NUL is between two letters.
    if _ENCODING.encode() not in document.data.replace(b"\0", b""):
        return False
    return any(map(_is_encoded, parse(document.data, document.location).iter("{*}*")))


def _import_encoding(root: Element, location: str) -> None:
    """Add an import of SOAP encoding to each schema of a document that uses its names.

    Names used by parts of messages count for all schemas; without any schema, one is added.
    """
    schemas = list(root.iter(xs("schema")))
    naming = [one for one in schemas if any(map(_is_encoded, one.iter("{*}*")))]
    if not naming and any(map(_is_encoded, root.iter(wsdl("part")))):
        naming = schemas[:1] or [etree.SubElement(_types(root), xs("schema"))]
    for schema in naming:
        if schema.get("targetNamespace") != _ENCODING:
            _import(schema, location)


def _is_encoded(node: Element) -> bool:
    """True where an element refers to a name of SOAP encoding."""
    values = (one for name in _REFERRING for one in node.get(name, "").split())
    return any(clark(node, one).startswith(f"{{{_ENCODING}}}") for one in values)


def _types(root: Element) -> Element:
    """Return the types element of a WSDL; if it has none, add it where WSDL 1.1 requires it."""
    found = root.find(wsdl("types"))
    if found is None:
        found = etree.Element(wsdl("types"))
        ahead = list(root.iterchildren(wsdl("documentation"), wsdl("import")))
        root.insert(root.index(ahead[-1]) + 1 if ahead else 0, found)
    return found


def _import(schema: Element, location: str) -> None:
    """Add an import of SOAP encoding to a schema, or a location to one that has none."""
    found = (one for one in schema.iterfind(xs("import")) if one.get("namespace") == _ENCODING)
    node = next(found, None)
    if node is None:
        node = etree.Element(xs("import"), namespace=_ENCODING)
        schema.insert(0, node)
    if not node.get("schemaLocation"):
        node.set("schemaLocation", location)


def _rewrite_links(root: Element, queries: Mapping[str, str]) -> None:
    for node, attribute in links(root):
        location = str(node.attrib.pop(attribute, ""))
        if location in queries:
            node.set(attribute, queries[location])
    for node in root.iter("{*}*"):
        for hint in _HINTS:
            node.attrib.pop(hint, "")


def _rewrite_ports(service: Element, address: str, served: Set[Port]) -> None:
    """Reduce each port to its name, its binding, its documentation, and our address."""
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
    """Replace the places of the backend in texts and attributes that may be changed.

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
    """True if an attribute may be changed: it is neither an action nor one of the standards."""
    if etree.QName(name).localname == "Action":
        return False
    return name == "source" or not is_known or name.startswith("{")


def _drop(node: Element) -> None:
    parent = node.getparent()
    if parent is not None:
        parent.remove(node)
