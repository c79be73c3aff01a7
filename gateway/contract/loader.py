"""Loads contracts: a WSDL is read once, from allowed places only, and parsed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urljoin

from gateway.contract import no_operation
from gateway.contract.bindings import bound_operations, request_bodies
from gateway.contract.border import doing
from gateway.contract.contract import Contract
from gateway.contract.documents import reader
from gateway.contract.documents.fetching import Access, allowing, from_web
from gateway.contract.documents.gathering import Document, collect
from gateway.contract.documents.kept import Copies, keeping
from gateway.contract.names import parse, wsdl
from gateway.contract.notes import Remark, grouped, of_zeep
from gateway.contract.operations import Operation, Operations
from gateway.contract.schemas.by_cost import WeighedSchemas
from gateway.contract.schemas.check import is_standard
from gateway.contract.schemas.cost import weight
from gateway.contract.schemas.costly import Doubt, doubts
from gateway.contract.schemas.expansion import check_expansion
from gateway.contract.schemas.schema_set import NotCompiled, Wrapper, schema_set
from gateway.contract.schemas.separate_process import ApartSchemas
from gateway.contract.zeep_model import Declared, declared, read_model
from gateway.errors import ContractError
from gateway.soap.envelope import Element

_NOT_SERVED = "is not SOAP over HTTP, or has no operation: it is not served"


def load(
    location: str,
    *,
    folder: Path,
    hosts: frozenset[str] = frozenset(),
    access: Access | None = None,
    copies: Copies | None = None,
    hidden: Iterable[str] = (),
    check_schemas: bool = True,
) -> Contract:
    """Load the contract whose WSDL is at a location, and all that it imports.

    ``location`` is a path, absolute or relative to ``folder``, or a URL on one of ``hosts``, each
    "name" or "name:port"; ``access`` is for one of them. Only files below the folder and documents
    of the hosts are read, and no redirect is followed. Documents of a host are kept among the
    ``copies``, which are used when it does not answer; the public schemas that contracts import
    come from the catalogue. ``hidden`` are further addresses that must not be published, beside
    those in the documents.

    Blocks, for seconds with a WSDL of megabytes. Raises ContractError: one line with the file, the
    line if known, and the cure.
    """
    entry = reader.absolute(location, f"{folder.resolve()}/")
    fetch = from_web(access)
    # The host is checked first: a copy must not bypass the settings.
    fetch = allowing(hosts, keeping(fetch, copies) if copies else fetch)
    read = reader.from_folder(folder, fetch)
    return _load(entry, read, check_schemas, hidden)


def from_documents(
    documents: Mapping[str, bytes], entry: str, *, check_schemas: bool = True
) -> Contract:
    """Load a contract from memory; its documents refer to each other by their names.

    Raises ContractError.
    """
    return _load(urljoin(reader.MEMORY, entry), reader.from_memory(documents), check_schemas)


def from_names(read: Callable[[str], bytes], entry: str, *, check_schemas: bool = True) -> Contract:
    """Load a contract whose documents are read by their names, and refer to each other by them.

    Raises ContractError, and the errors of ``read``.
    """

    def read_location(location: str) -> bytes:
        return read(reader.shown(location))

    return _load(urljoin(reader.MEMORY, entry), read_location, check_schemas)


def _load(
    entry: str, read: reader.Read, check_schemas: bool = True, hidden: Iterable[str] = ()
) -> Contract:
    with doing("understanding it", reader.shown(entry)):
        return _understood(entry, read, check_schemas, hidden)


def _understood(
    entry: str, read: reader.Read, check_schemas: bool, hidden: Iterable[str]
) -> Contract:
    documents = collect(entry, read)
    by_place = {
        reader.shown(document.location): parse(document.data, reader.shown(document.location))
        for document in documents.values()
        if not document.is_schema
    }
    roots = list(by_place.values())
    check_expansion(documents)
    model, warnings = read_model(entry, documents)
    found = list(declared(model, request_bodies(roots)))
    left_out = list(of_zeep(warnings))
    if not found:
        why = no_operation.why(by_place, grouped(left_out))
        raise ContractError(f"{reader.shown(entry)}: {why}")
    operations = Operations(one.operation for one in found)
    notes = [*left_out, *_skipped_ports(roots, found), *_overloads(roots)]
    doubtful = doubts(documents) if check_schemas else []
    schemas, reasons = _schemas(documents, found, check_schemas, doubtful)
    gaps = {one.operation: _gap(one.operation, schemas) for one in found}
    named = {Remark("operation", one.name, gap): None for one, gap in gaps.items() if gap}
    return Contract(
        operations=operations,
        notes=(*notes, *reasons, *named, *_unknown_headers(found, schemas)),
        schemas=schemas,
        doubts=doubtful if schemas else (),
        unchecked=frozenset(operation for operation, gap in gaps.items() if gap),
        documents=documents,
        hidden=hidden,
    )


def _schemas(
    documents: Mapping[str, Document],
    found: Iterable[Declared],
    wanted: bool,
    doubtful: Sequence[Doubt],
) -> tuple[WeighedSchemas | ApartSchemas | None, list[str]]:
    """Compile the contract's schemas; or return None, and why messages are not checked.

    Schemas that may take long are compiled in another process, within limits. Raises ContractError
    if that exceeds them.
    """
    literal = [one for one in found if not one.operation.encoded]
    if not literal:
        return None, []
    if not wanted:
        return None, ["the settings turn schemas off: messages are not checked"]
    wrappers = [
        Wrapper(one.operation.children[0], one.wrapped)
        for one in literal
        if one.wrapped is not None
    ]
    parts, headers = schema_set(documents, wrappers), _headers(found)
    try:
        if doubtful:
            return ApartSchemas(parts, headers), []
        return WeighedSchemas(parts, headers, weight(documents)), []
    except NotCompiled as error:
        return None, [f"the schemas do not compile: {error}; messages are not checked"]
    except ContractError as error:
        raise ContractError(f"{doubtful[0].place}: {doubtful[0].what}, and {error}") from error


def _gap(operation: Operation, schemas: WeighedSchemas | ApartSchemas | None) -> str:
    """Return why the messages of one operation are not checked; empty where they are."""
    if operation.encoded:
        return "is rpc/encoded: its messages are not checked against a schema"
    if schemas and not schemas.elements.issuperset(operation.children):
        return "takes an element that no schema declares: its messages are not checked"
    return ""


def _unknown_headers(
    found: Iterable[Declared], schemas: WeighedSchemas | ApartSchemas | None
) -> list[str]:
    """Return a line for each declared header that no schema declares, though one should."""
    known = schemas.elements if schemas else _headers(found)
    unknown = sorted(one for one in _headers(found) - known if not is_standard(one))
    names = [name.rpartition("}")[2] for name in unknown]
    return [f"no schema declares the header {name}: it is not checked" for name in names]


def _headers(found: Iterable[Declared]) -> frozenset[str]:
    return frozenset().union(*(one.operation.headers for one in found))


def _skipped_ports(roots: Iterable[Element], found: Iterable[Declared]) -> list[Remark]:
    served = {(one.operation.service, one.operation.port) for one in found}
    return [
        Remark("port", port.get("name", ""), _NOT_SERVED)
        for root in roots
        for service in root.iterfind(wsdl("service"))
        for port in service.iterfind(wsdl("port"))
        if (service.get("name"), port.get("name")) not in served
    ]


def _overloads(roots: Iterable[Element]) -> list[str]:
    counts = Counter((one.binding, one.name) for root in roots for one in bound_operations(root))
    return [
        f"operation {name} is declared {count} times: only its last declaration is served"
        for (_, name), count in counts.items()
        if count > 1
    ]
