"""The table of a stub's layout: ``gateway.stubs.table`` says how it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from lxml import etree

from gateway.contract.names import XML
from gateway.generate.model import (
    DeclaredFault,
    Field,
    FieldKind,
    Group,
    GroupKind,
    Model,
    RecordClass,
    SimpleType,
    StubMessage,
    StubOperation,
    Type,
)
from gateway.soap.envelope import SoapVersion

_PLAIN = re.compile(r"[^\s\"]\S*")
_SIGNS = {
    FieldKind.TEXT: ".",
    FieldKind.GROUP: "~",
    FieldKind.ANY: "...",
    FieldKind.ANY_ATTRIBUTE: "@*",
}


def layout(model: Model) -> str:
    """Return the table of a model."""
    prefixes = _prefixes(_names(model))
    lines = [f"soap {'1.2' if model.port.version is SoapVersion.V12 else '1.1'}"]
    lines += [f"{prefix} = {_text(uri)}" for uri, prefix in prefixes.items() if uri != XML]
    for record in model.records.values():
        lines += ["", *_record(record, prefixes)]
    for operation in model.operations:
        lines += ["", *_operation(operation, prefixes)]
    return "\n".join(lines)


def _text(text: str) -> str:
    """Return an address or an action: quoted where it could be taken for more than one word."""
    return text if _PLAIN.fullmatch(text) and text.isprintable() else _quoted(text)


def _quoted(text: str) -> str:
    """Return text as JSON has it, readable, and all of it seen on one line."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in quoted)


def _names(model: Model) -> Iterator[str]:
    """Yield the names in XML of all that the table has, in its order."""
    for record in model.records.values():
        yield record.xml_name
        yield from (one.xml_name for one in record.fields)
    for operation in model.operations:
        messages = (operation.request, operation.reply)
        yield from (one.wrapper for one in messages if one is not None)
        yield from (one.xml_name for one in operation.beside)


def _prefixes(names: Iterable[str]) -> Mapping[str, str]:
    namespaces = [etree.QName(name).namespace for name in names if name]
    found = [one for one in dict.fromkeys(namespaces) if one and one != XML]
    return {XML: "xml", **{uri: f"n{number}" for number, uri in enumerate(found, start=1)}}


def _short(name: str, prefixes: Mapping[str, str]) -> str:
    if not name:
        return "-"
    qname = etree.QName(name)
    return f"{prefixes[qname.namespace]}:{qname.localname}" if qname.namespace else name


def _record(record: RecordClass, prefixes: Mapping[str, str]) -> Iterator[str]:
    heading = [record.class_name, _short(record.xml_name, prefixes)]
    heading += ["<", record.base] if record.base else []
    heading += ["abstract"] if record.abstract else []
    yield " ".join(heading)
    if record.text is not None:
        yield f"  {_field(record.text, prefixes)}"
    yield from _particles(_content(record), "  ", prefixes)
    yield from _particles(record.attributes, "  ", prefixes)


def _content(record: RecordClass) -> tuple[Field | Group, ...]:
    """Return the particles of a record: they follow each other unless a group says otherwise."""
    group = record.content or Group(kind=GroupKind.SEQUENCE)
    is_plain = group.kind is GroupKind.SEQUENCE and not group.optional
    return group.particles if is_plain else (group,)


def _particles(
    particles: Iterable[Field | Group], indent: str, prefixes: Mapping[str, str]
) -> Iterator[str]:
    for one in particles:
        if isinstance(one, Field):
            yield f"{indent}{_field(one, prefixes)}"
        else:
            yield f"{indent}{one.kind}{' ?' if one.optional else ''}"
            yield from _particles(one.particles, f"{indent}  ", prefixes)


def _field(field: Field, prefixes: Mapping[str, str]) -> str:
    at = "@" if field.kind is FieldKind.ATTRIBUTE else ""
    place = _SIGNS.get(field.kind) or at + _short(field.xml_name, prefixes)
    kind = "xml" if field.kind is FieldKind.ANY else _type(field.type)
    return " ".join([field.name, place, kind, *_flags(field)])


def _flags(field: Field) -> Iterator[str]:
    often = {(0, True): "*", (0, False): "?", (1, True): "+"}
    yield from often.get((min(field.min_occurs, 1), field.is_list), "")
    if field.nillable:
        yield "nil"
    given = field.fixed if field.default is None else field.default
    if given is not None:
        yield f"={_quoted(given)}"


def _type(kind: Type) -> str:
    if not isinstance(kind, SimpleType):
        return kind or "xml"
    if kind.item is not None:
        return f"[{_type(kind.item)}]"
    return kind.enumeration or f"xs:{kind.builtin}"


def _operation(operation: StubOperation, prefixes: Mapping[str, str]) -> Iterator[str]:
    yield f"operation {operation.name}"
    if operation.soap_action:
        yield f"  action {_text(operation.soap_action)}"
    if operation.one_way:
        yield "  one-way"
    yield f"  request {_message(operation.request, prefixes)}"
    if operation.reply is not None:
        yield f"  reply {_message(operation.reply, prefixes)}"
    yield from (f"  header {_field(one, prefixes)}" for one in operation.headers)
    yield from (f"  fault {_fault(one, prefixes)}" for one in operation.faults)


def _message(message: StubMessage, prefixes: Mapping[str, str]) -> str:
    return f"{_short(message.wrapper, prefixes)} {message.record}"


def _fault(fault: DeclaredFault, prefixes: Mapping[str, str]) -> str:
    name = _short(fault.detail.xml_name, prefixes)
    return f"{fault.class_name} {name} {_type(fault.detail.type)}"
