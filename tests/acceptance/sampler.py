"""Random valid instances of the elements and types that the schemas of a contract declare."""

from __future__ import annotations

import base64
import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from lxml import etree
from patterns import matching

from gateway.contract.names import (
    XML,
    XS,
    XSI,
    clark,
    xs,
)
from gateway.soap.envelope import Element

DEPTH = 7
"""Below this depth only what is required is written, so that recursive types come to an end."""
SIZE = 150
"""After so many elements, too."""
REPEATS = 2
"""How many more than the least there are of what may be repeated."""

TEXTS = (
    "",
    "plain",
    " two  spaces ",
    "a<b & c>d \"q\" 'a'",
    "]]>",
    "Žluťoučký",
    "漢字 🚚",
    "a\tb\nc",
)
STRINGS = ("string", "normalizedString", "token")
WORDS = (*STRINGS, "NMTOKEN", "Name", "NCName", "anyURI", "language")
LITERALS = {
    "boolean": ("true", "false", "1", "0", " true\n"),
    "float": ("-0", "1.5E3", "INF", "NaN"),
    "double": ("-1.5e-3", "0", "-INF", " 7 "),
    "dateTime": ("2024-02-29T23:59:59.999Z", "1999-12-31T00:00:00", "2024-05-06T07:08:09-11:30"),
    "date": ("2024-02-29", "1582-10-15Z", "2024-05-06+14:00"),
    "time": ("00:00:00", "23:59:59.5Z"),
    "duration": ("P1Y2M3DT4H5M6.7S", "-PT0S"),
    "base64Binary": ("", "aGVsbG8=", "aGVs bG8=", "AAEC/w=="),
    "hexBinary": ("", "00fF"),
    "anyURI": ("urn:x", "http://example.com/a?b=c&d=%20"),
    "anyType": ("x",),
    "ID": ("a1", "_b"),
    "NMTOKEN": ("a-1", "7"),
    "NCName": ("a1",),
    "Name": ("a:1",),
    "language": ("en", "de-AT"),
    "gYear": ("2024", "-0044Z"),
    "gYearMonth": ("2024-02",),
    "gMonthDay": ("--02-29",),
    "gDay": ("---31",),
    "gMonth": ("--12",),
    "QName": ("xml:lang", "local"),
    "NMTOKENS": ("a b", "c"),
    "anySimpleType": ("x",),
}
RANGES = {
    "decimal": (-(10**9), 10**9),
    "integer": (-(10**20), 10**20),
    "nonNegativeInteger": (0, 10**20),
    "positiveInteger": (1, 10**20),
    "long": (-(2**63), 2**63 - 1),
    "unsignedLong": (0, 2**64 - 1),
    "int": (-(2**31), 2**31 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "short": (-(2**15), 2**15 - 1),
    "unsignedShort": (0, 2**16 - 1),
    "byte": (-128, 127),
    "unsignedByte": (0, 255),
}

RARE = {
    "QName": ("xsi:nil",),
    "nonPositiveInteger": ("0", "-7"),
    "negativeInteger": ("-1", "-99999999999999999999"),
}
"""Values of types, and of prefixes, that only a full sampler can make."""
BOUNDS = {"minInclusive", "maxInclusive"}

NIL = f"{{{XSI}}}nil"
TYPE = f"{{{XSI}}}type"

_DERIVATIONS = (xs("extension"), xs("restriction"))
_PARTICLES = tuple(map(xs, ("element", "sequence", "choice", "all", "group", "any")))
_FOREIGN = "urn:sampler:foreign"

Declared = Mapping[tuple[str, str], Element]
"""What schemas declare at their top, by the local name of its element, and its own name."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An instance; it would not be valid without any single one of ``required``."""

    root: Element
    required: tuple[Element, ...]


class Sampler:
    """Makes instances of what some schemas declare.

    What it cannot make (patterns, abstract types, identity constraints) raises LookupError.
    A ``full`` one makes these too, but for identity constraints, and then: derived types by
    xsi:type, members of substitution groups, elements and attributes of wildcards, and, unless
    ``mixed`` is False, mixed content.
    """

    def __init__(
        self,
        schemas: Iterable[Element],
        random: Random,
        *,
        full: bool = False,
        mixed: bool = True,
    ) -> None:
        """The same state of ``random`` makes the same instances."""
        self._random = random
        self._full = full
        self._mixed = full and mixed
        self._declared: Declared = {
            (etree.QName(node).localname, _name_in(schema, node)): node
            for schema in schemas
            for node in schema.iterchildren(xs("*"))
            if node.get("name")
        }

    def element(self, name: str) -> Sample:
        """Return an instance of a global element, by its name in Clark notation."""
        growth, root = self._begun(name)
        growth.fill(root, self._declared["element", name], 0)
        return Sample(root, tuple(growth.required))

    def wrapper(self, name: str, parts: Mapping[str, str]) -> Sample:
        """Return the wrapper of an rpc/literal message, from the types of its parts."""
        growth, root = self._begun(name)
        for part, kind in parts.items():
            growth.fill_type(etree.SubElement(root, part), kind, 1)
        return Sample(root, (*root, *growth.required))

    def _begun(self, name: str) -> tuple[_Growth, Element]:
        if not self._full:
            return _Growth(self._declared, self._random, None, False), etree.Element(name)
        root = etree.Element(name, nsmap={"xsi": XSI, "xsd": XS, **self._prefixes})
        return _Growth(self._declared, self._random, self._kin, self._mixed), root

    @functools.cached_property
    def _prefixes(self) -> Mapping[str, str]:
        spaces = {etree.QName(one).namespace or "" for _, one in self._declared} - {"", XML}
        return {f"s{at}": uri for at, uri in enumerate(sorted(spaces))}

    @functools.cached_property
    def _kin(self) -> Kin:
        return Kin(self._declared)


class Kin:
    """Which types and elements may stand in the place of others."""

    def __init__(self, declared: Declared) -> None:
        self._declared = declared
        self._derived: dict[str, list[str]] = {}
        self._members: dict[str, list[str]] = {}
        for (what, name), node in declared.items():
            made = _derivation(node) if what == "complexType" else None
            if made is not None:
                self._derived.setdefault(_name(made, "base"), []).append(name)
            if what == "element" and node.get("substitutionGroup"):
                self._members.setdefault(_name(node, "substitutionGroup"), []).append(name)

    def types(self, name: str) -> list[str]:
        """Return the types that are derived from one, at any depth, and are not abstract."""
        own = self._derived.get(name, [])
        every = [*own, *(deep for one in own for deep in self.types(one))]
        return [one for one in every if not _is_abstract(self._declared["complexType", one])]

    def elements(self, name: str) -> list[str]:
        """Return the members of an element's substitution group that are not abstract."""
        own = self._members.get(name, [])
        every = [*own, *(deep for one in own for deep in self.elements(one))]
        return [one for one in every if not _is_abstract(self._declared["element", one])]


def _is_abstract(node: Element) -> bool:
    return node.get("abstract") in ("true", "1")


class _Growth:
    """One instance, while it grows."""

    def __init__(self, declared: Declared, random: Random, kin: Kin | None, mixed: bool) -> None:
        self.required: list[Element] = []
        self._is_full = kin is not None
        self._mixed = mixed
        self._declared = declared
        self._random = random
        self._kin = kin
        self._left = SIZE

    def fill(self, at: Element, declaration: Element, depth: int) -> None:
        """Give an element what its declaration asks for."""
        if declaration.get("fixed") is not None:
            at.text = declaration.get("fixed")
            return
        may_be_nil = declaration.get("nillable") in ("true", "1") and not self._needs_type(
            declaration
        )
        if may_be_nil and self._random.random() < 0.2:
            at.set(NIL, self._random.choice(("true", "1")))
        inline = next(declaration.iterchildren(xs("complexType"), xs("simpleType")), None)
        named = _name(declaration, "type") or xs("anyType")
        self.fill_type(at, named if inline is None else inline, depth)

    def fill_type(self, at: Element, kind: str | Element, depth: int) -> None:
        """Give an element the content of a type: its name, or what declares it."""
        kind = self._specialised(at, kind, depth)
        node = self._declared.get(("complexType", kind)) if isinstance(kind, str) else kind
        if node is not None and node.tag == xs("complexType"):
            self._attributes(at, node)
            if NIL not in at.attrib:
                self._content(at, node, depth)
        elif NIL not in at.attrib:
            at.text = self._value(kind)

    def _needs_type(self, declaration: Element) -> bool:
        """Tell whether a type is abstract: even nil would have to say what it is the nil of."""
        found = self._declared.get(("complexType", _name(declaration, "type")))
        return found is not None and _is_abstract(found)

    def _specialised(self, at: Element, kind: str | Element, depth: int) -> str | Element:
        """Return a type that is derived from a named one, at times; xsi:type says which."""
        found = self._declared.get(("complexType", kind)) if isinstance(kind, str) else None
        if self._kin is None or found is None or not isinstance(kind, str):
            return kind
        others = self._kin.types(kind)
        wanted = self._random.random() < (0.3 if depth < DEPTH else 0)
        if not others or not (_is_abstract(found) or wanted):
            return kind
        chosen = self._random.choice(others)
        name = etree.QName(chosen)
        prefix = next((key for key, uri in at.nsmap.items() if key and uri == name.namespace), "")
        at.set(TYPE, f"{prefix}:{name.localname}" if prefix else name.localname)
        return chosen

    def _value(self, kind: str | Element) -> str:
        return value(kind, self._declared, self._random, full=self._is_full)

    def _attributes(self, at: Element, kind: Element) -> None:
        for node in _attributes(kind, self._declared):
            wanted = node.get("use") == "required" or self._random.random() < 0.5
            if not wanted or node.get("use") == "prohibited":
                continue
            name = _name(node, "ref")
            target = self._declared["attribute", name] if name else node
            inline = target.find(xs("simpleType"))
            named = _name(target, "type") or xs("anySimpleType")
            text = target.get("fixed") or self._value(named if inline is None else inline)
            at.set(name or _tag(node), text)
        if (
            self._is_full
            and _has_any_attribute(kind, self._declared)
            and self._random.random() < 0.3
        ):
            at.set(f"{{{_FOREIGN}}}note", "beside")

    def _content(self, at: Element, kind: Element, depth: int) -> None:
        """Write the content of a complex type: first that of its base, where it extends one."""
        if kind.get("abstract") == "true" and self._kin is None:
            raise LookupError(f"no instance of the abstract type {kind.get('name')}")
        if kind.find(xs("simpleContent")) is not None:
            at.text = self._value(kind)
            return
        derivation = _derivation(kind)
        base = None if derivation is None else _base(derivation, self._declared)
        if base is not None and derivation is not None and derivation.tag == xs("extension"):
            self._content(at, base, depth)
        for particle in (kind if derivation is None else derivation).iterchildren(*_PARTICLES):
            self._particle(at, particle, depth, True)
        if self._mixed and kind.get("mixed") in ("true", "1"):
            at.text = self._random.choice(TEXTS)
            for child in at:
                child.tail = self._random.choice(TEXTS)

    def _particle(self, at: Element, node: Element, depth: int, certain: bool) -> None:
        """Write a particle as often as it may be; ``certain`` where its parent needs it."""
        least, times = int(node.get("minOccurs", "1")), self._times(node, depth)
        if node.tag == xs("element"):
            made = [self._element(at, node, depth) for _ in range(times)]
            self.required += made if certain and times == least else []
        elif node.tag == xs("any"):
            for _ in range(times if self._is_full else 0):
                self._wild(at, node, least)
        else:
            certain = certain and least == 1 and node.get("maxOccurs", "1") == "1"
            for _ in range(times):
                self._group(at, node, depth, certain)

    def _wild(self, at: Element, node: Element, least: int) -> None:
        """Write an element that no schema declares, where a wildcard lets it pass."""
        if node.get("processContents", "strict") == "strict" or (
            node.get("namespace", "##any") not in ("##any", "##other")
        ):
            if least:
                raise LookupError("a wildcard that takes only what is declared")
            return
        made = etree.SubElement(at, f"{{{_FOREIGN}}}thing", {"size": "3"})
        etree.SubElement(made, f"{{{_FOREIGN}}}part").text = self._random.choice(TEXTS)

    def _times(self, node: Element, depth: int) -> int:
        least, most = int(node.get("minOccurs", "1")), node.get("maxOccurs", "1")
        if depth > DEPTH or self._left <= 0:
            return least
        limit = least + REPEATS if most == "unbounded" else min(int(most), least + REPEATS)
        return max(self._random.randint(least, limit) for _ in range(2))

    def _group(self, at: Element, node: Element, depth: int, certain: bool) -> None:
        """Write a group once: one of a choice, all of an all in any order, all of a sequence."""
        if node.tag == xs("group"):
            node = self._declared["group", _name(node, "ref")]
        particles = list(node.iterchildren(*_PARTICLES))
        if node.tag == xs("all"):
            self._random.shuffle(particles)
        if node.tag == xs("choice"):
            particles, certain = self._random.sample(particles, min(1, len(particles))), False
        for particle in particles:
            self._particle(at, particle, depth, certain)

    def _element(self, parent: Element, node: Element, depth: int) -> Element:
        self._left -= 1
        name = _name(node, "ref")
        if name and self._kin and (members := self._kin.elements(name)):
            itself = [] if _is_abstract(self._declared["element", name]) else [name]
            name = self._random.choice([*itself, *members])
        made = etree.SubElement(parent, name or _tag(node))
        self.fill(made, self._declared["element", name] if name else node, depth + 1)
        return made


def _name(node: Element, attribute: str) -> str:
    """Return what an attribute names, in Clark notation; empty where it is not there."""
    return clark(node, node.get(attribute, "")) if node.get(attribute) else ""


def _name_in(schema: Element, node: Element) -> str:
    namespace, name = schema.get("targetNamespace"), node.get("name", "")
    return f"{{{namespace}}}{name}" if namespace else name


def _tag(node: Element) -> str:
    """Return the name of a local element or attribute, qualified where its schema says so."""
    schema = next(node.iterancestors(xs("schema")))
    form = node.get("form") or schema.get(f"{etree.QName(node).localname}FormDefault")
    return _name_in(schema, node) if form == "qualified" else node.get("name", "")


def _derivation(kind: Element) -> Element | None:
    """Return the extension or restriction that makes a complex type, if it is made by one."""
    content = next(kind.iterchildren(xs("complexContent"), xs("simpleContent")), None)
    return None if content is None else next(content.iterchildren(*_DERIVATIONS))


def _base(derivation: Element, declared: Declared) -> Element | None:
    return declared.get(("complexType", _name(derivation, "base")))


def _attributes(kind: Element, declared: Declared) -> Iterator[Element]:
    """Yield the attributes of a complex type, or of an attribute group: those of its base first."""
    derivation = _derivation(kind)
    if derivation is not None and (base := _base(derivation, declared)) is not None:
        yield from _attributes(base, declared)
    own = kind if derivation is None else derivation
    yield from own.iterchildren(xs("attribute"))
    for group in own.iterchildren(xs("attributeGroup")):
        yield from _attributes(declared["attributeGroup", _name(group, "ref")], declared)


def _has_any_attribute(kind: Element, declared: Declared) -> bool:
    derivation = _derivation(kind)
    if derivation is not None and (base := _base(derivation, declared)) is not None:
        extends = derivation.tag == xs("extension")
        return extends and _has_any_attribute(base, declared)
    wildcard = kind.find(xs("anyAttribute"))
    # A strict one takes only attributes that a schema declares: the sampler's own are not.
    return wildcard is not None and wildcard.get("processContents", "strict") != "strict"


def value(
    kind: str | Element,
    declared: Declared,
    random: Random,
    facets: Mapping[str, str] | None = None,
    *,
    full: bool = False,
) -> str:
    """Return a value of a type, by its name or what declares it. Raises LookupError.

    ``facets`` are those of the types that are derived from it.
    """
    if isinstance(kind, str):
        found = declared.get(("simpleType", kind), declared.get(("complexType", kind)))
        if found is None:
            make = _any_builtin if full else _builtin
            return make(etree.QName(kind).localname, random, facets or {})
        kind = found
    made = next(kind.iter(*_DERIVATIONS, xs("list"), xs("union")))
    choices = [node.get("value", "") for node in made.iterchildren(xs("enumeration"))]
    if choices:
        return random.choice(choices)
    own = {etree.QName(node).localname: node.get("value", "") for node in made if node.get("value")}
    names = " ".join(made.get(name, "") for name in ("base", "itemType", "memberTypes")).split()
    inner = clark(made, names[0]) if names else next(made.iterchildren(xs("simpleType")))
    if full and made.tag == xs("list"):
        return " ".join(_items(inner, declared, random, facets or {}))
    return value(inner, declared, random, {**own, **(facets or {})}, full=full)


def _items(
    kind: str | Element, declared: Declared, random: Random, facets: Mapping[str, str]
) -> Iterator[str]:
    """Yield the items of a list; an empty one, or one with a blank, would not be an item."""
    least = int(facets.get("length", facets.get("minLength", 0)))
    most = int(facets.get("length", facets.get("maxLength", least + REPEATS)))
    for _ in range(random.randint(least, most)):
        item = value(kind, declared, random, full=True)
        yield "".join(item.split()) or "x"


def _any_builtin(name: str, random: Random, facets: Mapping[str, str]) -> str:
    """Return a value of any built-in type. Raises LookupError where there is none."""
    if "pattern" in facets and name in WORDS:
        return _matching(random, facets)
    if name == "ID":
        return f"i{random.getrandbits(48)}"  # none twice in a document
    if name in RARE:
        return random.choice(RARE[name])
    if name in ("float", "double", "date", "dateTime") and (bounds := BOUNDS & facets.keys()):
        return facets[min(bounds)]
    if name in LITERALS and facets.keys() & {"length", "minLength", "maxLength"}:
        return _fitting(name, random, facets)
    return _builtin(name, random, {**facets} if name in (*RANGES, *STRINGS) else {})


def _matching(random: Random, facets: Mapping[str, str]) -> str:
    """Return a text that matches a pattern and is as long as it may be. Raises LookupError."""
    exact = facets.get("length", "0")
    least, most = int(facets.get("minLength", exact)), int(facets.get("maxLength", exact))
    for _ in range(200):
        made = matching(facets["pattern"], random)
        if least <= len(made) <= (most or len(made)):
            return made
    raise LookupError(f"nothing so long matches {facets['pattern']}")


def _fitting(name: str, random: Random, facets: Mapping[str, str]) -> str:
    """Return a value that is as long as it may be: in octets, or in characters."""
    exact = facets.get("length", "0")
    least, most = int(facets.get("minLength", exact)), facets.get("maxLength", exact)
    size = random.randint(least, int(most) if int(most) >= least and int(most) else least + 3)
    if name == "base64Binary":
        return base64.b64encode(random.randbytes(size)).decode()
    return random.randbytes(size).hex() if name == "hexBinary" else "u" * size


def _builtin(name: str, random: Random, facets: Mapping[str, str]) -> str:
    if name in RANGES:
        return _number(name, random, facets)
    if "pattern" in facets and name in WORDS:
        return matching(facets["pattern"], random)
    if name in STRINGS and facets.keys() <= {"length", "minLength", "maxLength", "whiteSpace"}:
        exact = facets.get("length", "0")
        least, most = facets.get("minLength", exact), facets.get("maxLength", exact)
        return random.choice(TEXTS)[: int(most) or None].ljust(int(least), "x")
    if facets or name not in LITERALS:
        raise LookupError(f"no value for {name} with the facets {dict(facets)}")
    return random.choice(LITERALS[name])


def _number(kind: str, random: Random, facets: Mapping[str, str]) -> str:
    """Return a number of so many digits, within the bounds; exactly on one without a fraction."""
    if "pattern" in facets:
        raise LookupError("no number for a pattern")
    places = min(int(facets.get("fractionDigits", "3")), 3) if kind == "decimal" else 0
    beyond = 10 ** (int(facets.get("totalDigits", "30")) - places)
    low, high = RANGES[kind]
    low = max(low, 1 - beyond, _bound(facets, "minInclusive", low, 0))
    low = max(low, _bound(facets, "minExclusive", low, 1))
    high = min(high, beyond - 1, _bound(facets, "maxInclusive", high, 0))
    high = min(high, _bound(facets, "maxExclusive", high, -1))
    number = random.randint(low, high)
    fraction = random.randrange(10**places) if low < number < high else 0
    return f"{number}.{fraction:0{places}}" if fraction else str(number)


def _bound(facets: Mapping[str, str], name: str, otherwise: int, inwards: int) -> int:
    """Return the nearest whole number inside of a bound."""
    if name not in facets:
        return otherwise
    outer = Decimal(facets[name])
    return (math.floor(outer) if name.startswith("max") else math.ceil(outer)) + inwards
