"""From XML to records: attributes, text, and elements by the layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.contract.names import XS, XSI, clark
from gateway.stubs.faults import UnreadableReply
from gateway.stubs.layout import Layout, RecordLayout
from gateway.stubs.record import Element, Record
from gateway.stubs.table import ANY, ANY_ATTRIBUTE, GROUP, FieldLayout, GroupLayout
from gateway.stubs.values import BUILTINS, Simple, builtin

NIL = f"{{{XSI}}}nil"
TYPE = f"{{{XSI}}}type"
TRUE = ("true", "1")
_HINTS = frozenset(f"{{{XSI}}}{name}" for name in ("nil", "type", "schemaLocation"))


@dataclass(slots=True)
class _Found:
    """The values of one record while it is read."""

    values: dict[str, object]
    nils: dict[tuple[str, int], Mapping[str, str]] = field(default_factory=dict)

    def put(self, layout: FieldLayout, value: object) -> int:
        """Keep the value of a field; return its place in the list."""
        if not layout.is_list:
            self.values[layout.name] = value
            return 0
        every = self.values.setdefault(layout.name, [])
        assert isinstance(every, list)  # nothing else is put where a list belongs
        every.append(value)
        return len(every) - 1


@dataclass(slots=True)
class _Cursor:
    """The children of an element, and the position of the next."""

    children: Sequence[Element]
    known: frozenset[str]
    at: int = 0

    @property
    def tag(self) -> str:
        """The name of the next child; empty where there is none."""
        return str(self.children[self.at].tag) if self.at < len(self.children) else ""

    def take(self) -> Element:
        """Return the next child, and go on."""
        self.at += 1
        return self.children[self.at - 1]


def read_record(element: Element, record: RecordLayout, layout: Layout) -> object:
    """The content of an element: an instance of the record's class, or its values by name.

    Elements that the contract does not know are ignored, and missing required ones become None:
    services add and omit more than their contracts allow. Raises UnreadableReply.
    """
    found = _Found(dict(record.blank))
    for attribute in record.attributes:
        _read_attribute(element, attribute, record, layout, found)
    if record.text is not None:
        found.values[record.text.name] = read_value(element, record.text, layout)
    children = [child for child in element if isinstance(child.tag, str)]
    if record.by_tag is not None:
        for child in children:
            if child.tag in record.by_tag:
                _add(child, record.by_tag[child.tag], layout, found)
    else:
        _read_in_order(children, record, layout, found)
    return _made(record, found)


def read_value(element: Element, field: FieldLayout, layout: Layout) -> object:
    """Return the value of an element that is not nil. Raises UnreadableReply."""
    if field.type == "xml":
        return _any_value(element, layout)
    simple = layout.simple(field.type)
    if simple is not None:
        return _read_text(_text(element) or field.default or "", field, simple, element)
    return read_record(element, _stated(element, layout.record(field.type), layout), layout)


def _stated(element: Element, declared: RecordLayout, layout: Layout) -> RecordLayout:
    """Return the record that xsi:type names, if it is derived from the declared one."""
    stated = layout.typed(_name(element, element.get(TYPE, "")))
    if stated is None or stated.kind is None or declared.kind is None:
        return declared
    return stated if issubclass(stated.kind, declared.kind) else declared


def _made(record: RecordLayout, found: _Found) -> object:
    for one in record.fields():
        if one.is_list:
            found.values.setdefault(one.name, [])
    if record.kind is None:
        return found.values
    made = record.kind(**found.values)
    if found.nils and isinstance(made, Record):
        made._nils = found.nils
    return made


def _read_attribute(
    element: Element, field: FieldLayout, record: RecordLayout, layout: Layout, found: _Found
) -> None:
    if field.tag == ANY_ATTRIBUTE:
        known = {one.tag for one in record.attributes} | _HINTS
        others = {str(k): str(v) for k, v in element.attrib.items() if str(k) not in known}
        found.values[field.name] = others
        return
    text = element.get(field.tag)
    simple = layout.simple(field.type)
    if text is not None and simple is not None:
        found.values[field.name] = _read_text(text, field, simple, element)


def _text(element: Element) -> str:
    return "".join(map(str, element.itertext())) if len(element) else element.text or ""


def _read_text(text: str, field: FieldLayout, simple: Simple, element: Element) -> object:
    try:
        return simple.read(text, element)
    except (ValueError, KeyError, ArithmeticError) as error:
        raise UnreadableReply(
            f"{element.tag}: {field.name} is not of type {field.type.removeprefix('xs:')}: {error}"
        ) from error


def _add(element: Element, field: FieldLayout, layout: Layout, found: _Found) -> None:
    if element.get(NIL, "").strip() not in TRUE:
        found.put(field, read_value(element, field, layout))
        return
    place = found.put(field, None)
    others = {str(k): str(v) for k, v in element.attrib.items() if k != NIL}
    if TYPE in others:
        others[TYPE] = _name(element, others[TYPE])  # prefixes may differ when it is written again
    if others or (field.optional and not field.is_list):
        found.nils[field.name, place] = others


def _read_in_order(
    children: Sequence[Element], record: RecordLayout, layout: Layout, found: _Found
) -> None:
    known = _tags(record.content, layout)
    has_any = ANY in known
    cursor = _Cursor([one for one in children if has_any or one.tag in known], known)
    _read_group(record.content, cursor, layout, found)
    if cursor.tag:
        raise UnreadableReply(f"{record.name}: {cursor.tag} is in the wrong place")


def _read_particle(
    particle: FieldLayout | GroupLayout, cursor: _Cursor, layout: Layout, found: _Found
) -> None:
    if isinstance(particle, GroupLayout):
        _read_group(particle, cursor, layout, found)
        return
    while _starts(particle, cursor, layout):
        _read_field(particle, cursor, layout, found)
        if not particle.is_list:
            return


def _read_field(field: FieldLayout, cursor: _Cursor, layout: Layout, found: _Found) -> None:
    if field.tag == GROUP:
        found.put(field, _read_round(field, cursor, layout))
    elif field.tag == ANY:
        found.put(field, cursor.take())
    else:
        _add(cursor.take(), field, layout, found)


def _read_group(group: GroupLayout, cursor: _Cursor, layout: Layout, found: _Found) -> None:
    if group.kind == "sequence":
        for particle in group.particles:
            _read_particle(particle, cursor, layout, found)
        return
    left = list(group.particles)
    while True:
        taken = next((one for one in left if _starts(one, cursor, layout)), None)
        if taken is None:
            return
        left.remove(taken)
        _read_particle(taken, cursor, layout, found)
        if group.kind == "choice":
            return


def _read_round(field: FieldLayout, cursor: _Cursor, layout: Layout) -> object:
    record = layout.record(field.type)
    found = _Found(dict(record.blank))
    _read_group(record.content, cursor, layout, found)
    return _made(record, found)


def _starts(particle: FieldLayout | GroupLayout, cursor: _Cursor, layout: Layout) -> bool:
    """True if the next child can be the first of a particle."""
    if not cursor.tag:
        return False
    firsts = _firsts(particle, layout)
    return cursor.tag in firsts or (ANY in firsts and cursor.tag not in cursor.known)


def _firsts(particle: FieldLayout | GroupLayout, layout: Layout) -> set[str]:
    """Return the names of the elements that a particle can begin with."""
    if isinstance(particle, FieldLayout):
        inner = _inside(particle, layout)
        return {particle.tag} if inner is None else _firsts(inner, layout)
    found: set[str] = set()
    for one in particle.particles:
        found |= _firsts(one, layout)
        if particle.kind == "sequence" and not _may_be_absent(one, layout):
            break
    return found


def _inside(field: FieldLayout, layout: Layout) -> GroupLayout | None:
    """The content of one round of a repeated group; None for other fields."""
    return layout.record(field.type).content if field.tag == GROUP else None


def _may_be_absent(particle: FieldLayout | GroupLayout, layout: Layout) -> bool:
    if particle.optional:
        return True
    if isinstance(particle, FieldLayout):
        inner = _inside(particle, layout)
        return inner is not None and _may_be_absent(inner, layout)
    each = (_may_be_absent(one, layout) for one in particle.particles)
    return any(each) if particle.kind == "choice" else all(each)


def _tags(group: GroupLayout, layout: Layout) -> frozenset[str]:
    """Return the names of all elements of a group, including those in repeated groups inside."""
    found: set[str] = set()
    for one in group.fields():
        inner = _inside(one, layout)
        found |= {one.tag} if inner is None else _tags(inner, layout)
    return frozenset(found)


def _any_value(element: Element, layout: Layout) -> object:
    """Return a value of xs:anyType: by its xsi:type, or else the element."""
    name = _name(element, element.get(TYPE, ""))
    record = layout.typed(name)
    local = name.removeprefix(f"{{{XS}}}") if name.startswith(f"{{{XS}}}") else ""
    if record is not None and record.kind is not None:
        return read_record(element, record, layout)
    if local in (*BUILTINS, "string"):
        field = FieldLayout(name="it", tag="", type=f"xs:{local}")
        return _read_text(element.text or "", field, builtin(local), element)
    return element


def _name(element: Element, qname: str) -> str:
    return clark(element, qname, element.nsmap.get(None))
