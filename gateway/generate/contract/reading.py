"""Reads the model of one port from a loaded contract."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from gateway.contract import Contract
from gateway.contract import operations as contract
from gateway.contract.border import doing
from gateway.contract.documents.reader import shown
from gateway.contract.names import parse, wsdl
from gateway.contract.schemas.schema_set import schemas_by_namespace
from gateway.errors import ContractError
from gateway.generate.contract.declarations import Declarations, Key, paragraphs, reached
from gateway.generate.contract.messages import Drafted, OperationNaming, draft
from gateway.generate.contract.records import Records, Seen
from gateway.generate.contract.simple import SimpleTypes
from gateway.generate.contract.wsdl_tree import PortOperation, WsdlTree
from gateway.generate.model import Gap, GapKind, Model, Port, RecordClass, StubOperation
from gateway.generate.naming import RESERVED_CLASSES, Names, pascal
from gateway.soap.envelope import Element


def ports(contract: Contract) -> tuple[tuple[str, str], ...]:
    """Return the service and the name of each port, in document order."""
    return tuple(dict.fromkeys((one.service, one.port) for one in contract.operations))


def read(contract: Contract, port: str = "") -> Model:
    """Read what a stub of a port needs; without a name, of the first one.

    Raises ContractError where there is no such port.
    """
    service, name = _chosen(contract, port)
    with doing(f"reading the types of port {name}", contract.entry):
        return _read(contract, service, name)


def _read(contract: Contract, service: str, name: str) -> Model:
    roots = [
        parse(document.data, shown(document.location), bare=True)
        for document in contract.documents.values()
        if not document.is_schema
    ]
    tree = WsdlTree(roots)
    service_node, port_node = tree.port(service, name)
    own = {
        one.name: one for one in contract.operations if (one.service, one.port) == (service, name)
    }
    bound = [one for one in tree.operations(port_node) if one.name in own]
    found = _port(service_node, port_node, next(iter(own.values())))
    return _Reading(contract, found).read(bound, own)


def _chosen(contract: Contract, port: str) -> tuple[str, str]:
    known = ports(contract)
    chosen = [one for one in known if port in ("", one[1])]
    if not chosen:
        names = ", ".join(name for _, name in known)
        raise ContractError(f"the contract has no port {port!r}: name one of {names}")
    return chosen[0]


def _port(service: Element, port: Element, operation: contract.Operation) -> Port:
    definitions = next(service.iterancestors(wsdl("definitions")))
    notes = service.findtext(wsdl("documentation")) or definitions.findtext(wsdl("documentation"))
    return Port(
        service=operation.service,
        name=operation.port,
        namespace=definitions.get("targetNamespace", ""),
        version=operation.version,
        address=operation.address,
        class_name=pascal(operation.service).removesuffix("Service") or "Service",
        documentation=paragraphs(notes or ""),
    )


class _Reading:
    """One port while it is read: what was declared, and who has which name."""

    def __init__(self, contract: Contract, port: Port) -> None:
        self._contract = contract
        self._port = port
        name = port.class_name
        own = {f"{way}{name}{kind}" for way in ("", "Async") for kind in ("Client", "Service")}
        self._names = Names(RESERVED_CLASSES | own | {name})
        self._declarations = Declarations(schemas_by_namespace(contract.documents))
        self._simple = SimpleTypes(self._declarations, self._names)
        self._records = Records(self._declarations, self._simple, self._names)
        self._gaps: list[Gap] = []

    def read(self, bound: Iterable[PortOperation], own: Mapping[str, contract.Operation]) -> Model:
        literal = [one for one in bound if self._is_literal(one)]
        self._name_types(literal)
        drafts = [made for one in literal for made in self._draft(one, own[one.name])]
        self._records.finish()
        naming = OperationNaming(self._records, self._names)
        operations = tuple(naming.named(one) for one in drafts)
        records = _ordered(self._records.records)
        gaps = [
            *self._gaps,
            *_reply_headers(operations),
            *_concerning(self._records.gaps, operations, records),
        ]
        return Model(
            port=self._port,
            operations=operations,
            records=records,
            enumerations=self._simple.enumerations,
            gaps=tuple(gaps),
            notes=self._contract.notes,
            all_notes=self._contract.all_notes,
        )

    def _is_literal(self, bound: PortOperation) -> bool:
        payloads = [one for one in (bound.request, bound.reply) if one is not None]
        if any(one.has_attachments for one in payloads):
            self._gap(GapKind.ATTACHMENT, bound.name)
        if any(one.encoded for one in payloads):
            self._gap(GapKind.ENCODED, bound.name)
            return False
        return True

    def _gap(self, kind: GapKind, operation: str) -> None:
        self._gaps.append(Gap(kind=kind, where=operation, operations=(operation,)))

    def _draft(self, bound: PortOperation, operation: contract.Operation) -> Iterator[Drafted]:
        try:
            yield draft(bound, operation, self._records)
        except LookupError:
            self._gap(GapKind.UNDECLARED, bound.name)

    def _name_types(self, operations: Iterable[PortOperation]) -> None:
        """Give all named types that are reached their names, before any without one gets it."""
        found = reached(self._declarations, _starts(operations))
        for name in (name for kind, name in found if kind == "complexType"):
            self._records.named(name, name)
        for name in (name for kind, name in found if kind == "simpleType"):
            self._simple.named(name)


def _starts(operations: Iterable[PortOperation]) -> Iterator[Key]:
    """Yield the declarations that the messages of some operations name."""
    for part in (part for one in operations for part in one.every_part()):
        yield "element", part.element
        yield "complexType", part.type
        yield "simpleType", part.type


def _ordered(records: Mapping[str, RecordClass]) -> dict[str, RecordClass]:
    """Return records with each base before what is derived from it, and else as they came."""
    found: dict[str, RecordClass] = {}

    def add(name: str) -> None:
        if name and name not in found:
            add(records[name].base)
            found[name] = records[name]

    for name in records:
        add(name)
    return found


def _reply_headers(operations: Iterable[StubOperation]) -> Iterator[Gap]:
    for one in operations:
        for header in one.reply_headers:
            yield Gap(kind=GapKind.REPLY_HEADER, where=header.xml_name, operations=(one.name,))


def _concerning(
    seen: Iterable[Seen], operations: Iterable[StubOperation], records: Mapping[str, RecordClass]
) -> Iterator[Gap]:
    """Yield each gap of a record, once, with the operations that lead to that record."""
    users = _users(records)
    roots = {one.name: _roots(one) for one in operations}
    for gap in dict.fromkeys(seen):
        reach, pending = set[str](), [gap.class_name]
        while pending:
            name = pending.pop()
            if name not in reach:
                reach.add(name)
                pending += users.get(name, ())
        concerned = tuple(name for name, starts in roots.items() if reach & starts)
        yield Gap(kind=gap.kind, where=gap.where, operations=concerned)


def _users(records: Mapping[str, RecordClass]) -> dict[str, set[str]]:
    """Return who refers to each record: those with a field of it, its base, what it derives."""
    users: dict[str, set[str]] = defaultdict(set)
    for name, record in records.items():
        for target in (one.type for one in record.fields):
            users[target if isinstance(target, str) else ""].add(name)
        users[record.base].add(name)
        users[name].add(record.base)
    users.pop("", None)
    return users


def _roots(operation: StubOperation) -> set[str]:
    messages = (operation.request, operation.reply)
    named = {one.type for one in operation.beside if isinstance(one.type, str)}
    return named | {one.record for one in messages if one is not None}
