"""Hold a mirror up to a package, and fail on what is a rule: ``budgets.py gateway``.

Rules are few: no import cycle, no function without annotations, no module and no public class
without a docstring, no interface that asks for more than four methods. The other figures stand
beside the guide of CONTRIBUTING.md, to be looked at: a figure past it fails nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from metrics import Tree, import_cycles, package_figures, print_worst, read_tree

GUIDE = {
    "function length, p90": 15,
    "function length, max": 40,
    "complexity, p95": 7,
    "complexity, max": 11,
    "nesting, max": 3,
    "parameters, max": 7,
    "methods per class, max": 12,
    "self attributes, max": 8,
    "inheritance depth, max": 1,
    "module lines, p90": 500,
    "repeated lines, %": 3,
    "vague module names": 0,
    "vague class names": 0,
    "TODO/FIXME/XXX per kloc": 0,
}
"""What is usual here, at most."""
SIZES = ("code lines", "modules", "module lines, median", "module lines, max")
"""What has no guide, and is worth knowing."""
OBLIGATIONS = 4
"""The most methods that an interface asks for."""


def main() -> int:
    """Print the figures, then what breaks a rule; return 1 where something does."""
    tree = read_tree(Path(sys.argv[1]))
    figures = package_figures(tree)
    for name in SIZES:
        print(f"     {name}: {figures[name]}")
    for name, most in GUIDE.items():
        mark = "    " if figures[name] <= most else "past"
        print(f"{mark} {name}: {figures[name]:g} (guide: {most})")
    print_worst(tree, 5)
    broken = list(findings(tree))
    for finding in broken:
        print(f"FAIL {finding}")
    return 1 if broken else 0


def findings(tree: Tree) -> Iterator[str]:
    """Yield what breaks a rule, and where."""
    for path in tree.unreadable:
        yield f"{path}: it cannot be parsed"
    for cycle in import_cycles(tree, lazy=True):
        yield f"import cycle: {', '.join(cycle)}"
    for module in tree.modules:
        if module.code and not module.has_docstring:
            yield f"{module.name}: no docstring"
    for function in tree.functions:
        if not function.is_annotated:
            yield f"{function.where}: {function.name} is not annotated"
    for one in tree.classes:
        if one.is_public and not one.has_docstring:
            yield f"{one.where}: {one.name} has no docstring"
        if one.is_interface and one.obligations > OBLIGATIONS:
            yield f"{one.where}: {one.name} asks for {one.obligations} methods (<= {OBLIGATIONS})"


if __name__ == "__main__":
    sys.exit(main())
