"""Messages that the schemas of a contract allow, read and written by its client stub."""

from __future__ import annotations

import contextlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import ModuleType

from instances import Instances
from lxml import etree
from meaning import NIL, TYPE, plain

from gateway.contract import Contract, load
from gateway.contract.names import clark
from gateway.generate.contract.reading import read
from gateway.generate.model import Model, StubMessage
from gateway.generate.python.client import ClientOptions, render
from gateway.soap.envelope import Element
from gateway.stubs import Layout
from gateway.stubs.reading import read_record
from gateway.stubs.writing import write_record

ENOUGH = 10
"""How many instances of each message are tried."""
HEX = re.compile(r"([0-9a-fA-F]{2})+")


@dataclass
class Outcome:
    """What became of the operations of a contract, and of its messages."""

    operations: int = 0
    passed: int = 0
    left_out: int = 0
    not_sampled: int = 0
    messages: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def module_of(model: Model, name: str) -> ModuleType:
    """Import a client stub."""
    module = ModuleType(name)
    sys.modules[name] = module
    source = render(model, ClientOptions(source=name, service="tried"))
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    return module


class RoundTrip:
    """One contract: its schemas, its stub, and instances of its messages."""

    def __init__(self, path: Path, seed: int = 1) -> None:
        """Raises ContractError."""
        contract: Contract = load(path.name, folder=path.parent)
        self.model = read(contract)
        self.layout: Layout = module_of(self.model, f"tried_{path.stem}")._LAYOUT
        # Text between elements is nothing that a client keeps: its documentation says so.
        self._instances = Instances(contract, Random(seed), mixed=False)
        port = (self.model.port.service, self.model.port.name)
        self._bound = {
            one.name: one for one in contract.operations if (one.service, one.port) == port
        }

    def run(self) -> Outcome:
        """Try every operation: each message some times."""
        outcome = Outcome()
        encoded = [one for one in self.model.gaps if one.kind == "rpc/encoded"]
        outcome.left_out = len(encoded)
        for operation in self.model.operations:
            outcome.operations += 1
            tried = 0
            failed = len(outcome.reasons)
            for direction, message in (("input", operation.request), ("output", operation.reply)):
                for sample in self._samples(operation.name, direction) if message else ():
                    tried += 1
                    reason = self._reason(message, sample)
                    if reason:
                        outcome.reasons[f"{operation.name}: {reason}"] += 1
            outcome.messages += tried
            outcome.not_sampled += not tried
            outcome.passed += len(outcome.reasons) == failed and tried > 0
        return outcome

    def _samples(self, operation: str, direction: str) -> Iterator[list[Element]]:
        """Yield the children of the Body, some times; none where no valid one can be made."""
        for _ in range(ENOUGH):
            with contextlib.suppress(LookupError):
                made = self._instances.message(self._bound[operation], direction)
                if not any(self._instances.errors(one) for one in made):
                    yield made

    def _reason(self, message: StubMessage, sample: list[Element]) -> str:
        """Return why a message does not come back as it was; empty where it does."""
        record = self.layout.record(message.record)
        body = etree.Element("Body", nsmap=self.layout.table.prefixes)
        source = sample[0] if message.wrapper else _around(sample)
        try:
            value = read_record(source, record, self.layout)
            into = etree.SubElement(body, message.wrapper) if message.wrapper else body
            write_record(into, record, value, self.layout)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what is looked for
            return f"{type(error).__name__}: {error}"
        for one in body:
            if invalid := self._instances.errors(one):
                return f"not valid: {invalid}"
        samples = list(source) if not message.wrapper else [source]
        pairs = zip(samples, body, strict=True)
        return next((found for one, other in pairs if (found := difference(one, other))), "")


def _around(children: list[Element]) -> Element:
    body = etree.Element("Body")
    body.extend(children)
    return body


def difference(one: Element, other: Element) -> str:
    """Return the first thing in which two elements do not mean the same; empty for none."""
    if one.tag != other.tag:
        return f"{one.tag} became {other.tag}"
    for name in {*one.attrib, *other.attrib}:
        mine, theirs = one.get(name), other.get(name)
        # An attribute that has its default's value may be left out: it says the same.
        is_default = theirs is None and name != NIL
        if NIL in one.attrib and name == TYPE:
            continue  # which of several abstract types a nil element is of says nothing
        if not is_default and not is_same(one, mine or "", other, theirs or ""):
            return f"{one.tag}: {name} was {mine}, became {theirs}"
    if len(one) != len(other):
        return f"{one.tag}: {len(one)} children became {len(other)}"
    if not len(one) and not is_same(one, one.text or "", other, other.text or ""):
        return f"{one.tag}: {one.text!r} became {other.text!r}"
    pairs = zip(_in_any_order(one), _in_any_order(other), strict=True)
    return next((found for a, b in pairs if (found := difference(a, b))), "")


def _in_any_order(element: Element) -> list[Element]:
    """Return the children; by name where each has another: an xs:all has no order."""
    names = {str(child.tag) for child in element}
    return (
        sorted(element, key=lambda child: child.tag) if len(names) == len(element) else [*element]
    )


def is_same(one: Element, text: str, other: Element, became: str) -> bool:
    """Tell whether two texts are the same value of some type of XML Schema."""
    if plain(text) == plain(became) or (HEX.fullmatch(text) and text.upper() == became):
        return True
    text, became = " ".join(text.split()), " ".join(became.split())
    return ":" in text and clark(one, text) == clark(other, became)
