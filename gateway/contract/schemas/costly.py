"""Parts of a contract's schemas that can take long to compile or check (libxml2 2.14, measured).

A contract with any of them is compiled and checked in a separate process, which can be ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from gateway.contract.documents.gathering import Document
from gateway.contract.documents.reader import shown
from gateway.contract.names import XS, clark, parse, xs
from gateway.contract.schemas.expansion import union_sizes
from gateway.contract.schemas.patterns import judged
from gateway.soap.envelope import Element

ENUMERATION = 1000
"""Values of one type: each takes 40 ns, for each compared text."""
UNION = 64
"""Types of a union: each takes 0.5 us, for each text."""
JUDGING = 500_000
"""Steps for analysing all patterns of a contract, at most: a few seconds of work."""
PARTICLES = 300
"""Elements of one type: 300 optional ones are compiled in 0.1 s, 1000 in 4 s, 2000 in 33 s."""
SHOWN = 20
"""Places that are reported, at most."""
ATTRIBUTES = 300
"""Attributes of one type: each takes 20 ns for each element of it, and 0.1 us with a default."""
NAMESPACES = 64
"""Namespaces that a wildcard lists: each takes 10 ns, for each element."""
VALUE = 1000
"""Characters of a fixed or default value: each error quotes it."""
_TYPE = xs("complexType")
_GROUP = xs("group")
_ATTRIBUTES = xs("attributeGroup")
_LEAVES = (xs("element"), xs("any"))
_MODELS = (xs("sequence"), xs("choice"), xs("all"), _GROUP)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A part that may take long: its place, what it is, and the cure."""

    place: str
    what: str
    cure: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}; {self.cure}"


def doubts(documents: Mapping[str, Document]) -> list[Doubt]:
    """The parts that may take long, the first SHOWN of them."""
    roots = {
        shown(one.location): parse(one.data, shown(one.location), bare=True)
        for one in documents.values()
    }
    index = _Index(roots)
    found = (one for place, root in roots.items() for one in _in_document(place, root, index))
    return list(islice(found, SHOWN))


@dataclass(slots=True)
class _Index:
    """The declarations of the whole contract, by name.

    By kind and local name alone: of two with one name, the larger counts.
    """

    roots: Mapping[str, Element]
    unions: Mapping[Element, int] = field(init=False)
    named: dict[tuple[str, str], list[Element]] = field(init=False)
    substitutes: Counter[str] = field(init=False)
    sizes: dict[Element, int] = field(init=False, default_factory=dict)
    attribute_counts: dict[Element, int] = field(init=False, default_factory=dict)
    patterns: dict[str, str] = field(init=False, default_factory=dict)
    """The problem of each analysed pattern; empty without one."""
    steps: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.named, self.substitutes = {}, Counter()
        self.unions = union_sizes(self.roots)
        for root in self.roots.values():
            for node in root.iter(_TYPE, _GROUP, _ATTRIBUTES):
                if node.get("name") is not None:
                    self.named.setdefault((str(node.tag), node.get("name", "")), []).append(node)
            for node in root.iter(xs("element")):
                if node.get("substitutionGroup"):
                    self.substitutes[_local(node.get("substitutionGroup", ""))] += 1

    def behind(self, kind: str, name: str) -> list[Element]:
        return self.named.get((kind, _local(name)), [])

    def pattern(self, value: str) -> str:
        """Why a pattern may take long; after JUDGING steps no more are analysed."""
        if value not in self.patterns:
            if self.steps >= JUDGING:
                return "more patterns than are analysed"
            is_linear, steps = judged(value)
            self.steps += steps
            self.patterns[value] = "a pattern with many ways to read a value" * (not is_linear)
        return self.patterns[value]

    def size(self, top: Element) -> int:
        """Return how many particles a content model has, with groups and bases expanded."""
        return self._total(top, self.sizes, self._particles)

    def attributes(self, top: Element) -> int:
        """Return how many attributes a type has, with groups and bases expanded."""
        return self._total(top, self.attribute_counts, _is_attribute)

    def _total(
        self, top: Element, known: dict[Element, int], count: Callable[[Element], int]
    ) -> int:
        if top in known:
            return known[top]
        known[top] = 0  # a cycle ends here
        total = 0
        for node in _own(top):
            total += count(node)
            for_each = [self._total(one, known, count) for one in self.reached(node)]
            total += max(for_each, default=0)
        known[top] = total
        return total

    def _particles(self, node: Element) -> int:
        if node.tag not in _LEAVES:
            return 0
        return 1 + self.substitutes[_local(node.get("ref", ""))]

    def reached(self, node: Element) -> list[Element]:
        """Return the group, or the base, that a node of a content model refers to."""
        if node.tag == xs("extension"):
            base = node.get("base", "")
            is_built_in = clark(node, base).startswith(f"{{{XS}}}")
            return [] if is_built_in else self.behind(_TYPE, base)
        is_group = node.tag in (_GROUP, _ATTRIBUTES) and node.get("ref") is not None
        return self.behind(str(node.tag), node.get("ref", "")) if is_group else []


