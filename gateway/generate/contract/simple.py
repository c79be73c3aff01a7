"""Simple types: what their values come down to, and the enumerations among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from lxml import etree

from gateway.contract.names import XS, xs
from gateway.generate.contract.declarations import Declarations, documentation
from gateway.generate.model import Enumeration, Member, SimpleType
from gateway.generate.naming import Names, member, pascal
from gateway.generate.python.types import INTEGERS
from gateway.soap.envelope import Element

LISTS = {"ENTITIES": "ENTITY", "IDREFS": "IDREF", "NMTOKENS": "NMTOKEN"}
"""XML Schema's own list types, and what is in them."""
BUILTINS = frozenset(
    {
        *("anyURI", "base64Binary", "boolean", "byte", "date", "dateTime", "decimal", "double"),
        *("duration", "float", "gDay", "gMonth", "gMonthDay", "gYear", "gYearMonth", "hexBinary"),
        *("int", "integer", "language", "long", "negativeInteger", "nonNegativeInteger"),
        *("nonPositiveInteger", "normalizedString", "positiveInteger", "short", "string", "time"),
        *("token", "unsignedByte", "unsignedInt", "unsignedLong", "unsignedShort", "QName", "Name"),
        *("NCName", "NMTOKEN", "ID", "IDREF", "ENTITY", "NOTATION", "anySimpleType"),
        *("anyAtomicType", "dateTimeStamp", "yearMonthDuration", "dayTimeDuration"),
        *LISTS,
    }
)
_DERIVED_IN_1_1 = {
    "anyAtomicType": "anySimpleType",
    "dateTimeStamp": "dateTime",
    "yearMonthDuration": "duration",
    "dayTimeDuration": "duration",
}
_FACETS = (
    *("length", "minLength", "maxLength", "pattern", "whiteSpace", "totalDigits"),
    *("fractionDigits", "minInclusive", "maxInclusive", "minExclusive", "maxExclusive"),
)

_WHOLE = re.compile(r"[ \t\r\n]*[+-]?[0-9]{1,4000}[ \t\r\n]*")
"""A whole number, as long as Python reads one."""

TEXT = SimpleType(builtin="string")


class SimpleTypes:
    """The simple types of a contract; each enumeration gets its class name when it is met."""

    def __init__(self, declarations: Declarations, names: Names) -> None:
        self.enumerations: dict[str, Enumeration] = {}
        self._declarations = declarations
        self._names = names
        self._named: dict[str, SimpleType | None] = {}
        self._made: dict[Element, SimpleType] = {}

    def named(self, name: str) -> SimpleType | None:
        """Return a simple type by its name in Clark notation; None where there is none."""
        if name.startswith(f"{{{XS}}}"):
            return _builtin(etree.QName(name).localname)
        if name not in self._named:
            self._named[name] = None  # one that is derived from itself ends here
            node = self._declarations.get("simpleType", name)
            self._named[name] = None if node is None else self.of(node, name, name)
        return self._named[name]

    def of(self, node: Element, name: str, hint: str) -> SimpleType:
        """The simple type that an xs:simpleType declares; ``hint`` names an enumeration."""
        if node in self._made:
            return self._made[node]
        made = next(node.iterchildren(xs("restriction"), xs("list"), xs("union")), None)
        if made is None:
            found = TEXT
        elif made.tag == xs("restriction"):
            found = self.restricted(made, self._inner(made, hint)[0], name, hint)
        elif made.tag == xs("list"):
            found = SimpleType(builtin="string", name=name, item=self._inner(made, hint)[0])
        else:
            # A value of a union is text: what is only declared in it needs no class of its own.
            found = SimpleType(builtin="string", name=name, members=self._inner(made, ""))
        self._made[node] = found
        return found

    def restricted(self, node: Element, base: SimpleType, name: str, hint: str) -> SimpleType:
        """Return a type with the facets of an xs:restriction, over those of its base."""
        parent = node.getparent()
        enumeration = self._enumeration(node, base, name, hint)
        return SimpleType(
            builtin=base.builtin,
            name=name,
            facets=(*_facets(node), *base.facets),
            enumeration=enumeration or base.enumeration,
            item=base.item,
            members=base.members,
            documentation=documentation(parent) if parent is not None else "",
        )

    def _inner(self, node: Element, hint: str) -> tuple[SimpleType, ...]:
        """Return the types that one is made of: those it names, then those inside of it."""
        attributes = ("base", "itemType", "memberTypes")
        names = chain(*(self._declarations.references(node, one) for one in attributes))
        named = (self.named(name) or TEXT for name in names)
        inside = (self.of(one, "", hint) for one in node.iterchildren(xs("simpleType")))
        return (*named, *inside) or (TEXT,)

    def _enumeration(self, node: Element, base: SimpleType, name: str, hint: str) -> str:
        """Note the enumeration of a restriction; return its class name, empty where it has none."""
        values = list(node.iterchildren(xs("enumeration")))
        if not values or not hint or base.item is not None:
            return ""
        parent = node.getparent()
        class_name = self._names.unique(pascal(hint.rpartition("}")[2]))
        members = tuple(_members(node))
        self.enumerations[class_name] = Enumeration(
            class_name=class_name,
            xml_name=name,
            builtin=_of_members(base.builtin, members),
            members=members,
            documentation=documentation(parent) if parent is not None else "",
        )
        return class_name


def _of_members(builtin: str, members: Iterable[Member]) -> str:
    """Return the type of an enumeration's values: text where not all of them are its numbers."""
    is_whole = all(_WHOLE.fullmatch(one.value) for one in members)
    return builtin if is_whole or builtin not in INTEGERS else "string"


def _builtin(name: str) -> SimpleType | None:
    if name not in BUILTINS:
        return None
    if name in LISTS:
        return SimpleType(builtin="string", name=xs(name), item=SimpleType(builtin=LISTS[name]))
    return SimpleType(builtin=_DERIVED_IN_1_1.get(name, name), name=xs(name))


def _facets(node: Element) -> Iterator[tuple[str, str]]:
    for facet in node.iterchildren(*map(xs, _FACETS)):
        yield etree.QName(facet).localname, facet.get("value", "")


def _members(node: Element) -> Iterator[Member]:
    names = Names()
    seen: set[str] = set()
    for one in node.iterchildren(xs("enumeration")):
        value = one.get("value", "")
        if value not in seen:
            seen.add(value)
            yield Member(
                name=names.unique(member(value)), value=value, documentation=documentation(one)
            )
