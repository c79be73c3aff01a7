"""From records to XML: elements in the order of the schema."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from lxml import etree

from gateway.contract.names import XS
from gateway.stubs.duration import Duration
from gateway.stubs.faults import UnwritableValue
from gateway.stubs.layout import Layout, RecordLayout
from gateway.stubs.reading import NIL as NIL_ATTRIBUTE
from gateway.stubs.reading import TYPE
from gateway.stubs.record import NIL, Element, Record, nils
from gateway.stubs.table import ANY, ANY_ATTRIBUTE, GROUP, FieldLayout, GroupLayout
from gateway.stubs.values import builtin, prefix_for

_PLAIN: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (str, "string"),
    (float, "double"),
    (Decimal, "decimal"),
    (bytes, "base64Binary"),
    (dt.datetime, "dateTime"),
    (dt.date, "date"),
    (dt.time, "time"),
    (Duration, "duration"),
)
"""The type for a plain value of xs:anyType: the first that fits."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a value, for error messages; and its attributes, if it is nil."""

    record: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


_ALONE = Place()


@dataclass(slots=True)
class _Source:
    """The source of a record's values: an instance, or a mapping."""

    record: RecordLayout
    get: Callable[[str], Any]
    nils: Mapping[tuple[str, int], Mapping[str, str]]

    def has(self, name: str) -> bool:
        """True if there is something to write for a field."""
        value = self.get(name)
        return (name, 0) in self.nils or (value is not None and value != [])

    def place(self, name: str, index: int) -> Place:
        """Return the place of a field's value."""
        return Place(self.record.name, self.nils.get((name, index), {}))


def write_record(element: Element, record: RecordLayout, value: object, layout: Layout) -> None:
    """Write the attributes and the content of a record into an element.

    ``value`` is an instance of its class, or a mapping. Raises UnwritableValue.
    """
    get = value.get if isinstance(value, Mapping) else lambda name: getattr(value, name, None)
    source = _Source(record, get, nils(value))
    for attribute in record.attributes:
        _write_attribute(element, attribute, source, layout)
    if record.text is not None:
        text = source.get(record.text.name)
        element.text = _text(element, record.text, text, record.name, layout)
    _write_group(element, record.content, source, layout)


def write_element(
    parent: Element, field: FieldLayout, value: object, layout: Layout, place: Place = _ALONE
) -> None:
    """Write one element: a value, or nil. Raises UnwritableValue."""
    element = etree.SubElement(parent, field.tag)
    if value is None or value is NIL:
        _write_nil(element, field, place, layout)
    elif field.type == "xml":
        _write_any(element, value, layout)
    elif layout.simple(field.type) is not None:
        element.text = _text(element, field, value, place.record, layout)
    else:
        _write_typed(element, field, value, place, layout)


def _write_nil(element: Element, field: FieldLayout, place: Place, layout: Layout) -> None:
    element.set(NIL_ATTRIBUTE, "true")
    _state_type(element, place.attributes.get(TYPE) or layout.table.instance_of(field.type))
    for name in place.attributes.keys() - {TYPE}:
        element.set(name, place.attributes[name])


def _write_typed(
    element: Element, field: FieldLayout, value: object, place: Place, layout: Layout
) -> None:
    """Write a record, with xsi:type if its type is not the declared one."""
    declared = layout.record(field.type)
    actual = declared if isinstance(value, Mapping) else layout.record_of(value)
    if actual is None or not _fits(actual, declared):
        raise UnwritableValue(
            f"{place.record}.{field.name}: it is {type(value).__name__}, not {field.type}"
        )
    if actual is not declared:
        _state_type(element, actual.xml_name)
    write_record(element, actual, value, layout)


def _fits(actual: RecordLayout, declared: RecordLayout) -> bool:
    if actual.kind is None or declared.kind is None:
        return actual is declared
    return issubclass(actual.kind, declared.kind)


def _state_type(element: Element, xml_name: str) -> None:
    name = etree.QName(xml_name) if xml_name else None
    if name is not None:
        element.set(TYPE, prefix_for(name.namespace or "", element) + name.localname)


def _write_attribute(element: Element, field: FieldLayout, source: _Source, layout: Layout) -> None:
    value = source.get(field.name)
    if value is None and field.optional:
        return
    if field.tag == ANY_ATTRIBUTE:
        element.attrib.update(value)
        return
    text = _text(element, field, value, source.record.name, layout)
    # An absent attribute has its default: omitting it says the same.
    if not field.optional or text != field.default:
        element.set(field.tag, text)


