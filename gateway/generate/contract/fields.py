"""Fields from the declarations of elements and attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from lxml import etree

from gateway.contract.names import XS, xs
from gateway.generate.contract.declarations import Declarations, documentation, in_namespace
from gateway.generate.contract.simple import TEXT
from gateway.generate.model import Field, FieldKind, GapKind, Origin, SimpleType, Type
from gateway.generate.naming import snake
from gateway.soap.envelope import Element

TRUE = ("true", "1")


class Types(Protocol):
    """Gives the types that fields have."""

    declarations: Declarations

    def of(self, node: Element, hint: str, where: str) -> Type:
        """Return the type of an element or attribute; ``hint`` is what its class is called by."""
        ...

    def record(self, node: Element, hint: str, origin: Origin, xml_name: str = "") -> str:
        """Return the class name of what a node describes."""
        ...

    def note(self, kind: GapKind, where: str, class_name: str) -> None:
        """Note what a stub may be unable to express."""
        ...


def occurs(node: Element) -> tuple[int, int | None]:
    """Return how often a particle must occur, and may; None for without a limit."""
    least, most = node.get("minOccurs", "1"), node.get("maxOccurs", "1")
    return int(least), None if most == "unbounded" else int(most)


def element(node: Element, optional: bool, types: Types, class_name: str) -> Field:
    """Return the field of an element; its name is what it would be called alone."""
    target = referred(node, types.declarations)
    declared = node if target is None else target
    reference = types.declarations.reference(node, "ref")
    least, most = occurs(node)
    xml_name = reference or local_name(node, types.declarations)
    name = etree.QName(xml_name).localname
    return Field(
        name=snake(name),
        kind=FieldKind.ELEMENT,
        xml_name=xml_name,
        type=_element_type(target, reference, types, class_name, name),
        min_occurs=least,
        max_occurs=most,
        optional=optional or least == 0,
        nillable=declared.get("nillable") in TRUE,
        default=declared.get("default"),
        fixed=declared.get("fixed"),
        documentation=documentation(node) or documentation(declared),
    )


def attributes(node: Element, types: Types, class_name: str) -> Iterator[Field]:
    """Yield the attributes of a complex type or an attribute group, named as if alone."""
    for child in node.iterchildren(xs("attribute"), xs("attributeGroup"), xs("anyAttribute")):
        if child.tag == xs("attribute"):
            if child.get("use") != "prohibited":
                yield _attribute(child, types, class_name)
        elif child.tag == xs("anyAttribute"):
            types.note(GapKind.ANY_ATTRIBUTE, class_name, class_name)
            yield Field(
                name="any_attributes", kind=FieldKind.ANY_ATTRIBUTE, type=None, optional=True
            )
        else:
            group = referred(child, types.declarations)
            yield from () if group is None else attributes(group, types, class_name)


def wildcard(node: Element, optional: bool, types: Types, class_name: str) -> Field:
    """Return the field of an xs:any."""
    types.note(GapKind.ANY, class_name, class_name)
    least, most = occurs(node)
    return Field(
        name="any_elements",
        kind=FieldKind.ANY,
        type=None,
        min_occurs=least,
        max_occurs=most,
        optional=optional or least == 0,
    )


def referred(node: Element, declarations: Declarations) -> Element | None:
    """The declaration of an element or attribute: itself, or the one that it refers to."""
    reference = declarations.reference(node, "ref")
    if not reference:
        return node
    return declarations.get(etree.QName(node).localname, reference)


def local_name(node: Element, declarations: Declarations) -> str:
    """Return the name of a declaration, qualified where its schema says so, in Clark notation."""
    scope = declarations.scope(node)
    is_element = node.tag == xs("element")
    by_default = scope.qualified_elements if is_element else scope.qualified_attributes
    parent = node.getparent()
    is_global = parent is not None and parent.tag == xs("schema")
    form = node.get("form", "qualified" if by_default else "unqualified")
    qualified = is_global or form == "qualified"
    return in_namespace(scope.namespace if qualified else "", node.get("name", ""))


def local(node: Element) -> str:
    """Return the local name of an element that refers to another, or of what it is itself."""
    return node.get("ref", node.get("name", "")).rpartition(":")[2]


def _element_type(
    target: Element | None, reference: str, types: Types, class_name: str, name: str
) -> Type:
    if target is None or reference.startswith(f"{{{XS}}}"):
        kind = GapKind.UNDECLARED if target is None else GapKind.ANY_TYPE
        types.note(kind, f"{class_name}.{name}", class_name)
        return None
    # A global element's type is called by the element, wherever it is first referred to.
    parent = target.getparent()
    is_global = parent is not None and parent.tag == xs("schema")
    hint = name if is_global else f"{class_name}_{name}"
    return _noted(types.of(target, hint, class_name), types, class_name)


def _noted(kind: Type, types: Types, class_name: str) -> Type:
    """Return a type, and note that it is made of several."""
    if isinstance(kind, SimpleType) and (kind.item or kind.members):
        made = GapKind.LIST if kind.item else GapKind.UNION
        types.note(made, kind.name or class_name, class_name)
    return kind


def _attribute(node: Element, types: Types, class_name: str) -> Field:
    target = referred(node, types.declarations)
    reference = types.declarations.reference(node, "ref")
    declared = node if target is None else target
    xml_name = reference or local_name(node, types.declarations)
    name = etree.QName(xml_name).localname
    kind = TEXT if target is None else types.of(target, f"{class_name}_{name}", class_name)
    return Field(
        name=snake(name),
        kind=FieldKind.ATTRIBUTE,
        xml_name=xml_name,
        type=_noted(kind, types, class_name),
        min_occurs=1 if node.get("use") == "required" else 0,
        optional=node.get("use") != "required",
        default=node.get("default", declared.get("default")),
        fixed=node.get("fixed", declared.get("fixed")),
        documentation=documentation(node) or documentation(declared),
    )
