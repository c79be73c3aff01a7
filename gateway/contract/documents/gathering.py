"""The documents of a contract: the WSDL, and all that it imports, read once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.contract.documents import wellknown
from gateway.contract.documents.ncnames import check_names
from gateway.contract.documents.reader import Read, absolute, shown
from gateway.contract.names import links, parse, wsdl, xs
from gateway.errors import ContractError
from gateway.soap.envelope import Element

MAX_DOCUMENTS = 1000
MAX_LINKS = 20_000
"""Imports and includes of all documents together; the largest contracts have some hundreds."""
MAX_TOTAL = 128 * 2**20
"""Bytes of all documents together."""
LOADING = 300.0
"""Seconds for reading all of them."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document, and where each of its imports and includes leads."""

    location: str
    data: bytes
    is_schema: bool
    targets: tuple[str | None, ...]
    """The location behind each import and include, in document order; None where there is none."""
    namespaces: frozenset[str]
    """The target namespaces of its schemas."""


def collect(entry: str, read: Read) -> Mapping[str, Document]:
    """Read a WSDL and its imports, by location, the WSDL first. Raises ContractError.

    The contract's own files come first. If a reference cannot be read, the catalogue is used for
    the namespaces that it has; its schemas have their namespace as location.
    """
    walk = _Walk(entry, read)
    root = walk.open(entry)
    if root.tag != wsdl("definitions"):
        raise ContractError(
            f"{shown(entry)}:1: this is not a WSDL 1.1 document (its root element is {root.tag}); "
            "name the file whose root element is wsdl:definitions"
        )
    walk.follow([entry])
    _complete(walk)
    return walk.documents


def linked(document: Document, *, bare: bool) -> Element:
    """Parse a document again, its references replaced by the locations that they lead to."""
    root = parse(document.data, shown(document.location), bare=bare)
    for (node, attribute), target in zip(links(root), document.targets, strict=True):
        if target:
            node.set(attribute, target)
    return root


class _Walk:
    """The documents opened and visited so far."""

    def __init__(self, entry: str, read: Read) -> None:
        self._entry = shown(entry)
        self.documents: dict[str, Document] = {}
        self._read = read
        self._opened: dict[str, tuple[bytes, Element]] = {}
        self._links = self._total = 0
        self._began = time.monotonic()

    def open(self, location: str) -> Element:
        if location not in self._opened:
            namespace = wellknown.known(location)
            data = wellknown.read(namespace) if namespace else self._read(location)
            self._total += len(data)
            self._opened[location] = (data, parse(data, shown(location)))
            self._check_limits()
        return self._opened[location][1]

    def follow(self, pending: list[str]) -> None:
        waiting = deque(pending)
        while waiting:
            location = waiting.popleft()
            if location not in self.documents:
                document = self._visit(location)
                self.documents[location] = document
                waiting += dict.fromkeys(target for target in document.targets if target)

    def _check_limits(self) -> None:
        """Refuse a contract that is too large, or endless. Raises ContractError."""
        limits = (
            (len(self.documents) + len(self._opened) > MAX_DOCUMENTS, f"{MAX_DOCUMENTS} documents"),
            (self._links > MAX_LINKS, f"{MAX_LINKS} imports and includes"),
            (self._total > MAX_TOTAL, f"{MAX_TOTAL} bytes"),
            (time.monotonic() - self._began > LOADING, f"{LOADING:g} s to be read"),
        )
        for is_over, limit in limits:
            if is_over:
                raise ContractError(
                    f"{self._entry}: it takes more than {limit}; merge or shorten some"
                )

    def _visit(self, location: str) -> Document:
        root = self.open(location)
        check_names(root, shown(location))
        data, _ = self._opened.pop(location)
        found = list(links(root))
        self._links += len(found)
        self._check_limits()
        targets = tuple(self._target(node, name, location) for node, name in found)
        namespaces = frozenset(node.get("targetNamespace", "") for node in root.iter(xs("schema")))
        return Document(location, data, root.tag == xs("schema"), targets, namespaces)

    def _target(self, node: Element, attribute: str, base: str) -> str | None:
        reference, namespace = node.get(attribute), node.get("namespace", "")
        if not reference:
            return None
        try:
            target = absolute(reference, base)
            target = wellknown.known(target) or target
            if target not in self.documents:
                self.open(target)
            return target
        except ContractError as error:
            if node.tag == xs("import") and wellknown.is_known(namespace):
                return namespace
            here = f"{shown(base)}:{node.sourceline}"
            raise type(error)(f"{here}: {error}") from error


def _complete(walk: _Walk) -> None:
    """Resolve imports without a location by the catalogue, unless a document declares the name."""
    documents = walk.documents
    declared = frozenset().union(*(document.namespaces for document in documents.values()))
    for document in list(documents.values()):
        nodes = [node for node, _ in links(parse(document.data, shown(document.location)))]
        targets = tuple(
            target or _catalogued(node, declared)
            for node, target in zip(nodes, document.targets, strict=True)
        )
        documents[document.location] = replace(document, targets=targets)
        walk.follow([target for target in targets if target])


def _catalogued(node: Element, declared: frozenset[str]) -> str | None:
    namespace = node.get("namespace", "")
    if node.tag != xs("import") or namespace in declared or not wellknown.is_known(namespace):
        return None
    return namespace


def is_replaced(location: str, documents: Mapping[str, Document]) -> bool:
    """True if the contract has its own copy of this schema of the catalogue."""
    others = (other for name, other in documents.items() if name != location)
    return wellknown.is_known(location) and any(location in other.namespaces for other in others)
