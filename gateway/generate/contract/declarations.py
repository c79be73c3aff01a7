"""The declarations in a contract's schemas, by name, and those that some operations reach."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lxml import etree

from gateway.contract.names import XS, clark, xs
from gateway.generate.python.source import visible
from gateway.soap.envelope import Element

Key = tuple[str, str]
"""The local name of what declares (complexType, element...), and the declared name (Clark)."""

_DECLARING = ("element", "complexType", "simpleType", "group", "attribute", "attributeGroup")
_BREAK = re.compile(r"</?(?:br|p)\s*/?>", re.IGNORECASE)
_TYPED = ("type", "base", "itemType", "memberTypes")
"""The attributes that name types."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a declaration stands: what its names mean, and how its children are qualified."""

    namespace: str
    qualified_elements: bool
    qualified_attributes: bool


class Declarations:
    """All global declarations of a contract."""

    def __init__(self, schemas: Mapping[str, Sequence[Element]]) -> None:
        self._nodes: dict[Key, Element] = {}
        self._scopes: dict[Element, Scope] = {}
        self._members: dict[str, list[str]] = defaultdict(list)
        self._derived: dict[str, list[str]] = defaultdict(list)
        for namespace, schema in ((name, one) for name, every in schemas.items() for one in every):
            self._scopes[schema] = _scope(schema, namespace)
            for node in schema.iterchildren(*map(xs, _DECLARING)):
                name = in_namespace(namespace, node.get("name", ""))
                self._nodes.setdefault((_local(node), name), node)
        for (kind, name), node in self._nodes.items():
            self._relate(kind, name, node)

    def get(self, kind: str, name: str) -> Element | None:
        """The declaration of a name, if there is one."""
        return self._nodes.get((kind, name))

    def all(self) -> Sequence[Key]:
        """Return all that is declared, in the order of the documents."""
        return tuple(self._nodes)

    def scope(self, node: Element) -> Scope:
        """Return the scope of a declaration."""
        schema = node if node.tag == xs("schema") else next(node.iterancestors(xs("schema")))
        return self._scopes[schema]

    def reference(self, node: Element, attribute: str) -> str:
        """The name in an attribute, in Clark notation; empty where there is none.

        Without a prefix, an included document without a namespace means its includer's.
        """
        value = node.get(attribute)
        return self._resolve(node, value) if value else ""

    def references(self, node: Element, attribute: str) -> list[str]:
        """Return all that an attribute names."""
        return [self._resolve(node, value) for value in node.get(attribute, "").split()]

    def derived(self, name: str) -> Sequence[str]:
        """Return the complex types that are derived from one directly, in document order."""
        return self._derived.get(name, ())

    def members(self, head: str) -> list[str]:
        """Return the elements that may stand in for one, directly or through others."""
        found: dict[str, None] = {}
        pending = list(self._members.get(head, ()))
        while pending:
            name = pending.pop(0)
            if name not in found:
                found[name] = None
                pending += self._members.get(name, ())
        return list(found)

    def _relate(self, kind: str, name: str, node: Element) -> None:
        """Note which declarations are derived from, or stand in for, which others."""
        head = self.reference(node, "substitutionGroup")
        if kind == "element" and head:
            self._members[head].append(name)
        made = derivation(node) if kind == "complexType" else None
        if made is not None and self.reference(made, "base") != xs("anyType"):
            self._derived[self.reference(made, "base")].append(name)

    def _resolve(self, node: Element, value: str) -> str:
        name = clark(node, value)
        if name.startswith("{"):
            return name
        schema = node if node.tag == xs("schema") else next(node.iterancestors(xs("schema")))
        is_lent = not schema.get("targetNamespace")
        return in_namespace(self._scopes[schema].namespace if is_lent else "", name)


def reached(declarations: Declarations, starts: Iterable[Key]) -> list[Key]:
    """Return the declarations that some lead to, types derived from those among them.

    In the order of the documents: it decides who gets a name that two could have.
    """
    found: set[Key] = set()
    pending = list(starts)
    while pending:
        key = pending.pop()
        node = declarations.get(*key)
        if key not in found and node is not None:
            found.add(key)
            pending += _leads(declarations, key, node)
    return [key for key in declarations.all() if key in found]


def _leads(declarations: Declarations, key: Key, node: Element) -> Iterator[Key]:
    for one in node.iter(f"{{{XS}}}*"):
        yield from _named_by(declarations, one)
    kind, name = key
    if kind == "complexType":
        yield from (("complexType", one) for one in declarations.derived(name))
    elif kind == "element":
        yield from (("element", one) for one in declarations.members(name))


def _named_by(declarations: Declarations, node: Element) -> Iterator[Key]:
    for attribute in _TYPED:
        for name in declarations.references(node, attribute):
            yield from (("complexType", name), ("simpleType", name))
    target = declarations.reference(node, "ref")
    if target:
        yield _local(node), target


def _scope(schema: Element, namespace: str) -> Scope:
    forms = (schema.get(f"{name}FormDefault") == "qualified" for name in ("element", "attribute"))
    return Scope(namespace, *forms)


def in_namespace(namespace: str, name: str) -> str:
    """Return a name in Clark notation."""
    return f"{{{namespace}}}{name}" if namespace else name


def derivation(node: Element) -> Element | None:
    """Return the extension or restriction that a complex type is made by, if it is."""
    content = next(node.iterchildren(xs("complexContent"), xs("simpleContent")), None)
    if content is None:
        return None
    return next(content.iterchildren(xs("extension"), xs("restriction")), None)


def documentation(node: Element) -> str:
    """The text of an annotation, with single blanks; paragraphs stay apart."""
    notes = node.iterfind(f"{xs('annotation')}/{xs('documentation')}")
    return paragraphs("\n\n".join("".join(map(str, note.itertext())) for note in notes))


def paragraphs(text: str) -> str:
    """Return text with its blanks evened out; an empty line, or <br/>, still ends a paragraph."""
    blocks: list[list[str]] = [[]]
    for line in _BREAK.sub("\n\n", text).splitlines():
        if line.strip():
            blocks[-1] += line.split()
        elif blocks[-1]:
            blocks.append([])
    found = (" ".join(block) for block in blocks)
    return "\n\n".join(block for block in found if visible(block).strip())


def _local(node: Element) -> str:
    return etree.QName(node).localname
