"""The documents of a contract as files in one folder, which refer to each other by name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, count
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lxml import etree

from gateway.contract.documents import reader, wellknown
from gateway.contract.documents.fetching import allowing, from_web
from gateway.contract.documents.gathering import Document, collect, is_replaced
from gateway.contract.names import links, parse

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def fetch(
    location: str,
    name: str,
    *,
    folder: Path,
    hosts: frozenset[str] = frozenset(),
    opened: Callable[[str], None] = lambda location: None,
) -> Mapping[str, bytes]:
    """Read a WSDL and all that it imports; return the files to save, ``name``.wsdl first.

    They are read from where ``load`` would read them, and ``opened`` is called for each. References
    lead to the files; nothing else in them is changed. Public schemas of the catalogue become files
    like the others, so that no network is needed to use them. Raises ContractError.
    """
    entry = reader.absolute(location, f"{folder.resolve()}/")
    read = reader.from_folder(folder, allowing(hosts, from_web()))

    def told(location: str) -> bytes:
        opened(reader.shown(location))
        return read(location)

    return as_files(collect(entry, told), name)


def as_files(documents: Mapping[str, Document], name: str) -> Mapping[str, bytes]:
    """Return documents by the names of the files to save them in."""
    own = {key: one for key, one in documents.items() if not is_replaced(key, documents)}
    names = _names(own, name)
    return {names[key]: _relinked(one, names) for key, one in own.items()}


def _names(documents: Mapping[str, Document], name: str) -> Mapping[str, str]:
    """Return a file name for each location, unique on any file system."""
    found: dict[str, str] = {}
    taken = set(_left_alone(documents))
    for location, document in documents.items():
        stem = _stem(location) if found else name
        ending = ".xsd" if document.is_schema else ".wsdl"
        tries = chain([""], (f"-{number}" for number in count(2)))
        chosen = next(
            f"{stem}{n}{ending}" for n in tries if f"{stem}{n}{ending}".lower() not in taken
        )
        taken.add(chosen.lower())
        found[location] = chosen
    return found


def _left_alone(documents: Mapping[str, Document]) -> Iterator[str]:
    """Yield the references that stay: no file may have such a name, or they would lead there."""
    for document in documents.values():
        root = parse(document.data, reader.shown(document.location))
        for (node, attribute), target in zip(links(root), document.targets, strict=True):
            if target not in documents:
                yield node.get(attribute, "").lower()


def _stem(location: str) -> str:
    """The name of a document by its location, as a safe part of a file name."""
    if wellknown.is_known(location):
        return wellknown.file_name(location).removesuffix(".xsd")
    parts = urlsplit(location)
    last = unquote(parts.path).rstrip("/").rpartition("/")[2]
    path = re.sub(r"\.(?:wsdl|xsd|xml|svc|asmx|php|aspx)$", "", last, flags=re.IGNORECASE)
    query = "" if parts.query.lower() == "wsdl" else unquote(parts.query)
    return _UNSAFE.sub("-", f"{path}-{query}").strip("-.")[:80] or "document"


def _relinked(document: Document, names: Mapping[str, str]) -> bytes:
    """Return a document with references to files; the original bytes if there are none."""
    root = parse(document.data, reader.shown(document.location))
    changed = False
    for (node, attribute), target in zip(links(root), document.targets, strict=True):
        name = names.get(target or "", "")
        if name and posixpath.normpath(node.get(attribute, "")) != name:
            node.set(attribute, name)
            changed = True
    if not changed:
        return document.data
    return etree.tostring(root.getroottree(), xml_declaration=True, encoding="utf-8")
