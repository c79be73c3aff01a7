"""Which client may call which operation: with clients in the settings, only those allowed there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import Forbidden


@dataclass(frozen=True, slots=True)
class Rights:
    """The operations of a service that each client may call; None: any client may call all."""

    operations: Mapping[str, frozenset[str]] | None = None

    def check(self, client: str, operation: str) -> None:
        """Refuse an operation that the client may not call. Raises Forbidden."""
        if not self.may(client, operation):
            raise Forbidden(f"{client} may not call {operation}")

    def may(self, client: str, operation: str) -> bool:
        return self.operations is None or operation in self.operations.get(client, ())

    def is_of_use(self, client: str) -> bool:
        """Tell whether the client may call any operation of the service."""
        return self.operations is None or self.count(client) > 0

    def count(self, client: str) -> int:
        """Return how many operations a client may call."""
        return len((self.operations or {}).get(client, ()))


EVERYBODY = Rights()
