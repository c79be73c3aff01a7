"""The base class of generated services: it carries out a contract with the contract's types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from lxml import etree

from gateway.backends.service_class import REQUEST, Answer, FaultAnswer, ServedOperation
from gateway.message import Message
from gateway.soap.envelope import Element
from gateway.stubs.faults import SoapFault, UnreadableReply
from gateway.stubs.layout import Layout, OperationLayout
from gateway.stubs.reading import NIL, TRUE, read_record, read_value
from gateway.stubs.table import FieldLayout
from gateway.stubs.writing import write_element, write_record

Arguments = Mapping[str, Any]


class NotFilledIn(SoapFault):
    """The operation is in the contract, but not implemented yet."""

    def __init__(self, operation: str) -> None:
        text = f"The operation {operation} is not implemented yet."
        super().__init__("Server.NotImplemented", text)


def current_request() -> Message:
    """Return the message that a method answers, with its ``id``, ``sender`` and ``body``.

    Raises LookupError if the method was not called by a gateway.
    """
    return REQUEST.get()


class Service:
    """Serves one port of a contract, a method for each operation.

    ``gateway.toml`` names a subclass, ``host = "module:Class"``. One instance, made without
    arguments, serves all calls, several at a time: shared state needs a lock. A method gets the
    values of the request, and returns what the client of the same contract returns. It may raise
    the faults that the contract declares, or a SoapFault; other exceptions are logged, and callers
    learn nothing about them.
    """

    __namespace__: ClassVar[str]
    _layout: ClassVar[Layout]
    _methods: ClassVar[Sequence[tuple[str, str]]]
    """Each operation's name in the contract, and the name of its method."""

    @classmethod
    def __served__(cls) -> Sequence[ServedOperation]:
        return [_served(cls._layout, name, method) for name, method in cls._methods]


def _served(layout: Layout, name: str, method: str) -> ServedOperation:
    operation = layout.operation(name)
    return ServedOperation(
        name=name,
        body=_element(layout, operation),
        headers=frozenset(one.tag for one in operation.headers),
        read=partial(_read, layout, operation),
        carry_out=partial(_carry_out, layout, operation, method),
    )


def _element(layout: Layout, operation: OperationLayout) -> str:
    """Return the name of the first element in a request's Body; empty if there is none."""
    wrapper, record = operation.request
    return wrapper or next((one.tag for one in layout.record(record).fields()), "")


def _read(
    layout: Layout, operation: OperationLayout, payload: Element, headers: Sequence[Element]
) -> Arguments:
    """Return the parameters of a request. Raises ValueError."""
    wrapper, name = operation.request
    content = payload if wrapper else payload.getparent()
    assert content is not None  # it is in a Body
    record = layout.record(name)
    try:
        read = read_record(content, record, layout)
        blocks = {one.name: _header(one, headers, layout) for one in operation.headers}
    except UnreadableReply as error:
        raise ValueError(str(error)) from error
    values = {one: _get(read, one) for one in _names(record.fields())}
    for field in record.attributes:
        if values[field.name] is None and field.default is not None:
            values[field.name] = _default(field, layout)
    return values | blocks


def _default(field: FieldLayout, layout: Layout) -> object:
    """Return the default value of an absent attribute (XML Schema part 1, section 3.2.1)."""
    simple = layout.simple(field.type)
    assert simple is not None  # attributes have simple types
    return simple.read(field.default or "", etree.Element("nothing"))


def _header(field: FieldLayout, headers: Sequence[Element], layout: Layout) -> object:
    """Return the value of a header block; None if it is absent or nil."""
    block = next((one for one in headers if one.tag == field.tag), None)
    if block is None or block.get(NIL, "").strip() in TRUE:
        return None
    return read_value(block, field, layout)


def _carry_out(
    layout: Layout, operation: OperationLayout, method: str, service: Service, values: Arguments
) -> Answer | FaultAnswer:
    try:
        value = getattr(service, method)(**values)
    except SoapFault as fault:
        detail = tuple(_detail(layout, operation, fault))
        return FaultAnswer(code=fault.code, text=fault.text, detail=detail)
    return Answer(None if operation.reply is None else _reply(layout, operation.reply, value))


def _reply(layout: Layout, reply: tuple[str, str], value: object) -> Element | None:
    """The content of a reply's Body. Raises UnwritableValue."""
    wrapper, name = reply
    record = layout.record(name)
    names = _names(record.fields())
    source = value if len(names) > 1 else dict.fromkeys(names, value)
    parent = _parent(layout)
    content = etree.SubElement(parent, wrapper) if wrapper else parent
    write_record(content, record, source, layout)
    return _detached(parent[0]) if len(parent) else None


def _detail(layout: Layout, operation: OperationLayout, fault: SoapFault) -> Iterator[Element]:
    """Yield the elements of a fault's detail: as the contract declares it, or as given."""
    for kind, field in operation.faults.values():
        if isinstance(fault, kind):
            parent = _parent(layout)
            write_element(parent, field, fault.detail, layout)
            yield _detached(parent[0])
            return
    if isinstance(fault.detail, etree._Element):
        is_whole = etree.QName(fault.detail).localname.lower() == "detail"
        yield from list(fault.detail) if is_whole else [fault.detail]


def _parent(layout: Layout) -> Element:
    """Return a parent element to write into, with the contract's prefixes."""
    return etree.Element("parent", nsmap=dict(layout.table.prefixes))


def _detached(element: Element) -> Element:
    """Return an element by itself, with every prefix in scope, which values may need.

    In UTF-8: lxml writes non-ASCII names wrongly in its default encoding.
    """
    return etree.fromstring(
        etree.tostring(element, encoding="utf-8"), etree.XMLParser(huge_tree=True)
    )


def _names(fields: Iterator[FieldLayout]) -> list[str]:
    return list(dict.fromkeys(one.name for one in fields))


def _get(read: object, name: str) -> object:
    return read.get(name) if isinstance(read, Mapping) else getattr(read, name)
