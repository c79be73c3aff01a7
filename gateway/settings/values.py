"""The parts of the tables of ``gateway.toml``: their form, common kinds of values, mistakes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, get_args, get_type_hints
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError

_NAME = r"^[A-Za-z0-9_-]{1,64}$"
Name = Annotated[str, Field(pattern=_NAME)]
NAMED = "1 to 64 letters, digits, '_' or '-'"
"""What the name of a service or a client is."""


class Table(BaseModel):
    """A table of the file: no key more than those that are known, no value of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Written:
    """Lets a strict table hold the frozen value of a component, written as a table of the file."""

    def __get_pydantic_core_schema__(
        self, source: type[object], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = handler(source)
        made: Any = handler.resolve_ref_schema(schema)
        while made["type"] != "dataclass":  # a validator of the whole stands before it
            made = handler.resolve_ref_schema(made["schema"])
        made["strict"] = False  # of itself alone: else nothing but an instance would do
        return schema


TABLE = _Written()
"""Beside the type of a component's value: it is a table of the file."""


def keys_of(table: type[object]) -> dict[str, FieldInfo]:
    """The keys of a table, as the file has them."""
    if issubclass(table, Table):
        return {one.alias or name: one for name, one in table.model_fields.items()}
    assert dataclasses.is_dataclass(table)
    hints = get_type_hints(table, include_extras=True)
    return {
        one.name: FieldInfo.from_annotated_attribute(hints[one.name], one)
        for one in dataclasses.fields(table)
    }


def tables_in(annotation: Any) -> Iterator[type[object]]:
    """Yield the tables that a type is made of."""
    if isinstance(annotation, type) and (
        issubclass(annotation, Table) or dataclasses.is_dataclass(annotation)
    ):
        yield annotation
    for part in get_args(annotation):
        yield from tables_in(part)


def is_name(text: str) -> bool:
    """True for a text that may name a service or a client."""
    return re.fullmatch(_NAME, text) is not None


def is_http(address: str) -> bool:
    """True for an address that HTTP can connect to."""
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").encode("idna")
        return parts.scheme in ("http", "https") and bool(host) and parts.port != 0
    except ValueError:  # a port that is none, a bracket without its other half
        return False


def is_origin(value: str) -> bool:
    """True for an origin as browsers write it (RFC 6454): without a path, and not ``*``."""
    return is_http(value) and value.count("/") == 2


def frozen(value: object) -> object:
    """Return a list as a tuple; anything else as it is, to be told by its type."""
    return tuple(value) if isinstance(value, list) else value


def many(holds: Callable[[str], object], text: str) -> Callable[[object], object]:
    """Return the check of a list of texts each of which holds; ``text`` says what it must be."""

    def check(value: object) -> object:
        if not isinstance(value, list) or not all(isinstance(n, str) and holds(n) for n in value):
            raise wrong(text)
        return tuple(value)

    return check


def one_of(*kinds: str) -> Callable[[str], str]:
    """Return the check of a text that must be one of some."""

    def check(value: str) -> str:
        if value not in kinds:
            raise wrong("must be " + " or ".join(f'"{one}"' for one in kinds))
        return value

    return check


ORIGINS = many(is_origin, 'must be a list of origins like ["https://shop.example.com"]')


def wrong(text: str) -> PydanticCustomError:
    """Return the error that says what is wrong with a value, to be raised by a validator."""
    return PydanticCustomError("gateway", "{text}", {"text": text})
