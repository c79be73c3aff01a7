"""Records: the base of every class for a complex type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from lxml import etree

Element: TypeAlias = etree._Element
"""An lxml element, for content that a contract leaves open."""

AnyValue: TypeAlias = Any
"""A value of xs:anyType: a record, a plain value, or the element itself without an xsi:type."""


class _Nil:
    def __repr__(self) -> str:
        return "NIL"


NIL: Any = _Nil()
"""Writes an optional element as nil (xsi:nil); None would omit it."""


class Record:
    """A complex type; the classes of stubs are dataclasses that derive from it.

    A record that was read remembers which of its elements were nil rather than absent, and is
    written like that again.
    """

    __slots__ = ("_nils",)

    _nils: Mapping[tuple[str, int], Mapping[str, str]]
    """The attributes of each nil element, by its field and its place in the list."""


def nils(value: object) -> Mapping[tuple[str, int], Mapping[str, str]]:
    """Return the elements that were nil when a record was read."""
    found: Mapping[tuple[str, int], Mapping[str, str]] = getattr(value, "_nils", {})
    return found