def _text(element: Element, field: FieldLayout, value: Any, record: str, layout: Layout) -> str:
    simple = layout.simple(field.type)
    assert simple is not None  # attributes and text have simple types
    if value is None:
        raise UnwritableValue(f"{record}.{field.name} needs a value")
    try:
        return simple.write(value, element)
    except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
        kind = field.type.removeprefix("xs:")
        raise UnwritableValue(f"{record}.{field.name} is not of type {kind}: {error}") from error


def _write_group(element: Element, group: GroupLayout, source: _Source, layout: Layout) -> None:
    if group.kind == "choice":
        branch = _chosen(group, source)
        if branch is not None:
            _write_particle(element, branch, source, layout)
        return
    for particle in group.particles:
        if not _is_absent(particle, source):
            _write_particle(element, particle, source, layout)


def _is_absent(particle: FieldLayout | GroupLayout, source: _Source) -> bool:
    """True if a group may be omitted, and has no values."""
    if isinstance(particle, FieldLayout) or not particle.optional:
        return False
    return not any(source.has(one.name) for one in particle.fields())


def _chosen(group: GroupLayout, source: _Source) -> FieldLayout | GroupLayout | None:
    """Return the branch of a choice that most present values belong to, the first of equals."""
    present = {one.name for one in group.fields() if source.has(one.name)}
    if present:
        return max(group.particles, key=lambda one: len(present & _names(one)))
    if _may_be_empty(group):
        return None
    names = ", ".join(dict.fromkeys(one.name for one in group.fields()))
    raise UnwritableValue(f"{source.record.name} needs one of: {names}")


def _names(particle: FieldLayout | GroupLayout) -> set[str]:
    if isinstance(particle, FieldLayout):
        return {particle.name}
    return {one.name for one in particle.fields()}


def _may_be_empty(particle: FieldLayout | GroupLayout) -> bool:
    if isinstance(particle, FieldLayout) or particle.optional:
        return particle.optional
    each = [_may_be_empty(one) for one in particle.particles]
    return any(each) if particle.kind == "choice" else all(each)


def _write_particle(
    element: Element, particle: FieldLayout | GroupLayout, source: _Source, layout: Layout
) -> None:
    if isinstance(particle, GroupLayout):
        _write_group(element, particle, source, layout)
        return
    value = source.get(particle.name)
    if particle.is_list:
        for index, one in enumerate(value or ()):
            _write_field(element, particle, one, source.place(particle.name, index), layout)
    elif value is not None or (particle.name, 0) in source.nils:  # an empty xs:list is a value
        _write_field(element, particle, value, source.place(particle.name, 0), layout)
    elif not particle.optional:
        _write_nothing(element, particle, source, layout)


def _write_nothing(element: Element, field: FieldLayout, source: _Source, layout: Layout) -> None:
    """Write a required element without a value: as nil, if it may be."""
    if not field.nillable:
        raise UnwritableValue(f"{source.record.name}.{field.name} needs a value")
    _write_field(element, field, None, source.place(field.name, 0), layout)


def _write_field(
    element: Element, field: FieldLayout, value: Any, place: Place, layout: Layout
) -> None:
    if field.tag == ANY:
        element.append(copy.deepcopy(value))
    elif field.tag == GROUP:
        record = layout.record(field.type)
        source = _Source(record, lambda name: getattr(value, name, None), nils(value))
        _write_group(element, record.content, source, layout)
    else:
        write_element(element, field, value, layout, place)


def _write_any(element: Element, value: object, layout: Layout) -> None:
    """Write a value of xs:anyType: XML unchanged, everything else with its type."""
    record = layout.record_of(value) if isinstance(value, Record) else None
    if isinstance(value, etree._Element):
        _copy(value, element)
    elif record is not None:
        _state_type(element, record.xml_name)
        write_record(element, record, value, layout)
    else:
        _write_plain(element, value)


def _copy(source: Element, element: Element) -> None:
    for name, text in source.attrib.items():
        element.set(name, text)
    element.text = source.text
    element.extend([copy.deepcopy(child) for child in source])


def _write_plain(element: Element, value: object) -> None:
    plain = next((name for kind, name in _PLAIN if isinstance(value, kind)), "")
    if not plain:
        raise UnwritableValue(f"{element.tag}: {type(value).__name__} has no type in XML Schema")
    _state_type(element, f"{{{XS}}}{plain}")
    element.text = builtin(plain).write(value, element)
