"""Messages that the schemas of a contract allow, read and written by its client stub."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from types import ModuleType

from lxml import etree
from sampler import Sampler

from gateway.contract import Contract, load
from gateway.contract.names import XSI, clark, xs
from gateway.contract.schema_set import Wrapper, schema_set, schemas_by_namespace
from gateway.errors import ContractError
from gateway.soap import Element
from gateway.stub import Duration, Layout
from gateway.stub.reading import read_record
from gateway.stub.writing import write_record
from gateway.stubs.client import ClientOptions, render
from gateway.stubs.model import Field, Message, Model, SimpleType, Style
from gateway.stubs.reading import read

ENOUGH = 10
"""How many instances of each message are tried."""
NIL, TYPE = f"{{{XSI}}}nil", f"{{{XSI}}}type"


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
        self.contract: Contract = load(path.name, folder=path.parent)
        self.model = read(self.contract)
        self.layout: Layout = module_of(self.model, f"tried_{path.stem}")._LAYOUT
        self._sampler = Sampler(_schemas(self.contract), Random(seed), derived=True)
        self._schema = self._compiled()

    def run(self) -> Outcome:
        """Try every operation: each message some times."""
        outcome = Outcome()
        encoded = [one for one in self.model.gaps if one.kind == "rpc/encoded"]
        outcome.left_out = len(encoded)
        for operation in self.model.operations:
            outcome.operations += 1
            tried = 0
            failed = len(outcome.reasons)
            for message in (operation.request, operation.reply):
                is_rpc = operation.style is Style.RPC
                for sample in self._samples(message, is_rpc) if message is not None else ():
                    tried += 1
                    reason = self._reason(message, sample)
                    if reason:
                        outcome.reasons[f"{operation.name}: {reason}"] += 1
            outcome.messages += tried
            outcome.not_sampled += not tried
            outcome.passed += len(outcome.reasons) == failed and tried > 0
        return outcome

    def _samples(self, message: Message, is_rpc: bool) -> Iterator[list[Element]]:
        """Yield the children of the Body, some times; none where no valid one can be made."""
        fields = self.model.fields(message.record)
        for _ in range(ENOUGH):
            with contextlib.suppress(LookupError):
                if is_rpc:
                    parts = {one.xml_name: self._type(one) for one in fields}
                    made = [self._sampler.wrapper(message.wrapper, parts).root]
                else:
                    names = (
                        [message.wrapper] if message.wrapper else [one.xml_name for one in fields]
                    )
                    made = [self._sampler.element(name).root for name in names]
                if all(self._is_valid(one) for one in made):
                    yield made

    def _reason(self, message: Message, sample: list[Element]) -> str:
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
        if not all(self._is_valid(one) for one in body):
            assert self._schema is not None
            return f"not valid: {self._schema.error_log[0].message}"
        pairs = zip(sample, body, strict=True)
        return next((found for one, other in pairs if (found := difference(one, other))), "")

    def _is_valid(self, element: Element) -> bool:
        return self._schema is None or self._schema.validate(element)

    def _type(self, part: Field) -> str:
        if isinstance(part.type, SimpleType):
            return part.type.name
        return self.model.records[part.type].xml_name if part.type else xs("anyType")

    def _compiled(self) -> etree.XMLSchema | None:
        messages = [
            message
            for one in self.model.operations
            for message in (one.request, one.reply)
            if one.style is Style.RPC and message is not None
        ]
        wrappers = [
            Wrapper(
                one.wrapper,
                tuple((part.xml_name, self._type(part)) for part in self.model.fields(one.record)),
            )
            for one in messages
        ]
        with contextlib.suppress(ContractError):
            return schema_set(self.contract.documents, wrappers).compile()
        return None


def _around(children: list[Element]) -> Element:
    body = etree.Element("Body")
    body.extend(children)
    return body


def _schemas(contract: Contract) -> Iterator[Element]:
    for namespace, schemas in schemas_by_namespace(contract.documents).items():
        for schema in schemas:
            if namespace and not schema.get("targetNamespace"):
                schema.set("targetNamespace", namespace)  # as its includer lends it
            yield schema


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
    text, became = " ".join(text.split()), " ".join(became.split())
    if text == became or (":" in text and clark(one, text) == clark(other, became)):
        return True
    return any(_equal(read, text, became) for read in READERS)


def _equal(read: Callable[[str], object], text: str, other: str) -> bool:
    with contextlib.suppress(ValueError, ArithmeticError, KeyError):
        return read(text) == read(other)
    return False


READERS: list[Callable[[str], object]] = [
    {"true": True, "1": True, "false": False, "0": False}.__getitem__,
    Decimal,
    float,
    dt.datetime.fromisoformat,
    dt.time.fromisoformat,
    Duration.of,
    bytes.fromhex,
    lambda text: base64.b64decode(text, validate=False),
]
