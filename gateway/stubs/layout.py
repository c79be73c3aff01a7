"""A stub's table, resolved: records with their classes, operations with their faults."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gateway.stubs.table import (
    ANY,
    GROUP,
    TEXT,
    FieldLayout,
    GroupLayout,
    LayoutTable,
    content,
    plain,
    read_field,
    sort_out,
)
from gateway.stubs.values import Simple, builtin, enumeration, list_of


@dataclass(slots=True, kw_only=True)
class RecordLayout:
    """The form of a record in XML, with the fields of its bases."""

    name: str
    xml_name: str
    """The name of its type; empty without one."""
    kind: type | None
    """Its class; None for a record of parameters or results only."""
    content: GroupLayout
    attributes: Sequence[FieldLayout]
    text: FieldLayout | None
    by_tag: Mapping[str, FieldLayout] | None
    """The elements by name; None if a name alone does not determine the field."""
    blank: Mapping[str, object]
    """The values of absent fields, except those with a default in the class."""

    def fields(self) -> Iterator[FieldLayout]:
        """Yield its fields; one that is in two branches comes twice."""
        if self.text is not None:
            yield self.text
        yield from self.content.fields()
        yield from self.attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationLayout:
    """The request, the reply and the faults of an operation."""

    name: str
    action: str
    one_way: bool
    request: tuple[str, str]
    """The element around the content, empty without one, and the name of the content's record."""
    reply: tuple[str, str] | None
    headers: Sequence[FieldLayout]
    faults: Mapping[str, tuple[type, FieldLayout]]
    """The class of each declared fault, and its detail, by the name of the detail's element."""


class Layout:
    """The table of one stub. Each part is parsed on first use."""

    def __init__(self, names: Mapping[str, Any], text: str) -> None:
        """``names`` is the namespace of the stub's module, which has its classes."""
        self._names = names
        self._text = text
        self._records: dict[str, RecordLayout] = {}
        self._operations: dict[str, OperationLayout] = {}
        self._simple: dict[str, Simple | None] = {}

    @functools.cached_property
    def table(self) -> LayoutTable:
        """The table, with its headings parsed."""
        return sort_out(self._text)

    def record(self, name: str) -> RecordLayout:
        """Return the layout of a record, by the name of its class."""
        if name not in self._records:
            self._records[name] = _record(name, self.table, self._names)
        return self._records[name]

    def record_of(self, value: object) -> RecordLayout | None:
        """Return the layout of a value's class, or of its next base class with a layout."""
        names = (one.__name__ for one in type(value).__mro__)
        return next((self.record(name) for name in names if name in self.table.blocks), None)

    def typed(self, xml_name: str) -> RecordLayout | None:
        """Return the record of a type, by its name in Clark notation, for xsi:type."""
        name = self.table.types.get(xml_name)
        return None if name is None else self.record(name)

    def operation(self, name: str) -> OperationLayout:
        """Return the layout of an operation, by its name in the contract."""
        if name not in self._operations:
            self._operations[name] = _operation(name, self.table, self._names)
        return self._operations[name]

    def simple(self, token: str) -> Simple | None:
        """Return how values of a type are read and written; None for a record."""
        if token not in self._simple:
            self._simple[token] = self._resolved(token)
        return self._simple[token]

    def _resolved(self, token: str) -> Simple | None:
        if token.startswith("["):
            item = self.simple(token[1:-1])
            assert item is not None  # a list has simple items
            return list_of(item)
        if token.startswith("xs:"):
            return builtin(token[3:])
        kind = self._names.get(token)
        return enumeration(kind) if isinstance(kind, type) and issubclass(kind, Enum) else None


def _record(name: str, table: LayoutTable, names: Mapping[str, Any]) -> RecordLayout:
    particles: list[FieldLayout | GroupLayout] = []
    others: list[FieldLayout] = []
    for one in reversed(list(_lineage(name, table))):
        group, beside = content(table.blocks[one], table)
        particles += group.particles
        others += beside
    kind = names.get(name)
    group = GroupLayout(kind="sequence", particles=particles)
    blank = _blank((*group.fields(), *others), is_whole=kind is None)
    return RecordLayout(
        name=name,
        xml_name=next((one for one, record in table.types.items() if record == name), ""),
        kind=kind,
        content=group,
        attributes=[one for one in others if one.is_attribute],
        text=next((one for one in others if one.tag == TEXT), None),
        by_tag=_by_tag(group),
        blank=blank,
    )


def _blank(fields: Iterable[FieldLayout], *, is_whole: bool) -> Mapping[str, object]:
    wanted = (one for one in fields if is_whole or not one.optional)
    return {one.name: None for one in wanted if not one.is_list}


def _lineage(name: str, table: LayoutTable) -> Iterator[str]:
    while name:
        yield name
        name = table.bases.get(name, "")


def _by_tag(group: GroupLayout) -> Mapping[str, FieldLayout] | None:
    fields = list(group.fields())
    tags = {one.tag: one for one in fields}
    return None if len(tags) < len(fields) or {GROUP, ANY} & tags.keys() else tags


def _operation(name: str, table: LayoutTable, names: Mapping[str, Any]) -> OperationLayout:
    said: dict[str, list[str]] = defaultdict(list)
    for line in table.blocks[f"operation {name}"]:
        word, _, rest = line.strip().partition(" ")
        said[word].append(rest)
    faults = (one.partition(" ") for one in said["fault"])
    details = [(kind, read_field(f"detail {rest}", table)) for kind, _, rest in faults]
    return OperationLayout(
        name=name,
        action=plain("".join(said["action"])),
        one_way="one-way" in said,
        request=_message(said["request"][0], table),
        reply=_message(said["reply"][0], table) if "reply" in said else None,
        headers=[read_field(one, table) for one in said["header"]],
        faults={detail.tag: (names[kind], detail) for kind, detail in details},
    )


def _message(line: str, table: LayoutTable) -> tuple[str, str]:
    element, record = line.split()
    return ("" if element == "-" else table.clark(element)), record
