"""All XML Schemas of a contract as one set, in the form that libxml2 can compile."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lxml import etree

from gateway.contract.documents import wellknown
from gateway.contract.documents.gathering import Document, is_replaced, linked
from gateway.contract.names import XS, clark, one_line, parse, xs
from gateway.errors import ContractError
from gateway.soap.envelope import Element

_TOP = "urn:soap-queue-gateway:schemas"
_ATTEMPTS = 5
_COMPILING = threading.Lock()
_LINKS = (xs("import"), xs("include"))
_QNAMES = ("type", "base", "ref", "itemType", "memberTypes", "substitutionGroup")


class NotCompiled(ContractError):
    """libxml2 rejects the schemas: messages can be carried, but not checked."""


@dataclass(frozen=True, slots=True)
class Wrapper:
    """The element that an rpc/literal message has in the Body (WSDL 1.1 section 3.5)."""

    name: str
    parts: tuple[tuple[str, str], ...]
    """The name of each part, and that of its type, in Clark notation."""


@dataclass(frozen=True, slots=True)
class SchemaSet:
    """Schema documents that refer only to each other, by the names that ``compile`` resolves."""

    sources: Mapping[str, bytes]
    names: frozenset[str]
    """The local names of every element that they declare."""
    elements: frozenset[str]
    """The names of the global elements, in Clark notation."""

    def compile(self) -> etree.XMLSchema:
        """Compile them. Nothing is read from a disk or a network. Raises NotCompiled.

        libxml2 has one document loader for all threads, and lxml sets its own only for a while:
        while other threads parse, documents can be missing from the schema, sometimes without an
        error. So the requested documents are counted, and it is compiled again if some are missing.
        """
        for _ in range(_ATTEMPTS - 1):
            loader = _Sources(self.sources)
            try:
                schema = _compile(self.sources[_TOP], loader)
            except etree.XMLSchemaParseError:
                continue
            if loader.asked >= self.sources.keys() - {_TOP}:
                return schema
        try:
            return _compile(self.sources[_TOP], _Sources(self.sources))
        except etree.XMLSchemaParseError as error:
            raise NotCompiled(one_line(error)) from error


def _compile(top: bytes, loader: etree.Resolver) -> etree.XMLSchema:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    parser.resolvers.add(loader)
    # libxml2 builds its own types in the first compilation of a process, without a lock: two at
    # once can fail with "not a built-in type", or crash.
    with _COMPILING:
        return etree.XMLSchema(etree.fromstring(top, parser, base_url=_TOP))


class _Sources(etree.Resolver):
    """Answers for the schema set's own names; everything else is an empty document."""

    def __init__(self, sources: Mapping[str, bytes]) -> None:
        self.asked: set[str] = set()
        self._sources = sources

    def resolve(  # type: ignore[override]  # the stubs forget the third argument
        self, system_url: str, public_id: str, context: object
    ) -> object:
        self.asked.add(system_url)
        data = self._sources.get(system_url, b"")
        return self.resolve_string(data, context, base_url=system_url)


def schema_set(documents: Mapping[str, Document], wrappers: Iterable[Wrapper]) -> SchemaSet:
    """Put a contract's schemas together.

    libxml2 follows only the first import of a namespace. So each namespace gets one driver that
    includes all its documents, every import leads to a driver, and one document on top imports the
    drivers: cycles and duplicates are gone. A document without a target namespace takes that of its
    includer (XML Schema part 1, section 4.2.1); libxml2 does that itself.
    """
    by_namespace = _by_namespace(documents)
    for namespace, schema in _wrapper_schemas(wrappers, by_namespace):
        by_namespace[namespace].append(schema)
    _add_catalogued(by_namespace)
    drivers = {name: f"urn:driver:{index}" for index, name in enumerate(by_namespace)}
    sources = {_TOP: _top(drivers)}
    for namespace, schemas in by_namespace.items():
        addresses = [f"{drivers[namespace]}:{index}" for index in range(len(schemas))]
        for address, schema in zip(addresses, schemas, strict=True):
            sources[address] = _relinked(schema, namespace, drivers)
        sources[drivers[namespace]] = _driver(namespace, addresses)
    every = [schema for schemas in by_namespace.values() for schema in schemas]
    return SchemaSet(
        sources=sources,
        names=frozenset(
            node.get("name", "") for schema in every for node in schema.iter(xs("element"))
        ),
        elements=frozenset(_global_elements(by_namespace)),
    )


def schemas_by_namespace(documents: Mapping[str, Document]) -> Mapping[str, Sequence[Element]]:
    """Return a contract's schemas by the namespace in which each declares names.

    An included schema without a namespace is under that of each includer. The public schemas that
    are used are among them.
    """
    by_namespace = _by_namespace(documents)
    _add_catalogued(by_namespace)
    return by_namespace


def _global_elements(by_namespace: Mapping[str, list[Element]]) -> Iterator[str]:
    for namespace, schemas in by_namespace.items():
        for node in (node for schema in schemas for node in schema.iterfind(xs("element"))):
            yield f"{{{namespace}}}{node.get('name')}" if namespace else str(node.get("name"))


def _by_namespace(documents: Mapping[str, Document]) -> defaultdict[str, list[Element]]:
    """Return every schema by its namespace; one without, by those of its includers."""
    roots = {document.location: linked(document, bare=True) for document in documents.values()}
    borrowers = {name: root for name, root in roots.items() if not root.get("targetNamespace")}
    only_included = _targets(roots, "include") - _targets(roots, "import")
    found: defaultdict[str, list[Element]] = defaultdict(list)
    lent: set[tuple[str, str]] = set()
    for location, root in roots.items():
        only_borrows = location in borrowers and location in only_included
        if only_borrows or is_replaced(location, documents):
            continue
        for node in root.iter(xs("schema")):
            _add(node, node.get("targetNamespace", ""), borrowers, found, lent)
    return found


