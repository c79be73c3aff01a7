"""The highest cost of checking a message, per byte; measured with libxml2 2.14.

``doubts`` finds parts that may take long whatever the size. This counts the costs that grow with
the size and multiply: patterns, enumerated values, types of a union, items of a list. Invalid
messages cost most: libxml2 goes on after an error, and lxml keeps each with its place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gateway.contract.documents.gathering import Document
from gateway.contract.names import clark, xs
from gateway.contract.schemas.expansion import Parts, worked_out
from gateway.contract.schemas.schema_set import schemas_by_namespace
from gateway.soap.envelope import Element

LONG = 0.05
"""Seconds for which a check may hold up others."""
# In seconds. An element takes four bytes at least, and so does an attribute; an item of a list two.
_TEXT, _ITEM = 4, 2
_BASE = 3e-6
"""For each byte of any message: an element of eight bytes may have two errors, of 10 us each."""
_PATTERN = 25e-9
"""For each byte, and each pattern; a class of many characters takes 8 ns for each of them."""
_CLASS = 3
_VALUE = 100e-9
"""For comparing a text with a value, such as a year; a string takes 40 ns."""
_TOLD, _TOLD_CHARACTER = 500e-9, 20e-9
"""For a value in the error that lists all of them."""
_MEMBER = 0.5e-6
_REQUIRED = 8e-6
"""For the error that an attribute is missing."""
_NAMED = (xs("simpleType"), xs("complexType"), xs("attributeGroup"))
_UNION, _LIST = xs("union"), xs("list")
_CONTENT = (xs("simpleContent"), xs("complexContent"))
_DERIVED = (xs("restriction"), xs("extension"))
_REFERENCES = ("base", "itemType", "memberTypes", "ref")


@dataclass(frozen=True, slots=True)
class _Cost:
    """Seconds for a value of a type: for each byte, for each text, and for an error."""

    byte: float = 0.0
    text: float = 0.0
    error: float = 0.0

    def __add__(self, other: _Cost) -> _Cost:
        return _Cost(self.byte + other.byte, self.text + other.text, self.error + other.error)

    @property
    def weight(self) -> float:
        return self.byte + (self.text + self.error) / _TEXT


def weight(documents: Mapping[str, Document]) -> float:
    """Return the seconds that checking a byte of a message may take, at most."""
    schemas = schemas_by_namespace(documents)
    types = _Types(schemas)
    every = [one for found in schemas.values() for one in found]
    heaviest = max((types.cost(one).weight for one in _definitions(every)), default=0.0)
    return _BASE + heaviest


def _definitions(schemas: Iterable[Element]) -> Iterator[Element]:
    return (node for one in schemas for node in one.iter(*_NAMED) if node.get("ref") is None)


@dataclass(slots=True)
class _Types:
    """The types of a contract, and the known costs."""

    schemas: Mapping[str, Iterable[Element]]
    named: defaultdict[str, list[Element]] = field(init=False)
    """By name in Clark notation; and by local name, for included schemas without a namespace."""
    costs: dict[Element, _Cost] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.named = defaultdict(list)
        for namespace, schemas in self.schemas.items():
            for node in _definitions(schemas):
                if node.get("name") is not None:
                    self.named[f"{{{namespace}}}{node.get('name')}"].append(node)
                    self.named[node.get("name", "")].append(node)

    def cost(self, top: Element) -> _Cost:
        """Return the cost of a type with all that it is made of."""
        return worked_out(top, self.costs, self._parts, self._put_together, _Cost())

    def _put_together(self, node: Element, parts: Parts[Element]) -> _Cost:
        costs = [self._largest(one) for one in parts]
        total = sum(costs, _Cost())
        if node.tag == _LIST:  # the first invalid item ends it
            return _Cost(total.byte + total.text / _ITEM, 0.0, total.error)
        if node.tag == _UNION:  # its error does not list the values
            return _Cost(total.byte, total.text + _MEMBER * len(costs), 0.0)
        return total + _own(node)

    def _largest(self, twins: Iterable[Element]) -> _Cost:
        """Return the cost of a name: the largest, if several have it, as in a redefinition."""
        return max((self.costs[one] for one in twins), key=lambda one: one.weight, default=_Cost())

    def _parts(self, node: Element) -> list[list[Element]]:
        """The parts of a definition: for each name, its declarations."""
        inside = [one for one in node if one.tag in (*_DERIVED, *_CONTENT, *_NAMED, _UNION, _LIST)]
        names = [name for key in _REFERENCES for name in node.get(key, "").split()]
        behind = (self.named.get(clark(node, name), []) for name in names)
        return [*([one] for one in inside), *behind]


def _own(node: Element) -> _Cost:
    """Return the cost of the facets of a definition, and of the attributes that it requires."""
    patterns = [one.get("value", "") for one in node.iterchildren(xs("pattern"))]
    values = [len(one.get("value", "")) for one in node.iterchildren(xs("enumeration"))]
    required = sum(
        one.get("use", "").strip() == "required" for one in node.iterchildren(xs("attribute"))
    )
    return _Cost(
        byte=_PATTERN * sum(max(1, len(one) / _CLASS) for one in patterns),
        text=_VALUE * len(values),
        error=_TOLD * len(values) + _TOLD_CHARACTER * sum(values) + _REQUIRED * required,
    )
