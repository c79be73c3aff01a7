"""The records of a contract: who has which class name, and each built once."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from gateway.contract.names import XS, xs
from gateway.generate.contract.complex_types import Wanted, complex_type, group
from gateway.generate.contract.declarations import Declarations
from gateway.generate.contract.simple import TEXT, SimpleTypes
from gateway.generate.model import Field, GapKind, Group, GroupKind, Origin, RecordClass, Type
from gateway.generate.naming import Names, pascal
from gateway.soap.envelope import Element


@dataclass(frozen=True, slots=True)
class Seen:
    """A gap, and the record that has it."""

    kind: GapKind
    where: str
    class_name: str


class Records:
    """Complex types by class name. They are built when all that is needed has been asked for."""

    def __init__(self, declarations: Declarations, simple: SimpleTypes, names: Names) -> None:
        self.records: dict[str, RecordClass] = {}
        self.gaps: list[Seen] = []
        self.declarations = declarations
        self.simple = simple
        self._names = names
        self._wanted: dict[Element, Wanted] = {}
        self._pending: list[Wanted] = []
        self._building: set[str] = set()

    def named(self, name: str, where: str) -> Type:
        """Return a type by its name in Clark notation; ``where`` it is used, for a gap."""
        simple = self.simple.named(name)
        node = self.declarations.get("complexType", name)
        if simple is not None:
            return simple
        if node is not None and not name.startswith(f"{{{XS}}}"):
            return self.record(node, etree.QName(name).localname, Origin.TYPE, name)
        kind = GapKind.ANY_TYPE if name == xs("anyType") else GapKind.UNDECLARED
        self.note(kind, where, where)
        return None

    def of(self, node: Element, hint: str, where: str) -> Type:
        """Return the type of an element or attribute; ``hint`` is what its class is called by."""
        name = self.declarations.reference(node, "type")
        if name:
            return self.named(name, where)
        for inline in node.iterchildren(xs("complexType")):
            return self.record(inline, hint, Origin.ANONYMOUS)
        for inline in node.iterchildren(xs("simpleType")):
            return self.simple.of(inline, "", hint)
        if node.tag == xs("attribute"):
            return TEXT
        # An element without a type has that of its substitution group's head.
        head = self.declarations.reference(node, "substitutionGroup")
        declared = self.declarations.get("element", head) if head else None
        if declared is None:
            return self.named(xs("anyType"), where)
        return self.of(declared, hint, where)

    def record(self, node: Element, hint: str, origin: Origin, xml_name: str = "") -> str:
        """Return the class name of what a node describes, to be built soon."""
        if node not in self._wanted:
            class_name = self._names.unique(pascal(hint))
            self._wanted[node] = wanted = Wanted(node, class_name, xml_name, origin)
            self._pending.append(wanted)
        return self._wanted[node].class_name

    def message(self, hint: str, fields: tuple[Field, ...]) -> str:
        """Return the class name of a record that has the parts of a message."""
        class_name = self._names.unique(pascal(hint))
        content = Group(kind=GroupKind.SEQUENCE, particles=fields)
        self.records[class_name] = RecordClass(
            class_name=class_name, origin=Origin.MESSAGE, content=content
        )
        return class_name

    def lineage(self, name: str) -> tuple[RecordClass, ...]:
        """Return a complex type by its name in Clark notation, and its bases, all built."""
        node = self.declarations.get("complexType", name)
        if node is None or name.startswith(f"{{{XS}}}") or self.simple.named(name) is not None:
            return ()
        class_name = self.record(node, etree.QName(name).localname, Origin.TYPE, name)
        self._build(self._wanted[node])
        found: list[RecordClass] = []
        while class_name in self.records:
            found.append(self.records[class_name])
            class_name = found[-1].base
        return tuple(found)

    def note(self, kind: GapKind, where: str, class_name: str) -> None:
        """Note what a stub may be unable to express."""
        self.gaps.append(Seen(kind, where, class_name))

    def finish(self) -> None:
        """Build all that was asked for, and what that asks for."""
        while self._pending:
            self._build(self._pending.pop(0))

    def _build(self, wanted: Wanted) -> None:
        name = wanted.class_name
        if name in self.records or name in self._building:
            return
        self._building.add(name)
        is_group = wanted.origin is Origin.GROUP
        made = group(wanted, self) if is_group else complex_type(wanted, self, self)
        self.records[name] = made
