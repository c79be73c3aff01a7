"""The XML layout of a contract, a table in each stub.

    t = urn:example:orders             a prefix
    Order t:Order                      a record, and the name of its type; "-" for none
      order_id t:orderId xs:string     a field, its element, and its type
      lines t:line OrderLine +         ? it may be absent, * any number, + at least one
      note t:note xs:string nil        it may be nil
      choice                           one of what is indented; also sequence, all; ? as above
        card t:card Card
        cash t:cash xs:decimal
      currency @currency xs:string     an attribute
      gift @gift xs:boolean ? ="false" with a default
    Express t:Express < Order          a record derived from another; "abstract" may follow
    operation GetOrder
      action urn:get
      request t:GetOrder GetOrder      the element in the Body, and the record of its content
      reply t:GetOrderResponse GetOrderResponse
      header key t:Key xs:string ?
      fault NotFoundFault t:NotFound NotFound

``.`` in place of an element is the text of the record itself, ``~`` a group that is repeated in
place, ``...`` elements of any name, ``@*`` attributes of any name. A type is ``xs:`` and the name
of a built-in type, a class, ``[type]`` for a list in one text, or ``xml`` for anything. A namespace
or an action that has blanks or similar characters is in quotes, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.contract.names import XML

ANY = "..."
ANY_ATTRIBUTE = "@*"
TEXT = "."
GROUP = "~"


@dataclass(slots=True, kw_only=True)
class FieldLayout:
    """The place of a field in XML."""

    name: str
    tag: str
    """In Clark notation; or one of the signs above."""
    is_attribute: bool = False
    type: str
    is_list: bool = False
    optional: bool = False
    nillable: bool = False
    default: str | None = None


@dataclass(slots=True, kw_only=True)
class GroupLayout:
    """A group of particles that occurs at most once."""

    kind: str
    optional: bool = False
    particles: list[FieldLayout | GroupLayout] = field(default_factory=list)

    def fields(self) -> Iterator[FieldLayout]:
        """Yield the fields of all particles; one that is in two branches comes twice."""
        for particle in self.particles:
            if isinstance(particle, GroupLayout):
                yield from particle.fields()
            else:
                yield particle


@dataclass(frozen=True, slots=True)
class LayoutTable:
    """A table with its lines sorted into blocks, which are parsed one at a time."""

    version: str
    prefixes: Mapping[str, str]
    blocks: Mapping[str, Sequence[str]]
    """The lines below each heading, by the name of the record or operation."""
    types: Mapping[str, str]
    """The record of each named type, by its name in Clark notation."""
    bases: Mapping[str, str]
    abstract: frozenset[str]

    def clark(self, name: str) -> str:
        """Return a name with its namespace."""
        prefix, colon, local = name.partition(":")
        if not colon:
            return name
        return f"{{{XML if prefix == 'xml' else self.prefixes[prefix]}}}{local}"

    def instance_of(self, record: str) -> str:
        """Return the xsi:type for an element without content; empty for the declared type.

        An abstract type has no instances, not even nil ones: the first derived type is used.
        """
        if record not in self.abstract:
            return ""
        below = (name for name in self.types.values() if self._is_below(name, record))
        concrete = {name for name in below if name not in self.abstract}
        return next((name for name, one in self.types.items() if one in concrete), "")

    def _is_below(self, record: str, base: str) -> bool:
        while record and record != base:
            record = self.bases.get(record, "")
        return record == base


def sort_out(text: str) -> LayoutTable:
    """Return a table with its headings parsed."""
    headings = list(_headings(text))
    records = [(words, lines) for words, lines in headings if _is_record(words)]
    operations = [(words, lines) for words, lines in headings if words[0] == "operation"]
    table = LayoutTable(
        version=next(words[1] for words, _ in headings if words[0] == "soap"),
        prefixes={words[0]: words[2] for words, _ in headings if words[1] == "="},
        blocks={words[0]: lines for words, lines in records}
        | {" ".join(words): lines for words, lines in operations},
        types={},
        bases={words[0]: words[3] for words, _ in records if "<" in words},
        abstract=frozenset(words[0] for words, _ in records if words[-1] == "abstract"),
    )
    types = {table.clark(words[1]): words[0] for words, _ in records}
    types.pop("-", None)  # it means: no name
    return replace(table, types=types)


def _headings(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the words of each heading, and the lines below it."""
    lines: list[str] = []
    for line in text.split("\n"):
        if line.startswith(" "):
            lines.append(line)
        elif line:
            lines = []
            yield _words(line), lines


def _words(line: str) -> list[str]:
    words = line.split()
    return [*words[:2], plain(line.split(None, 2)[2])] if words[1] == "=" else words


def plain(text: str) -> str:
    """Return a namespace or an action without its quotes, if it has any."""
    return str(json.loads(text)) if text.startswith('"') else text


def _is_record(words: Sequence[str]) -> bool:
    return words[0] not in ("soap", "operation") and words[1] != "="


def content(lines: Sequence[str], table: LayoutTable) -> tuple[GroupLayout, list[FieldLayout]]:
    """Return the particles that the lines of a record describe, and its attributes and text."""
    top = GroupLayout(kind="sequence")
    others: list[FieldLayout] = []
    groups = [(0, top)]
    for line in lines:
        depth = len(line) - len(line.lstrip())
        while groups[-1][0] >= depth:
            groups.pop()
        words = line.split(None, 3)
        inside = groups[-1][1].particles
        if len(words) < 3:
            group = GroupLayout(kind=words[0], optional=len(words) == 2)
            inside.append(group)
            groups.append((depth, group))
        else:
            made = read_field(line, table)
            (others if made.is_attribute or made.tag == TEXT else inside).append(made)
    return top, others


def read_field(line: str, table: LayoutTable) -> FieldLayout:
    """Return the field that a line describes."""
    words, _, default = line.partition(" =")
    name, tag, kind, *flags = words.split()
    is_attribute = tag.startswith("@")
    is_sign = tag in (ANY, ANY_ATTRIBUTE, TEXT, GROUP)
    return FieldLayout(
        name=name,
        tag=tag if is_sign else table.clark(tag.removeprefix("@")),
        is_attribute=is_attribute,
        type=kind,
        is_list="*" in flags or "+" in flags,
        optional="*" in flags or "?" in flags,
        nillable="nil" in flags,
        default=json.loads(default) if default else None,
    )
