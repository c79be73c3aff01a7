"""The arguments of an operation, as a command line has them, from zeep's model of the contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zeep import xsd
from zeep.exceptions import ValidationError

from gateway.cli.call.words import TEXT
from gateway.errors import ConfigurationError
from gateway.settings.suggestions import meant


@dataclass(frozen=True, slots=True)
class Operand:
    """An argument, or what is inside of one."""

    name: str
    kind: Any
    """Its type, as zeep has it."""
    is_needed: bool
    is_repeated: bool

    @property
    def is_simple(self) -> bool:
        """True where it is written as one value: a text, or one with attributes."""
        return not isinstance(self.kind, xsd.ComplexType) or _text_of(self.kind) is not None

    def __str__(self) -> str:
        name = f"{self.name}.0" if self.is_repeated else self.name
        about = [] if self._text is None else [self._text]
        inside = ", ".join(f".{one}" for one in parts_of(self.kind) if one != TEXT)
        about += [f"with {inside}"] if inside else []
        name = f"its text, written {name}=..." if self.name == TEXT else name
        text = f"{name} ({', '.join(about)})" if about else name
        return text if self.is_needed else f"[{text}]"

    @property
    def _text(self) -> str | None:
        """What its own text is; None where it has none."""
        if not isinstance(self.kind, xsd.ComplexType):
            return _builtin(self.kind)
        return _text_of(self.kind)


def _text_of(kind: Any) -> str | None:
    """The type of the text of a complex type that has attributes beside it; else None."""
    one = dict(kind.elements).get(TEXT)
    return _builtin(one.type) if isinstance(one, xsd.Element) else None


def _has_text(kind: Any) -> bool:
    """True where zeep has a place in a type for what has no name: a text, any element, a list."""
    is_list = any(one.accepts_multiple for _, one in kind.elements_nested)
    return is_list or TEXT in dict(kind.elements)


def kind_of(service: Any, operation: str) -> Any:
    """Return the type of all that an operation takes."""
    body = service._binding.get(operation).input.body
    return xsd.ComplexType() if body is None else body.type


def parts_of(kind: Any) -> dict[str, Operand]:
    """The parts of a complex type, by name."""
    return {part.name: part for part in _parts(kind)}


def _parts(kind: Any) -> Iterator[Operand]:
    if not isinstance(kind, xsd.ComplexType):
        return
    for name, one in kind.elements:
        if isinstance(one, xsd.Element):
            is_needed = not (one.is_optional or one.nillable)
            yield Operand(name, one.type, is_needed, one.accepts_multiple)
    for name, one in kind.attributes:
        yield Operand(
            name, getattr(one, "type", xsd.String()), getattr(one, "required", False), False
        )


def _builtin(kind: Any) -> str:
    """Return the name of the type of XML Schema that a simple type is a kind of."""
    names: list[Any] = [one.__dict__.get("_default_qname") for one in type(kind).__mro__]
    return next((str(name.localname) for name in names if name is not None), "text")


def takes(operation: str, kind: Any) -> str:
    """Return a sentence with all that an operation takes."""
    if not isinstance(kind, xsd.ComplexType):
        return f"{operation} takes one value that has no name: send it in an --envelope"
    shown = ", ".join(map(str, parts_of(kind).values()))
    return f"{operation} takes {shown or 'no arguments'}"


def check(operation: str, kind: Any, given: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for the first argument that the operation cannot take."""
    for mistake in _mistakes(kind, given, operation, ""):
        raise ConfigurationError(f"argument {mistake}")


def _mistakes(kind: Any, given: Mapping[str, Any], whole: str, above: str) -> Iterator[str]:
    """Yield each mistake inside of a ``whole``: where it is, what is wrong, what would be right."""
    known = parts_of(kind)
    for name, value in given.items():
        if name == TEXT and above and not _has_text(kind):
            yield f"{above[:-1]}: has parts, written {above}NAME=... ({takes(whole, kind)})"
        if name.startswith("_"):
            continue  # zeep's own words: _soapheaders, and _value_1 for what has no name
        if name in known:
            yield from _wrong(known[name], value, f"{above}{name}")
        else:
            yield f"{above}{name}: is not known: {meant(name, known)} ({takes(whole, kind)})"


def _wrong(part: Operand, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        if not part.is_repeated:
            yield f"{path}: is a list, and can be there once only: write {path}=..."
        for at, one in enumerate(value):
            yield from _wrong_one(part, one, f"{path}.{at}")
    else:
        is_short = part.is_repeated and not isinstance(value, dict)
        yield from _wrong_one(part, value, f"{path}.0" if is_short else path)


def _wrong_one(part: Operand, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        if value is not None and not part.is_simple:
            yield f"{path}: has parts, written {path}.NAME=... ({takes(path, part.kind)})"
    elif isinstance(part.kind, xsd.ComplexType):
        yield from _mistakes(part.kind, value, path, f"{path}.")
    else:
        yield f"{path}: is one value ({_builtin(part.kind)}), with nothing inside: write {path}=..."


def reason(error: Exception, operation: str, kind: Any) -> str:
    """Return why zeep could not write a request."""
    if isinstance(error, ValidationError) and error.path:
        missing = ".".join(map(str, error.path[1:] or error.path))
        return f"argument {missing}: is missing ({takes(operation, kind)})"
    told = str(error).partition(" Signature:")[0].rstrip(".")
    return f"{told} ({takes(operation, kind)})"
