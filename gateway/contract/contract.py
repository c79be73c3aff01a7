"""A contract: the operations and messages of a service, by its WSDL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.contract.backend_names import places
from gateway.contract.border import doing
from gateway.contract.documents import publish
from gateway.contract.documents.gathering import Document
from gateway.contract.documents.reader import shown
from gateway.contract.names import parse
from gateway.contract.notes import Remark, grouped
from gateway.contract.operations import Operation, Operations
from gateway.contract.schemas.by_cost import WeighedSchemas
from gateway.contract.schemas.costly import Doubt
from gateway.contract.schemas.separate_process import CHECK_SECONDS, ApartSchemas
from gateway.soap.envelope import Envelope


class Contract:
    """A WSDL, read once; tasks and threads may share it.

    ``notes`` has a line for each thing that is not checked or not served, with the reason, grouped
    for several operations; ``all_notes`` has a line for each. ``doubts`` has parts that may take
    long to check, whatever a message's size: then every check runs in another process, and
    ``validate`` waits for it; without doubts, only the checks that ``is_slow`` tells do.
    """

    def __init__(
        self,
        *,
        operations: Operations,
        notes: tuple[Remark | str, ...],
        schemas: WeighedSchemas | ApartSchemas | None,
        doubts: Iterable[Doubt] = (),
        unchecked: frozenset[Operation],
        documents: Mapping[str, Document],
        hidden: Iterable[str] = (),
    ) -> None:
        """``hidden`` are addresses of the backend that its documents do not name."""
        self.operations = operations.all
        self.notes, self.all_notes = grouped(notes), tuple(map(str, notes))
        self.doubts = tuple(doubts)
        self._index = operations
        self._schemas = schemas
        self._unchecked = unchecked
        self._documents = documents
        self._places = places([*hidden, *publish.named_places(documents.values())])

    @property
    def documents(self) -> Mapping[str, Document]:
        """Its documents by location, the WSDL first."""
        return self._documents

    @property
    def entry(self) -> str:
        """Its WSDL, as its operator knows it."""
        return shown(next(iter(self._documents)))

    def find(self, envelope: Envelope, soap_action: str) -> Operation:
        """Return the operation that a request is for. Raises Refused.

        The Body's first element decides; a SOAPAction or wsa:Action that is not empty must agree.
        """
        return self._index.find(envelope, soap_action)

    @property
    def headers(self) -> frozenset[str]:
        """The header blocks that its operations declare."""
        return frozenset().union(*(one.headers for one in self.operations))

    @property
    def unchecked(self) -> frozenset[Operation]:
        """The operations whose requests are not checked against a schema; see the notes."""
        return frozenset(self.operations) if self._schemas is None else self._unchecked

    def is_slow(self, size: int) -> bool:
        """True where ``validate`` may take long for a request of so many bytes."""
        schemas = self._schemas
        return schemas.is_slow(size) if isinstance(schemas, WeighedSchemas) else schemas is not None

    def validate(
        self,
        operation: Operation,
        envelope: Envelope,
        seconds: float = CHECK_SECONDS,
        size: int = 0,
    ) -> None:
        """Check Body and Header of a request against the contract's schemas.

        Raises Refused; and Unchecked, if it cannot be checked now. If its ``size`` in bytes means
        that the check may take long, it is limited to ``seconds`` of work. Without a size, and
        without doubts about the contract, it is checked in this process.

        Operations that the notes call not checked pass, and so do header blocks that the contract
        does not declare.
        """
        if self._schemas is None or (self._unchecked and operation in self._unchecked):
            return
        if isinstance(self._schemas, ApartSchemas):
            self._schemas.validate(operation, envelope, seconds)
        else:
            self._schemas.validate(operation, envelope, size, seconds)

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses of the WSDL's ports, in document order, each once."""
        return tuple(dict.fromkeys(one.address for one in self.operations if one.address))

    def names(self) -> frozenset[str]:
        """The namespaces and actions that its documents declare: every caller knows them."""
        roots = (parse(one.data, one.location) for one in self._documents.values())
        declared = {root.get("targetNamespace", "") for root in roots}
        schemas = (one.namespaces for one in self._documents.values())
        actions = {a for one in self.operations for a in (one.soap_action, one.addressing_action)}
        return frozenset(declared.union(actions, *schemas)) - {""}

    @property
    def is_published(self) -> bool:
        """True if its WSDL came from a listener: no address in it is a backend's."""
        entry = next(iter(self._documents.values()))
        return f"<!-- {publish.MARK} -->".encode() in entry.data

    def publish(self, address: str) -> Mapping[str, bytes]:
        """Return the documents to serve at an address, by query string; "wsdl" is the entry.

        They contain no address but this one: imports and includes lead to it, with the query
        strings of the other documents.
        """
        served = {(one.service, one.port) for one in self.operations}
        with doing("publishing it", self.entry):
            return publish.publish(self._documents, address, served, self._places)
