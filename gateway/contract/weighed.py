"""Schemas whose checks take as long as a message is large: light ones here, others apart."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from gateway.contract.checking import CHECK_SECONDS, ApartSchemas
from gateway.contract.operations import Operation
from gateway.contract.schema_set import SchemaSet
from gateway.contract.schemas import Schemas
from gateway.contract.weights import LONG
from gateway.soap import Envelope


class WeighedSchemas:
    """The schemas of a contract; threads may share them.

    What may take longer than LONG is checked in another process, which is started for the first
    such message.
    """

    def __init__(self, documents: SchemaSet, headers: Iterable[str], weight: float) -> None:
        """Compile. ``weight`` is how many seconds a byte takes, at most. Raises NotCompiled."""
        self.elements = documents.elements
        self._here = Schemas(documents, headers)
        self._parts = documents, frozenset(headers)
        self._weight = weight
        self._apart: ApartSchemas | None = None
        self._starting = threading.Lock()

    def is_slow(self, size: int) -> bool:
        """Tell whether a message of so many bytes may take long. It then waits for a process."""
        return size * self._weight > LONG

    def validate(
        self,
        operation: Operation,
        envelope: Envelope,
        size: int,
        seconds: float = CHECK_SECONDS,
    ) -> None:
        """Check Body and Header of a message of this size, as ``Schemas`` does.

        Where that may take long: for ``seconds`` of work at most. Raises Refused.
        """
        if self.is_slow(size):
            self._started().validate(operation, envelope, seconds)
        else:
            self._here.validate(operation, envelope)

    def unknown(self, headers: Iterable[str]) -> list[str]:
        """Return the names of header blocks that no schema declares, though one should."""
        return self._here.unknown(headers)

    def _started(self) -> ApartSchemas:
        with self._starting:
            if self._apart is None:
                self._apart = ApartSchemas(*self._parts)
            return self._apart
