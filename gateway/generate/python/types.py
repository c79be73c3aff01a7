"""The types and defaults of fields, as a client stub writes them in Python."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from gateway.generate.model import Enumeration, Field, FieldKind, Model, SimpleType, Type
from gateway.generate.python.source import literal

INTEGERS = frozenset(
    {
        *("byte", "int", "integer", "long", "negativeInteger", "nonNegativeInteger", "short"),
        *("nonPositiveInteger", "positiveInteger", "unsignedByte", "unsignedInt"),
        *("unsignedLong", "unsignedShort"),
    }
)
_OTHERS = {
    "boolean": "bool",
    "decimal": "Decimal",
    "float": "float",
    "double": "float",
    "date": "dt.date",
    "dateTime": "dt.datetime",
    "time": "dt.time",
    "duration": "Duration",
    "base64Binary": "bytes",
    "hexBinary": "bytes",
}


def annotation(field: Field) -> str:
    """Return the type of a field."""
    if field.kind is FieldKind.ANY_ATTRIBUTE:
        return "dict[str, str]"
    alone = "Element" if field.kind is FieldKind.ANY else of_type(field.type)
    one = f"{alone} | None" if field.nillable else alone
    if field.is_list:
        return f"list[{one}]"
    return f"{alone} | None" if _may_be_none(field) else one


def _may_be_none(field: Field) -> bool:
    return field.optional and _given(field) is None


def of_type(kind: Type) -> str:
    """Return a type without what its field makes of it."""
    if kind is None:
        return "AnyValue"
    if isinstance(kind, str):
        return kind
    if kind.item is not None:
        return f"list[{of_type(kind.item)}]"
    if kind.members:
        return "str"
    return kind.enumeration or builtin(kind.builtin)


def builtin(name: str) -> str:
    """The Python type for one of XML Schema's own types."""
    return "int" if name in INTEGERS else _OTHERS.get(name, "str")


def default(field: Field, model: Model) -> str | None:
    """Return the expression of a field's default; None where it must be given."""
    given = _given(field)
    if given is not None and isinstance(field.type, SimpleType):
        return value(given, field.type, model)
    if field.kind is FieldKind.ANY_ATTRIBUTE:
        return "{}"
    if not field.optional:
        return None
    return "[]" if field.is_list else "None"


def _given(field: Field) -> str | None:
    """Return the value that a field has by its declaration, where Python can write it."""
    given = _declared(field)
    if given is None or not isinstance(field.type, SimpleType):
        return None
    return None if value(given, field.type, None) is None else given


def _declared(field: Field) -> str | None:
    """Return a default that holds where nothing is: that of an element is for an empty one."""
    if field.kind is FieldKind.ATTRIBUTE:
        return field.fixed if field.default is None else field.default
    return None if field.optional or field.is_list or field.nillable else field.fixed


def value(text: str, kind: SimpleType, model: Model | None) -> str | None:
    """Return a value as an expression; None for types that have no short one."""
    if kind.item is not None:
        return None
    if kind.enumeration:
        return _member(text, model.enumerations[kind.enumeration]) if model else text
    written = "str" if kind.members else builtin(kind.builtin)
    try:
        return _expression(text, written)
    except (ValueError, InvalidOperation, KeyError):
        return None


def _expression(text: str, kind: str) -> str | None:
    match kind:
        case "str":
            return literal(text)
        case "int":
            return str(int(text))
        case "bool":
            return {"true": "True", "1": "True", "false": "False", "0": "False"}[text.strip()]
        case "Decimal":
            return f"Decimal({literal(str(Decimal(text)))})"
    return None


def _member(text: str, enumeration: Enumeration) -> str | None:
    found = (one.name for one in enumeration.members if one.value == text)
    name = next(found, None)
    return None if name is None else f"{enumeration.class_name}.{name}"
