"""Renders the client stub of a port: one module of Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from gateway.generate.model import Enumeration, Field, Member, Model, RecordClass, StubOperation
from gateway.generate.python import describing, types
from gateway.generate.python.imports import imports
from gateway.generate.python.layout_text import layout
from gateway.generate.python.source import (
    docstring,
    in_lines,
    in_triple_quotes,
    kept,
    literal,
    split,
)
from gateway.generate.python.templating import template

POSITIONAL = 3
"""So many parameters that must be given need no names; where there are more, all do."""
LONGEST = 88
"""So long are lines at most for those who let a tool look at that."""
MANY = 7
"""ruff's rule PLR0913 allows so many parameters where a project asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """The options of a client stub."""

    source: str
    """What the contract is called, for whoever reads the stub."""
    service: str
    """The name under which a gateway serves it."""
    is_async: bool = False
    embedded: str = ""
    """The contract, packed; empty to leave it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A class or a method as the template needs it: lines of Python."""

    head: str
    docstring: str
    """Empty for none."""
    lines: tuple[str, ...]
    is_record: bool = False


def render(model: Model, options: ClientOptions) -> str:
    """Return the source of a client stub; the same model and options always give the same."""
    prefix = "Async" if options.is_async else ""
    name, base = f"{prefix}{model.port.class_name}Client", f"{prefix}Client"
    classes = type_blocks(model)
    methods = [_method(one, model, options) for one in model.operations]
    code = chain(*((one.head, *one.lines) for one in (*classes, *methods)))
    names = ["Layout", base, *(["Embedded"] if options.embedded else [])]
    text = template("client.py.jinja").render(
        docstring=docstring(describing.module(model, name, options.is_async), 0),
        imports=imports("\n".join(code), names),
        classes=classes,
        layout=in_triple_quotes(layout(model)),
        embedded=in_triple_quotes(in_lines(options.embedded)),
        head=f"class {name}({base}):",
        class_docstring=docstring(describing.client(model), 4),
        service=literal(options.service),
        methods=methods,
    )
    marker = f"{describing.marker(options.source)}\n"
    return marker + exempt(marker + text, model) + text


def exempt(text: str, model: Model) -> str:
    """Return the comment that exempts a stub from what its contract makes it break.

    RUF100 is there for those who do not ask for these rules, and would be told so.
    """
    is_long = any(len(line) > LONGEST for line in text.split("\n"))
    codes = [
        code for code, is_needed in (("E501", is_long), ("PLR0913", _is_wide(model))) if is_needed
    ]
    return f"# ruff: noqa: {', '.join([*codes, 'RUF100'])}\n" if codes else ""


def type_blocks(model: Model) -> list[Block]:
    """Return the classes of a contract: enumerations, records, faults."""
    return [
        *(_enumeration(one) for one in model.enumerations.values()),
        *(_record(one, model) for one in needed(model)),
        *_faults(model),
    ]


def needed(model: Model) -> list[RecordClass]:
    """Return the records that become classes: not those that only hold parameters or one result."""
    requests = {one.request.record for one in model.operations}
    replies = {one.reply.record for one in model.operations if one.reply is not None}
    single = {name for name in replies if len(model.fields(name)) <= 1}
    hidden = (requests - replies | single) - _used(model)
    return [one for name, one in model.records.items() if name not in hidden]


def _used(model: Model) -> set[object]:
    """Return the records that fields have as their type, or that others are derived from."""
    found: set[object] = set()
    for record in model.records.values():
        found |= {record.base, *(one.type for one in record.fields)}
    for operation in model.operations:
        found |= {one.type for one in operation.beside}
    return found


def _enumeration(one: Enumeration) -> Block:
    is_number = one.builtin in types.INTEGERS
    return Block(
        head=f"class {one.class_name}({'IntEnum' if is_number else 'StrEnum'}):",
        docstring=docstring([one.documentation], 4),
        lines=tuple(chain(*(_member(member, is_number) for member in one.members))),
    )


