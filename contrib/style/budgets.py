"""Check the style budgets of CONTRIBUTING.md: ``python contrib/style/budgets.py gateway``."""

from __future__ import annotations

import sys
from pathlib import Path

from metrics import package_figures, print_worst, read_tree

MOST = {
    "function length, p90": 15,
    "function length, max": 40,
    "complexity, p95": 7,
    "complexity, max": 11,
    "nesting, max": 3,
    "parameters, max": 7,
    "methods per class, max": 12,
    "self attributes, max": 8,
    "obligations of an interface, max": 4,
    "inheritance depth, max": 1,
    "repeated lines, %": 3,
    "modules in cycles, with lazy": 0,
    "vague module names": 0,
    "vague class names": 0,
    "TODO/FIXME/XXX per kloc": 0,
    "line length, max": 100,
}
LEAST = {
    "functions annotated, %": 100,
    "docstrings: modules, %": 100,
    "docstrings: public classes, %": 100,
}
# What is always open together is one module: a register and all that is read out of it, say.
LONGEST_MODULE = 500


def main() -> int:
    """Print each budget beside what was measured; return 1 where one is not kept."""
    tree = read_tree(Path(sys.argv[1]))
    figures = package_figures(tree)
    broken = 0
    for budget, sign, kept in (
        *(
            (name, "<=", (figures[name], most, figures[name] <= most))
            for name, most in MOST.items()
        ),
        *(
            (name, ">=", (figures[name], least, figures[name] >= least))
            for name, least in LEAST.items()
        ),
    ):
        measured, limit, is_kept = kept
        print(f"{'ok  ' if is_kept else 'OVER'} {budget}: {measured:g} ({sign} {limit})")
        broken += not is_kept
    for module in tree.modules:
        if len(module.lines) > LONGEST_MODULE:
            print(f"OVER module lines: {module.name} has {len(module.lines)} (<= {LONGEST_MODULE})")
            broken += 1
    if broken:
        print_worst(tree, 10)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
