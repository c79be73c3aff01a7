"""The expanded size of the groups and unions in a contract's schemas.

Twenty-five groups, each with the one before twice, are a schema of a few kilobytes that neither
zeep nor libxml2 ever finishes; the same goes for unions. So the size is computed before either
reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.contract.documents.gathering import Document
from gateway.contract.documents.reader import shown
from gateway.contract.names import clark, parse, xs
from gateway.errors import ContractError
from gateway.soap.envelope import Element

Key = tuple[str, str]
"""The kind of a group, and its name in Clark notation."""
Node = TypeVar("Node")
Value = TypeVar("Value")
Parts = Sequence[Sequence[Node]]
"""The parts of a node by their names: several have one name, as in a redefinition."""

LARGEST = 1_000_000
"""Elements and attributes in all expanded groups of a contract, at most."""
LARGEST_UNION = 10_000
"""Types in an expanded union, at most: zeep takes half a second for them."""
_GROUPS = (xs("group"), xs("attributeGroup"))
_SIMPLE, _UNION, _RESTRICTION = xs("simpleType"), xs("union"), xs("restriction")


@dataclass(slots=True)
class _Group:
    """A declared group: its place, its own size, and the groups that it refers to."""

    place: str
    own: int
    parts: list[tuple[str, str]] = field(default_factory=list)


def check_expansion(documents: Mapping[str, Document]) -> None:
    """Refuse a contract whose expanded groups or unions are too large.

    Raises ContractError, with the line.
    """
    groups: dict[Key, _Group] = {}
    for document in documents.values():
        # Most have none, and need not be parsed again. In UTF-16 a NUL is between two letters.
        if b"roup" in document.data or b"r\0o\0u\0p" in document.data:
            location = shown(document.location)
            groups |= dict(_declared(parse(document.data, location), location))
    sizes: dict[Key, int] = {}
    for key in groups:
        _measure(key, groups, sizes)
    _check_unions(documents)


def _check_unions(documents: Mapping[str, Document]) -> None:
    places = [one for one in documents.values() if b"union" in one.data or b"u\0n\0i" in one.data]
    if not places:
        return
    roots = {
        shown(one.location): parse(one.data, shown(one.location)) for one in documents.values()
    }
    sizes = union_sizes(roots)
    for place, root in roots.items():
        for node in root.iter(xs("union")):
            if sizes[node] > LARGEST_UNION:
                raise ContractError(
                    f"{place}:{node.sourceline}: this union expands to more than {LARGEST_UNION} "
                    "types, by the unions that it refers to; name fewer of them"
                )


def union_sizes(roots: Mapping[str, Element]) -> dict[Element, int]:
    """Return the number of types in each expanded union, counted up to LARGEST_UNION + 1.

    A restriction of a union has all its types: libxml2 expands them, and so does this.
    """
    unions = _Unions()
    every = list(roots.values())
    for root in every:
        unions.add(root)
    return {node: unions.size(node) for root in every for node in root.iter(_UNION)}


@dataclass(slots=True)
class _Unions:
    """The simple types of a contract, and their known expanded sizes."""

    named: dict[str, list[Element]] = field(default_factory=dict)
    """By name in Clark notation; and by local name, for included schemas without a namespace."""
    sizes: dict[Element, int] = field(default_factory=dict)

    def add(self, root: Element) -> None:
        for node in root.iter(_SIMPLE):
            name = node.get("name", "")
            schema = next(node.iterancestors(xs("schema")), node)
            for one in (f"{{{schema.get('targetNamespace', '')}}}{name}", name):
                self.named.setdefault(one, []).append(node)

    def size(self, top: Element) -> int:
        """Return the size of a type with all that it is made of."""
        return worked_out(top, self.sizes, self._parts, self._total, 1)

    def _total(self, _: Element, parts: Parts[Element]) -> int:
        # Of two that have one name, as in a redefinition, the larger.
        total = sum(max((self.sizes[one] for one in twins), default=1) for twins in parts)
        return min(max(1, total), LARGEST_UNION + 1)

    def _parts(self, node: Element) -> list[list[Element]]:
        """The parts of a type: for each member, the declarations of its name."""
        inside = [[one] for one in node.iterchildren(_SIMPLE, _UNION, _RESTRICTION)]
        names = (node.get("memberTypes", "") + " " + node.get("base", "")).split()
        return inside + [self._behind(clark(node, one)) for one in names]

    def _behind(self, name: str) -> list[Element]:
        local = name.rpartition("}")[2]
        return [*self.named.get(name, ()), *self.named.get(f"{{}}{local}", ())]


def _declared(root: Element, location: str) -> Iterator[tuple[Key, _Group]]:
    for node in root.iter(*_GROUPS):
        if node.get("name") is None:
            continue
        schema = next(node.iterancestors(xs("schema")), node)
        name = f"{{{schema.get('targetNamespace') or ''}}}{node.get('name')}"
        inside = [one for one in node.iter(*_GROUPS) if one.get("ref") is not None]
        parts = [(str(one.tag), _reference(one, schema)) for one in inside]
        own = sum(1 for _ in node.iter("{*}*"))
        yield (str(node.tag), name), _Group(f"{location}:{node.sourceline}", own, parts)


def _reference(node: Element, schema: Element) -> str:
    name = clark(node, node.get("ref", ""))
    # In a document without a namespace it means the includer's: any group of that name.
    return name if name.startswith("{") else f"{{{schema.get('targetNamespace') or ''}}}{name}"


def _measure(top: Key, groups: Mapping[Key, _Group], sizes: dict[Key, int]) -> None:
    """Work out the size of a group and of all its parts. Raises ContractError."""

    def parts(key: Key) -> Parts[Key]:
        return [[one] for one in groups[key].parts if one in groups]

    def size(key: Key, parts: Parts[Key]) -> int:
        found = groups[key].own + sum(sizes[one] for (one,) in parts)
        if found > LARGEST:
            raise ContractError(
                f"{groups[key].place}: this group expands to more than {LARGEST} elements, by the "
                "groups that it refers to; name fewer of them"
            )
        return found

    worked_out(top, sizes, parts, size, 0)


def worked_out(
    top: Node,
    known: dict[Node, Value],
    parts: Callable[[Node], Parts[Node]],
    put_together: Callable[[Node, Parts[Node]], Value],
    in_a_cycle: Value,
) -> Value:
    """Return the value of a node, put together from those of its parts, without recursion.

    ``known`` has the values that were worked out before, and gets the others.
    """
    pending = [top]
    while pending:
        node = pending[-1]
        found = parts(node)
        unknown = [one for twins in found for one in twins if one not in known]
        if node not in known and unknown:
            known[node] = in_a_cycle  # it ends here; the schema compiler reports it
            pending += unknown
            continue
        pending.pop()
        known[node] = put_together(node, found)
    return known[top]
