"""Remarks on a contract for its operator: each once, similar ones grouped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.errors import shortlist

SHOWN = 6
"""Names in a grouped remark, at most."""

_OPERATION = re.compile(r"The wsdl:operation '(.*)' was not found in the wsdl:portType '(.*)'")
_MESSAGE = re.compile(r"The wsdl:message for '(.*)' contains an invalid part \('(.*)'\): .*")


@dataclass(frozen=True, slots=True)
class Remark:
    """A remark about one operation, port or message."""

    kind: str
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.text}"


def grouped(remarks: Iterable[Remark | str]) -> tuple[str, ...]:
    """Return a line for each different remark, with all names that it is about."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for one in remarks:
        key, name = ((one.kind, one.text), one.name) if isinstance(one, Remark) else (("", one), "")
        found.setdefault(key, {})[name] = None
    return tuple(_line(kind, text, list(names)) for (kind, text), names in found.items())


def _line(kind: str, text: str, names: list[str]) -> str:
    if not kind:
        return text
    if len(names) == 1:
        return str(Remark(kind, names[0], text))
    return f"each of these {len(names)} {kind}s {text} ({shortlist(names, SHOWN)})"


def of_zeep(warnings: Iterable[str]) -> Iterator[Remark | str]:
    """Yield what zeep left out of a contract, in the contract's terms."""
    for told in warnings:
        operation, message = _OPERATION.fullmatch(told), _MESSAGE.fullmatch(told)
        if operation:
            port_type = operation[2].rpartition("}")[2]
            text = f"is not in the port type {port_type}, or has a message that is left out"
            yield Remark("operation", operation[1], f"{text}: it is not served")
        elif message:
            name = message[1].rpartition("}")[2]
            yield Remark("message", name, "has a part whose type or element no schema declares")
        else:
            yield told
