"""The imports that a stub needs, in the order that ruff and isort want."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gateway.generate.python.source import WIDTH, split

_OURS = ("AnyValue", "Duration", "Element", "Record", "SoapFault")


def imports(code: str, names: Iterable[str]) -> str:
    """Return the imports of a module; ``names`` are those of ours that it needs in any case."""
    ours = {*names, *(one for one in _OURS if re.search(rf"\b{one}\b", code))}
    line = f"from gateway.stubs import {', '.join(sorted(ours))}"
    if len(line) > WIDTH:
        line = split("from gateway.stubs import (", sorted(ours), ")", 0)
    standard = list(_standard(code))
    return "\n".join([*standard, "", line] if standard else [line])


def local_imports(module: str, names: Iterable[str]) -> str:
    """Return an import from a module beside this one; empty without names."""
    found = sorted(set(names), key=_place)
    line = f"from {module} import {', '.join(found)}"
    if not found or len(line) <= WIDTH:
        return line if found else ""
    return split(f"from {module} import (", found, ")", 0)


def _place(name: str) -> tuple[bool, list[tuple[str, int]], str]:
    """The key by which isort sorts names: constants first, numbers by value, then case."""
    is_constant = name.isupper() and len(name) > 1
    parts = re.findall(r"(\D*)(\d*)", name.lower())
    return not is_constant, [(text, int(number or -1)) for text, number in parts], name


def _standard(code: str) -> Iterator[str]:
    if re.search(r"\bdt\.", code):
        yield "import datetime as dt"
    if " = field(" in code:
        yield "from dataclasses import dataclass, field"
    elif "Record" in code:
        yield "from dataclasses import dataclass"
    if re.search(r"\bDecimal\b", code):
        yield "from decimal import Decimal"
    enumerations = sorted({one for one in ("IntEnum", "StrEnum") if f"({one})" in code})
    if enumerations:
        yield f"from enum import {', '.join(enumerations)}"
