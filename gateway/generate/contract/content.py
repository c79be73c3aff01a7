"""The content of one complex type: its particles, each with its name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from gateway.contract.names import xs
from gateway.generate.contract import fields
from gateway.generate.contract.fields import Types, occurs
from gateway.generate.model import Field, FieldKind, GapKind, Group, GroupKind, Origin
from gateway.generate.naming import Names, snake
from gateway.soap.envelope import Element

Particle = Field | Group

_KINDS = {xs(kind.value): kind for kind in GroupKind}
_PARTICLES = (xs("element"), xs("group"), xs("any"), *_KINDS)
_CALLED = {GroupKind.CHOICE: ("Choice", "choices"), GroupKind.SEQUENCE: ("Entry", "entries")}
"""What one round of a group that may be repeated is called, and the list of them."""


class Body:
    """The content of one record while it is read; its fields get their names here."""

    def __init__(self, types: Types, class_name: str, taken: Iterable[str]) -> None:
        self.class_name = class_name
        self.names = Names(taken)
        self._types = types
        self._reusable: dict[str, Field] = {}
        """Fields of the other branches of a choice: the same element there is the same field."""

    def content(self, node: Element) -> Group | None:
        """Return the particles of a complex type, or of what derives it; None where it has none."""
        children = node.iterchildren(*_PARTICLES)
        found = [one for child in children for one in self._particle(child, False)]
        if len(found) == 1 and isinstance(found[0], Group):
            return found[0]
        return Group(kind=GroupKind.SEQUENCE, particles=tuple(found)) if found else None

    def once(self, node: Element) -> Group:
        """Return one round of what may be repeated: of a group, or of a substitution group."""
        if node.tag == xs("element"):
            return self._substitutes(node, _heirs(node, self._types))
        return self._group(_model(node, self._types), optional=False, may_be_absent=False)

    def _particle(self, node: Element, optional: bool) -> Iterator[Particle]:
        least, most = occurs(node)
        if most == 0:
            return
        if node.tag == xs("any"):
            yield self._called(fields.wildcard(node, optional, self._types, self.class_name))
        elif node.tag == xs("element"):
            yield self._element(node, optional)
        elif most is None or most > 1:
            yield from self._repeated(node, optional)
        else:
            model = _model(node, self._types)
            group = self._group(model, optional=optional or least == 0, may_be_absent=least == 0)
            if group.particles:
                yield _simplified(group)

    def _element(self, node: Element, optional: bool) -> Particle:
        heirs = _heirs(node, self._types)
        least, most = occurs(node)
        if heirs and most == 1:
            group = self._substitutes(node, heirs)
            return replace(group, optional=least == 0)
        if heirs:
            called = fields.local(node)
            rounds = _rounds(node, (called, called), optional, self._types, self.class_name)
            return self._called(rounds)
        return self._called(fields.element(node, optional, self._types, self.class_name))

    def _substitutes(self, node: Element, heirs: Iterable[Element]) -> Group:
        """Return the choice between an element, unless it is abstract, and its substitutes."""
        self._types.note(GapKind.SUBSTITUTION, self.class_name, self.class_name)
        found = (fields.element(one, True, self._types, self.class_name) for one in heirs)
        once = (replace(one, min_occurs=1, max_occurs=1) for one in found)
        return Group(kind=GroupKind.CHOICE, particles=tuple(self._called(one) for one in once))

    def _called(self, field: Field) -> Field:
        """Return a field with its name: that which it has in another branch, or a new one."""
        twin = self._reusable.get(field.xml_name)
        if twin is not None and (twin.type, twin.is_list) == (field.type, field.is_list):
            del self._reusable[field.xml_name]
            return replace(field, name=twin.name)
        return replace(field, name=self.names.unique(field.name))

    def _group(self, node: Element, *, optional: bool, may_be_absent: bool) -> Group:
        """Read a group that stands there at most once.

        ``optional`` says that its fields may be absent, ``may_be_absent`` that it may itself.
        """
        kind = _KINDS.get(str(node.tag), GroupKind.SEQUENCE)
        children = list(node.iterchildren(*_PARTICLES))
        if kind is GroupKind.CHOICE:
            particles = self._branches(children, optional or len(children) > 1)
        else:
            particles = [one for child in children for one in self._particle(child, optional)]
        return Group(kind=kind, optional=may_be_absent, particles=tuple(particles))

    def _branches(self, children: Iterable[Element], optional: bool) -> list[Particle]:
        before, made = dict(self._reusable), dict[str, Field]()
        branches: list[Particle] = []
        for child in children:
            self._reusable = {**before, **made}
            found = list(self._particle(child, optional))
            made |= {one.xml_name: one for one in _fields(found) if one.xml_name}
            branches += found
        self._reusable = {name: one for name, one in before.items() if name not in made}
        return branches

    def _repeated(self, node: Element, optional: bool) -> Iterator[Field]:
        """Yield the list that stands for a group which may be repeated."""
        model = _model(node, self._types)
        children = list(model.iterchildren(*_PARTICLES))
        least, most = occurs(node)
        alone = children[0] if len(children) == 1 else None
        if alone is not None and _is_plain(alone, self._types):
            found = fields.element(alone, optional or least == 0, self._types, self.class_name)
            yield self._called(replace(found, min_occurs=least, max_occurs=most))
        elif children:
            reference = self._types.declarations.reference(node, "ref").rpartition("}")[2]
            kind = _KINDS.get(str(model.tag), GroupKind.SEQUENCE)
            names = (reference, reference) if reference else _CALLED[kind]
            yield self._called(_rounds(node, names, optional, self._types, self.class_name))


def _rounds(
    node: Element, names: tuple[str, str], optional: bool, types: Types, class_name: str
) -> Field:
    """Return the list of what stands for one round of a group; ``names`` are theirs."""
    least, most = occurs(node)
    types.note(GapKind.REPEATED_GROUP, class_name, class_name)
    return Field(
        name=snake(names[1]),
        kind=FieldKind.GROUP,
        type=types.record(node, f"{class_name}_{names[0]}", Origin.GROUP),
        min_occurs=least,
        max_occurs=most,
        optional=optional or least == 0,
    )


def _model(node: Element, types: Types) -> Element:
    """Return the sequence, choice or all that a reference to a named group stands for."""
    if node.tag != xs("group"):
        return node
    group = types.declarations.get("group", types.declarations.reference(node, "ref"))
    inner = None if group is None else next(group.iterchildren(*_KINDS), None)
    return node if inner is None else inner


def _heirs(node: Element, types: Types) -> list[Element]:
    """The elements that may take an element's place, itself included; empty if only itself."""
    name = types.declarations.reference(node, "ref")
    members = types.declarations.members(name) if name else []
    declared = [types.declarations.get("element", one) for one in (name, *members)]
    found = [one for one in declared if one is not None and one.get("abstract") not in fields.TRUE]
    return found if members else []


def _is_plain(node: Element, types: Types) -> bool:
    """True where a particle is an element that stands there exactly once, and no other."""
    return node.tag == xs("element") and occurs(node) == (1, 1) and not _heirs(node, types)


def _fields(particles: Iterable[Particle]) -> Iterator[Field]:
    for one in particles:
        yield from one.fields() if isinstance(one, Group) else (one,)


def _simplified(group: Group) -> Particle:
    """Return a group without a layer that says nothing: of one particle alone."""
    if len(group.particles) != 1:
        return group
    alone = group.particles[0]
    if isinstance(alone, Group):
        return replace(alone, optional=alone.optional or group.optional)
    return replace(alone, min_occurs=0) if group.optional else alone