def _member(member: Member, is_number: bool) -> Iterator[str]:
    value = str(int(member.value)) if is_number else literal(member.value)
    yield kept(f"    {member.name} = {value}")
    if member.documentation:
        yield docstring([member.documentation], 4)


def _record(record: RecordClass, model: Model) -> Block:
    fields = [_field(one, model) for one in record.fields]
    notes = [record.documentation, "It stands for others: it has no instances." * record.abstract]
    texts = [one for one in notes if one] or ([] if fields else ["Has nothing of its own."])
    return Block(
        head=kept(f"class {record.class_name}({record.base or 'Record'}):"),
        docstring=docstring(texts, 4),
        lines=tuple(fields),
        is_record=True,
    )


def _field(field: Field, model: Model) -> str:
    default = types.default(field, model)
    start = f"{field.name}: {types.annotation(field)}"
    if default in ("[]", "{}"):
        made = "list" if default == "[]" else "dict"
        return split(f"{start} = field(", [f"default_factory={made}"], ")", 4)
    return kept(f"    {start}" if default is None else f"    {start} = {default}")


def _faults(model: Model) -> Iterator[Block]:
    found = {one.class_name: one for operation in model.operations for one in operation.faults}
    for one in found.values():
        detail = replace(one.detail, nillable=False)
        text = one.documentation or f"The service answered with the fault {one.name}."
        yield Block(
            head=kept(f"class {one.class_name}(SoapFault):"),
            docstring=docstring([text], 4),
            lines=(kept(f"    detail: {types.annotation(detail)}"),),
        )


def method_head(operation: StubOperation, model: Model, start: str = "def") -> str:
    """Return the beginning of an operation's method, up to its colon."""
    parameters = _signature(list(_parameters(operation, model)))
    result = _result(operation, model)
    return split(f"{start} {operation.method}(", parameters, f") -> {result}:", 4)


def _method(operation: StubOperation, model: Model, options: ClientOptions) -> Block:
    result = _result(operation, model)
    start = "async def" if options.is_async else "def"
    call = "await self._call(" if options.is_async else "self._call("
    names = [one.name for one, _ in _parameters(operation, model)]
    given = [literal(operation.name), *(f"{name}={name}" for name in names)]
    return Block(
        head=method_head(operation, model, start),
        docstring=docstring(describing.method(operation), 8),
        lines=tuple(_body(call, given, result, "reply_" if "reply" in names else "reply")),
    )


def _body(call: str, given: list[str], result: str, name: str) -> Iterator[str]:
    if result == "None":
        yield split(call, given, ")", 8)
        return
    yield split(f"{name}: {result} = {call}", given, ")", 8)
    yield f"        return {name}"


def _parameters(operation: StubOperation, model: Model) -> Iterator[tuple[Field, str | None]]:
    """Yield each parameter, and its default: those that must be given first."""
    every = [*model.fields(operation.request.record), *operation.headers]
    found = [(one, types.default(one, model)) for one in every]
    yield from (one for one in found if one[1] is None)
    yield from (one for one in found if one[1] is not None)


def _signature(parameters: Iterable[tuple[Field, str | None]]) -> list[str]:
    required, optional = list[str](), list[str]()
    for one, default in parameters:
        if default is None:
            required.append(f"{one.name}: {types.annotation(one)}")
        else:
            optional.append(f"{one.name}: {_optional(one, default)}")
    if len(required) > POSITIONAL:
        return ["self", "*", *required, *optional]
    return ["self", *required, *(["*", *optional] if optional else [])]


def _optional(field: Field, default: str) -> str:
    if default in ("[]", "{}"):  # a list must not be a default: it would be the same one each time
        return f"{types.annotation(field)} | None = None"
    return f"{types.annotation(field)} = {default}"


def _result(operation: StubOperation, model: Model) -> str:
    """Return the type of what a call returns."""
    if operation.reply is None:
        return "None"
    fields = model.fields(operation.reply.record)
    if len(fields) > 1:
        return operation.reply.record
    return types.annotation(fields[0]) if fields else "None"


def _is_wide(model: Model) -> bool:
    return any(len(list(_parameters(one, model))) > MANY for one in model.operations)