def _targets(roots: Mapping[str, Element], link: str) -> set[str]:
    nodes = (node for root in roots.values() for node in root.iter(xs(link)))
    return {node.get("schemaLocation", "") for node in nodes}


def _add_catalogued(by_namespace: defaultdict[str, list[Element]]) -> None:
    """Add the public schemas that are used without an import, as .NET uses xs:schema."""
    pending = [schema for schemas in by_namespace.values() for schema in schemas]
    while pending:
        for namespace in sorted(_used_namespaces(pending.pop())):
            if namespace not in by_namespace and wellknown.is_known(namespace):
                added = parse(wellknown.read(namespace), namespace, bare=True)
                by_namespace[namespace].append(added)
                pending.append(added)


def _add(
    node: Element,
    namespace: str,
    borrowers: Mapping[str, Element],
    found: defaultdict[str, list[Element]],
    lent: set[tuple[str, str]],
) -> None:
    """Add a schema, and the documents without a namespace that it includes, once each."""
    found[namespace].append(_detached(node))
    for include in node.iterfind(xs("include")):
        target = include.get("schemaLocation", "")
        if target in borrowers and (target, namespace) not in lent:
            lent.add((target, namespace))
            _add(borrowers[target], namespace, borrowers, found, lent)


def _detached(node: Element) -> Element:
    """Return a schema as a separate document, with every prefix that was in scope."""
    return etree.fromstring(etree.tostring(node, with_tail=False), etree.XMLParser(huge_tree=True))


def _wrapper_schemas(
    wrappers: Iterable[Wrapper], by_namespace: Mapping[str, list[Element]]
) -> Iterator[tuple[str, Element]]:
    """Yield a schema for each namespace of the wrapper elements of rpc/literal messages."""
    wanted: dict[str, Wrapper] = {wrapper.name: wrapper for wrapper in wrappers}
    for taken in _global_elements(by_namespace):
        wanted.pop(taken, None)
    for namespace in {etree.QName(name).namespace or "": None for name in wanted}:
        here = [
            one for one in wanted.values() if (etree.QName(one.name).namespace or "") == namespace
        ]
        yield namespace, _wrapper_schema(namespace, here)


def _wrapper_schema(namespace: str, wrappers: Iterable[Wrapper]) -> Element:
    wrappers = list(wrappers)
    kinds = {etree.QName(kind).namespace for one in wrappers for _, kind in one.parts if kind}
    prefixes = {f"n{index}": uri for index, uri in enumerate(sorted(kinds - {None, XS}))}
    target = {"targetNamespace": namespace} if namespace else {}
    schema = etree.Element(xs("schema"), target, nsmap={"xs": XS, **prefixes})
    spelled = {uri: prefix for prefix, uri in schema.nsmap.items()}
    for wrapper in wrappers:
        name = etree.QName(wrapper.name).localname
        element = etree.SubElement(schema, xs("element"), name=name)
        sequence = etree.SubElement(etree.SubElement(element, xs("complexType")), xs("sequence"))
        for part, kind in wrapper.parts:
            # Unqualified (WSDL 1.1 section 3.5). A part whose type has no name can be anything.
            qname = etree.QName(kind or xs("anyType"))
            prefix = f"{spelled[qname.namespace]}:" if qname.namespace else ""
            etree.SubElement(
                sequence, xs("element"), {"name": part, "type": prefix + qname.localname}
            )
    return schema


def _top(drivers: Mapping[str, str]) -> bytes:
    top = etree.Element(xs("schema"), targetNamespace=_TOP)
    for namespace, driver in drivers.items():
        top.append(_import(namespace, driver))
    return etree.tostring(top)


def _driver(namespace: str, addresses: Iterable[str]) -> bytes:
    driver = etree.Element(xs("schema"), {"targetNamespace": namespace} if namespace else {})
    for address in addresses:
        etree.SubElement(driver, xs("include"), schemaLocation=address)
    return etree.tostring(driver)


def _import(namespace: str, driver: str | None) -> Element:
    node = etree.Element(xs("import"))
    if namespace:
        node.set("namespace", namespace)
    if driver:
        node.set("schemaLocation", driver)
    return node


def _relinked(schema: Element, namespace: str, drivers: Mapping[str, str]) -> bytes:
    """Return a schema whose imports lead to the drivers, without includes.

    Many published contracts use the namespace of another inline schema without importing it: it is
    imported here all the same.
    """
    wanted = {node.get("namespace", "") for node in schema.iterfind(xs("import"))}
    wanted |= {used for used in _used_namespaces(schema) if used in drivers}
    for node in list(schema.iterchildren(*_LINKS)):
        schema.remove(node)
    for other in sorted(wanted - {namespace}):
        if other != XS or other in drivers:
            schema.insert(0, _import(other, drivers.get(other)))
    return etree.tostring(schema)


def _used_namespaces(schema: Element) -> set[str]:
    """Return the namespaces that a schema refers to; XML Schema's own only for its elements."""
    used = {
        etree.QName(clark(node, name)).namespace or ""
        for node in schema.iter(f"{{{XS}}}*")
        for attribute in _QNAMES
        for name in node.get(attribute, "").split()
        if attribute == "ref" or not clark(node, name).startswith(f"{{{XS}}}")
    }
    # Without a prefix and a target namespace, an included document means its includer's.
    return used if schema.get("targetNamespace") else used - {""}
