"""Operations of one port: their messages as records, their headers and faults as fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lxml import etree

from gateway.contract import operations as contract
from gateway.contract.names import xs
from gateway.generate.contract import fields
from gateway.generate.contract.declarations import in_namespace
from gateway.generate.contract.records import Records
from gateway.generate.contract.wsdl_tree import MessagePart, Payload, PortOperation
from gateway.generate.model import (
    DeclaredFault,
    Field,
    FieldKind,
    GapKind,
    StubMessage,
    StubOperation,
    Style,
)
from gateway.generate.naming import Names, pascal, snake
from gateway.soap.envelope import Element

_REQUESTS = ("", "request", "req", "input", "in")
_REPLIES = ("response", "reply", "result", "output", "res", "out", "")
_ERRORS = ("Fault", "Error", "Exception")


@dataclass(frozen=True, slots=True)
class Draft:
    """A message whose types are known, and whose record may still need a name."""

    wrapper: str
    record: str = ""
    parts: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """An operation whose types were asked for."""

    bound: PortOperation
    contract: contract.Operation
    request: Draft
    reply: Draft | None
    headers: tuple[Field, ...]
    reply_headers: tuple[Field, ...]
    faults: tuple[tuple[str, Field], ...]


def draft(bound: PortOperation, operation: contract.Operation, records: Records) -> Drafted:
    """Ask for the types of an operation; they are built, and named, when all have been asked for.

    Raises LookupError where a message is not one that SOAP can carry literally.
    """
    request = _draft(bound, bound.request, bound.name, _REQUESTS, records)
    reply = None
    if bound.reply is not None and not operation.one_way:
        reply = _draft(bound, bound.reply, f"{bound.name}Response", _REPLIES, records)
    replies = bound.reply.headers if bound.reply is not None else ()
    return Drafted(
        bound=bound,
        contract=operation,
        request=request,
        reply=reply,
        headers=_headers(bound.request.headers, records),
        reply_headers=_headers(replies, records),
        faults=tuple((name, _part(part, records)) for name, part in bound.faults),
    )


class OperationNaming:
    """Gives operations their names: to be used when all records are built."""

    def __init__(self, records: Records, names: Names) -> None:
        self._records = records
        self._names = names
        self._methods = Names()
        self._faults: dict[str, str] = {}

    def named(self, drafted: Drafted) -> StubOperation:
        """Return a drafted operation with its names."""
        bound = drafted.bound
        request = self._message(drafted.request, f"{bound.name}Request")
        taken = {one.name for one in self._fields(request.record)}
        return StubOperation(
            name=bound.name,
            method=self._methods.unique(snake(bound.name)),
            style=_style(bound, request),
            soap_action=drafted.contract.soap_action,
            one_way=drafted.contract.one_way,
            request=request,
            reply=None
            if drafted.reply is None
            else self._message(drafted.reply, f"{bound.name}Response"),
            headers=_unique(drafted.headers, Names(taken)),
            reply_headers=_unique(drafted.reply_headers, Names()),
            faults=tuple(self._fault(name, detail) for name, detail in drafted.faults),
            documentation=bound.documentation,
        )

    def _message(self, drafted: Draft, hint: str) -> StubMessage:
        record = drafted.record or self._records.message(hint, _unique(drafted.parts, Names()))
        return StubMessage(wrapper=drafted.wrapper, record=record)

    def _fields(self, class_name: str) -> Iterator[Field]:
        record = self._records.records[class_name]
        if record.base:
            yield from self._fields(record.base)
        yield from record.fields

    def _fault(self, name: str, detail: Field) -> DeclaredFault:
        key = detail.xml_name
        if key not in self._faults:
            plain = pascal(etree.QName(key).localname)
            candidates = [f"{plain}{suffix}" for suffix in _ERRORS]
            if plain.endswith(_ERRORS):
                candidates.insert(0, plain)
            self._faults[key] = self._names.first(*candidates)
        return DeclaredFault(
            name=name,
            class_name=self._faults[key],
            detail=detail,
            documentation=detail.documentation,
        )


def _style(bound: PortOperation, request: StubMessage) -> Style:
    if bound.is_rpc:
        return Style.RPC
    return Style.WRAPPED if request.wrapper else Style.BARE


def _unique(found: Iterable[Field], names: Names) -> tuple[Field, ...]:
    return tuple(replace(one, name=names.unique(one.name)) for one in found)


def _draft(
    bound: PortOperation,
    payload: Payload,
    element: str,
    suffixes: tuple[str, ...],
    records: Records,
) -> Draft:
    parts = payload.parts
    if bound.is_rpc:
        wrapper = in_namespace(payload.namespace, element)
        return Draft(wrapper, parts=tuple(_rpc_part(part, records) for part in parts))
    elements = [records.declarations.get("element", part.element) for part in parts]
    if not all(part.element for part in parts):
        raise LookupError(f"part {parts[0].name} has a type, and its message is in document style")
    match elements:
        case [etree._Element() as alone] if _is_wrapper(alone, bound.name, suffixes, records):
            return Draft(parts[0].element, record=_record(alone, records))
    return Draft("", parts=tuple(_part(part, records) for part in parts))


def _record(wrapper: Element, records: Records) -> str:
    name = wrapper.get("name", "")
    kind = records.of(wrapper, name, name)
    assert isinstance(kind, str)  # a wrapper has a complex type
    return kind


def _is_wrapper(node: Element, operation: str, suffixes: tuple[str, ...], records: Records) -> bool:
    """True where an element is only there to hold the parameters, or the results.

    One with a type of its own is; one with a named type if it is called like the operation, and
    nothing is derived from that type.
    """
    name = records.declarations.reference(node, "type")
    named = records.declarations.get("complexType", name) if name else None
    kind = node.find(xs("complexType")) if named is None else named
    if kind is None or _says_more(node, kind):
        return False
    called = _folded(node.get("name", "")).removeprefix(_folded(operation))
    return not name or (called in suffixes and not records.declarations.derived(name))


def _says_more(node: Element, kind: Element) -> bool:
    """True where an element is more than what is inside of it: nil, text, another type."""
    marks = (node.get("nillable"), kind.get("abstract"), kind.get("mixed"))
    return kind.find(xs("simpleContent")) is not None or any(one in fields.TRUE for one in marks)


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


def _headers(parts: Iterable[MessagePart], records: Records) -> tuple[Field, ...]:
    found = (_part(part, records) for part in parts)
    return tuple(replace(one, min_occurs=0, optional=True) for one in found)


def _part(part: MessagePart, records: Records) -> Field:
    """Return the field of a part that is an element of its own."""
    node = records.declarations.get("element", part.element)
    if node is not None:
        return fields.element(node, False, records, "")
    if not part.element:
        return _rpc_part(part, records)
    records.note(GapKind.UNDECLARED, part.element, "")
    name = etree.QName(part.element).localname
    return Field(name=snake(name), kind=FieldKind.ELEMENT, xml_name=part.element, type=None)


def _rpc_part(part: MessagePart, records: Records) -> Field:
    """Return the field of a part that has a type: an element without a namespace."""
    node = records.declarations.get("element", part.element) if part.element else None
    if node is not None:
        kind = records.of(node, etree.QName(part.element).localname, "")
    else:
        kind = records.named(part.type or xs("anyType"), part.name)
    return Field(name=snake(part.name), kind=FieldKind.ELEMENT, xml_name=part.name, type=kind)