def _is_attribute(node: Element) -> int:
    return int(node.tag == xs("attribute"))


def _local(name: str) -> str:
    return name.rpartition(":")[2].strip()


def _own(top: Element) -> Iterator[Element]:
    """Yield the nodes of a content model, without the content of its elements."""
    pending = list(top)
    while pending:
        node = pending.pop()
        yield node
        if node.tag not in _LEAVES:
            pending += list(node)


def _in_document(place: str, root: Element, index: _Index) -> Iterator[Doubt]:
    for node in root.iter(*_JUDGES):
        what, cure = _JUDGES[str(node.tag)](node, index)
        if what:
            yield Doubt(f"{place}:{node.sourceline}", what + _of(node), cure)


def _pattern(node: Element, index: _Index) -> Said:
    return index.pattern(node.get("value", "")), _PATTERN


def _listed(node: Element, index: _Index) -> Said:
    many = sum(1 for _ in node.iterchildren(xs("enumeration"))) > ENUMERATION
    return f"more than {ENUMERATION} enumerated values" * many, _FEWER


def _union(node: Element, index: _Index) -> Said:
    return f"more than {UNION} types in a union" * (index.unions.get(node, 0) > UNION), _FEWER


def _model(node: Element, index: _Index) -> Said:
    if index.size(node) > PARTICLES:
        return f"more than {PARTICLES} elements", _SPLIT
    if index.attributes(node) > ATTRIBUTES:
        return f"more than {ATTRIBUTES} attributes", _SPLIT
    return "nested repetitions" * _is_nested(node, index), _ONE


def _key(node: Element, index: _Index) -> Said:
    # One path may select an element once for each element around it, and each pair is an error.
    return "values that must be unique, or refer to each other", _LEFT


def _wildcard(node: Element, index: _Index) -> Said:
    many = len(node.get("namespace", "").split()) > NAMESPACES
    return f"more than {NAMESPACES} namespaces in a wildcard" * many, _ANY


def _given(node: Element, index: _Index) -> Said:
    long = max(len(node.get("fixed", "")), len(node.get("default", ""))) > VALUE
    return f"a fixed or default value of more than {VALUE} characters" * long, _SHORTER


Said = tuple[str, str]
"""The part that may take long, empty for none; and the cure."""
_JUDGES: dict[str, Callable[[Element, _Index], Said]] = {
    xs("pattern"): _pattern,
    xs("restriction"): _listed,
    xs("union"): _union,
    _TYPE: _model,
    _GROUP: _model,
    xs("unique"): _key,
    xs("key"): _key,
    xs("keyref"): _key,
    xs("any"): _wildcard,
    xs("anyAttribute"): _wildcard,
    xs("element"): _given,
    xs("attribute"): _given,
}
_PATTERN = "write it so that each part can match in one way only: a+(-a+)* in place of (a+-?)*"
_FEWER = "name fewer, or take a plain type"
_SPLIT = "split it into several types"
_ONE = 'give one of them maxOccurs="unbounded", and the others none'
_LEFT = "leave that check to the service"
_ANY = 'allow any namespace: "##any" or "##other"'
_SHORTER = "give a shorter one, or none"


def _of(node: Element) -> str:
    """Return `` of NAME``, the type or element that a node belongs to."""
    for one in (node, *node.iterancestors()):
        if one.get("name") is not None:
            return f" of {one.get('name')}"
    return ""


def _is_nested(top: Element, index: _Index) -> bool:
    """True if a content model has nested repetitions, and so may be matched in several ways.

    libxml2 backtracks over all choices when a message is invalid; and the compiled size of such a
    model multiplies with each repetition.
    """
    pending, steps = [(one, False) for one in top], 0
    while pending:
        node, is_inside = pending.pop()
        steps, repeats = steps + 1, _repeats(node)
        if steps > 10 * PARTICLES or (repeats and is_inside):
            return True
        if node.tag not in _LEAVES:
            inner = repeats or is_inside
            pending += [(one, inner) for one in (*node, *_inside(node, index))]
    return False


def _inside(node: Element, index: _Index) -> list[Element]:
    return [one for reached in index.reached(node) for one in reached]


def _repeats(node: Element) -> bool:
    is_particle = node.tag in (*_LEAVES, *_MODELS)
    return is_particle and node.get("maxOccurs", "1").strip() not in ("0", "1")
