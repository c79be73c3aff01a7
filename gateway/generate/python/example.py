"""A call to begin a test with: an operation, and arguments that its types allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.generate.model import (
    Field,
    FieldKind,
    Group,
    GroupKind,
    Model,
    SimpleType,
    StubOperation,
)

DEPTH = 3
_TEXT = '"text"'
_WORDS = {
    "boolean": "True",
    "decimal": 'Decimal("1.5")',
    "float": "1.5",
    "double": "1.5",
    "date": "dt.date(2026, 1, 31)",
    "dateTime": "dt.datetime(2026, 1, 31, 12, 0, tzinfo=dt.UTC)",
    "time": "dt.time(12, 0)",
    "duration": "Duration(seconds=Decimal(90))",
    "base64Binary": 'b"bytes"',
    "hexBinary": 'b"bytes"',
    "QName": '"{urn:example}name"',
    **dict.fromkeys(("byte", "short", "int", "long", "integer"), "1"),
    **dict.fromkeys(("nonNegativeInteger", "positiveInteger", "unsignedLong"), "1"),
    **dict.fromkeys(("unsignedByte", "unsignedShort", "unsignedInt"), "1"),
    **dict.fromkeys(("nonPositiveInteger", "negativeInteger"), "-1"),
}
"""A value of each of XML Schema's own types; those not here are text."""


@dataclass(frozen=True, slots=True)
class Example:
    """A call, as Python writes it: ``method(arguments)``; and the classes that it names."""

    operation: StubOperation
    arguments: tuple[str, ...]
    classes: tuple[str, ...]


def example(model: Model) -> Example | None:
    """Return a call of the operation that is easiest to call; None where none is easy."""
    found = [one for one in (_call(model, each) for each in model.operations) if one is not None]
    return min(found, key=lambda one: len(", ".join(one.arguments)), default=None)


def _call(model: Model, operation: StubOperation) -> Example | None:
    writer = _Writer(model)
    try:
        fields = model.fields(operation.request.record)
        arguments = tuple(writer.arguments(fields, None, 0))
    except LookupError:
        return None
    return Example(operation, arguments, tuple(sorted(writer.classes)))


class _Writer:
    """Writes values, and keeps the classes that they need."""

    def __init__(self, model: Model) -> None:
        self.classes: set[str] = set()
        self._model = model

    def arguments(
        self, fields: tuple[Field, ...], content: Group | None, depth: int
    ) -> Iterator[str]:
        """Yield ``name=value`` for all that must be there. Raises LookupError."""
        needed = set() if content is None else {one.name for one in _branches(content)}
        for one in fields:
            if not one.optional or one.name in needed:
                yield f"{one.name}={self._of(one, depth)}"

    def _of(self, field: Field, depth: int) -> str:
        if field.kind not in (FieldKind.ELEMENT, FieldKind.ATTRIBUTE, FieldKind.TEXT):
            raise LookupError(f"{field.name} is open")
        if field.nillable and not field.is_list:
            return "None"
        value = self._value(field.type, depth)
        return f"[{value}]" if field.is_list else value

    def _value(self, kind: SimpleType | str | None, depth: int) -> str:
        if isinstance(kind, SimpleType):
            return self._simple(kind)
        if kind is None or depth > DEPTH or self._model.records[kind].abstract:
            raise LookupError("no simple value")
        inner: list[str] = []
        for record in self._model.lineage(kind):
            inner += self.arguments(record.fields, record.content, depth + 1)
        self.classes.add(kind)
        return f"{kind}({', '.join(inner)})"

    def _simple(self, kind: SimpleType) -> str:
        if kind.enumeration:
            self.classes.add(kind.enumeration)
            members = self._model.enumerations[kind.enumeration].members
            return f"{kind.enumeration}.{members[0].name}"
        if kind.item is not None:
            return f"[{self._simple(kind.item)}]"
        if kind.members:
            return self._simple(kind.members[0])
        value = _WORDS.get(kind.builtin, _TEXT)
        self.classes |= {one for one in ("Decimal", "Duration", "dt") if one in value}
        return value


def _branches(group: Group) -> Iterator[Field]:
    """Yield the fields of the first branch of each choice of which one must be there."""
    if group.optional:
        return
    first = group.particles[:1] if group.kind is GroupKind.CHOICE else group.particles
    for one in first:
        if isinstance(one, Group):
            yield from _branches(one)
        elif group.kind is GroupKind.CHOICE and one.min_occurs:
            yield one
