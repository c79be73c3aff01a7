"""From the declaration of a complex type, or of a group that is repeated, to a record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.contract.names import xs
from gateway.generate.contract import fields
from gateway.generate.contract.content import Body
from gateway.generate.contract.declarations import derivation, documentation
from gateway.generate.contract.fields import Types
from gateway.generate.contract.simple import TEXT, SimpleTypes
from gateway.generate.model import Field, FieldKind, GapKind, Group, Origin, RecordClass, SimpleType
from gateway.soap.envelope import Element


@dataclass(frozen=True, slots=True)
class Wanted:
    """A record that something refers to, and that is still to be built."""

    node: Element
    class_name: str
    xml_name: str
    origin: Origin


class KnownTypes(Protocol):
    """Gives the records and simple types that others are derived from."""

    simple: SimpleTypes

    def lineage(self, name: str) -> tuple[RecordClass, ...]:
        """Return a complex type by its name in Clark notation, and its bases, all built.

        The type itself comes first; empty where there is no such complex type.
        """
        ...


def group(wanted: Wanted, types: Types) -> RecordClass:
    """Return the record of one round of a group."""
    return RecordClass(
        class_name=wanted.class_name,
        origin=Origin.GROUP,
        content=Body(types, wanted.class_name, ()).once(wanted.node),
        documentation=documentation(wanted.node),
    )


def complex_type(wanted: Wanted, types: Types, known: KnownTypes) -> RecordClass:
    """Return the record of a complex type."""
    node = wanted.node
    made = derivation(node)
    source = node if made is None else made
    bases = known.lineage(types.declarations.reference(source, "base"))
    record = RecordClass(
        class_name=wanted.class_name,
        xml_name=wanted.xml_name,
        origin=wanted.origin,
        base=bases[0].class_name if bases else "",
        abstract=node.get("abstract") in fields.TRUE,
        mixed=_is_mixed(node),
        documentation=documentation(node) or _of_element(node),
    )
    if bases and source.tag == xs("restriction"):
        return replace(record, is_restriction=True)
    body = Body(types, wanted.class_name, [one.name for base in bases for one in base.fields])
    return _filled(record, source, body, types, known)


def _filled(
    record: RecordClass, source: Element, body: Body, types: Types, known: KnownTypes
) -> RecordClass:
    """Return a record with its own fields, which stand in the type or in what derives it."""
    content = body.content(source)
    if record.mixed and content is not None:
        gap = GapKind.ANY_XML if _is_any_xml(content) else GapKind.MIXED
        types.note(gap, record.class_name, record.class_name)
    found = fields.attributes(source, types, record.class_name)
    attributes = tuple(replace(one, name=body.names.unique(one.name)) for one in found)
    record = replace(record, content=content, attributes=attributes)
    kind = None if record.base else _text_type(source, record, types, known)
    if kind is None:
        return record
    # After the attributes: one of that name keeps it.
    text = Field(name=body.names.unique("value"), kind=FieldKind.TEXT, type=kind)
    return replace(record, text=text)


def _text_type(
    source: Element, record: RecordClass, types: Types, known: KnownTypes
) -> SimpleType | None:
    """Return the type of the text of a simpleContent, or of mixed content without elements."""
    if next(source.iterancestors()).tag != xs("simpleContent"):
        return TEXT if record.mixed and record.content is None else None
    base = known.simple.named(types.declarations.reference(source, "base")) or TEXT
    inline = source.find(xs("simpleType"))
    if inline is not None:
        base = known.simple.of(inline, "", record.class_name)
    if source.tag == xs("restriction"):
        return known.simple.restricted(source, base, "", record.class_name)
    return base


def _is_any_xml(content: Group) -> bool:
    """True where a type declares nothing of its own: .NET writes XmlNode and the like so."""
    return all(one.kind is FieldKind.ANY for one in content.fields())


def _is_mixed(node: Element) -> bool:
    return any(mark in fields.TRUE for mark in _marks(node))


def _marks(node: Element) -> Iterator[str | None]:
    yield node.get("mixed")
    yield from (one.get("mixed") for one in node.iterchildren(xs("complexContent")))


def _of_element(node: Element) -> str:
    """Return the documentation of the element that an anonymous type belongs to."""
    parent = node.getparent()
    return documentation(parent) if parent is not None and parent.tag == xs("element") else ""
