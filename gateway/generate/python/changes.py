"""The changes for a person when the base of a service stub is written again."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

BASE = "Service"
"""The class of this package that every generated base is derived from."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The methods by which two bases differ, and the person's own ones that this concerns."""

    added: tuple[str, ...] = ()
    """Operations that are new: answered "not implemented" until a method is written."""
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Operations whose parameters or results are others now."""
    orphans: tuple[str, ...] = ()
    """Methods that were filled in, and that no operation calls any more."""


def changes(old: str, new: str, filled: str) -> Changes:
    """Compare an old base with a new one; ``filled`` is the person's file, empty for none.

    What cannot be parsed has no methods: the person may be in the middle of a line.
    """
    before, after = _operations(old), _operations(new)
    removed = tuple(name for name in before if name not in after)
    own = _methods_below(filled, _stub_classes(old) | _stub_classes(new))
    return Changes(
        added=tuple(name for name in after if name not in before),
        removed=removed,
        changed=tuple(n for n in after if n in before and before[n] != after[n]),
        orphans=tuple(name for name in removed if name in own),
    )


def diff(old: str, new: str, path: str) -> str:
    """Return the difference between two texts of a file, as patch reads it; empty for none."""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"{path} (now)", path
    )
    return "".join(lines)


def _operations(source: str) -> Mapping[str, str]:
    """Return the methods of a generated base, each with its signature."""
    return {
        method.name: f"{ast.unparse(method.args)} -> {ast.unparse(method.returns or _NOTHING)}"
        for node in _classes(source)
        if _is_below(node, {BASE})
        for method in _methods(node)
    }


_NOTHING = ast.Constant(None)


def _stub_classes(source: str) -> set[str]:
    return {node.name for node in _classes(source) if _is_below(node, {BASE})}


def _methods_below(source: str, bases: set[str]) -> set[str]:
    """Return the methods of the classes that are derived from some, by their bare names."""
    return {
        method.name
        for node in _classes(source)
        if _is_below(node, bases)
        for method in _methods(node)
    }


def _classes(source: str) -> Iterator[ast.ClassDef]:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    yield from (node for node in tree.body if isinstance(node, ast.ClassDef))


def _is_below(node: ast.ClassDef, bases: set[str]) -> bool:
    return any(ast.unparse(one).rpartition(".")[2] in bases for one in node.bases)


def _methods(node: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"):
            yield one
