"""The contract inside a stub, for programs that need it without a file or a server."""

from __future__ import annotations

import base64
import functools
import json
import threading
import zlib
from collections.abc import Mapping

from gateway.contract import Contract, from_documents
from gateway.errors import Refused
from gateway.message import Message
from gateway.soap.envelope import parse
from gateway.stubs.faults import UnwritableValue


class Embedded:
    """The documents of a contract, compressed; requests are checked against them before sending."""

    def __init__(self, packed: str) -> None:
        self._packed = packed
        self._loading = threading.Lock()

    def documents(self) -> Mapping[str, bytes]:
        """Return the documents by name, the WSDL first."""
        text = zlib.decompress(base64.b85decode("".join(self._packed.split())))
        return {name: document.encode() for name, document in json.loads(text).items()}

    def check(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Check a request against the contract. Raises UnwritableValue.

        The first check takes longer: it compiles the schemas.
        """
        message = Message(body=body, content_type=headers["Content-Type"])
        envelope = parse(message)
        with self._loading:
            contract = self._contract
        try:
            operation = contract.find(envelope, headers.get("SOAPAction", ""))
            contract.validate(operation, envelope)
        except Refused as error:
            raise UnwritableValue(error.text) from error

    @functools.cached_property
    def _contract(self) -> Contract:
        documents = self.documents()
        return from_documents(documents, next(iter(documents)))


def pack(documents: Mapping[str, bytes]) -> str:
    """Return documents as text, for the source of a stub. They must be in UTF-8."""
    text = json.dumps({name: data.decode() for name, data in documents.items()})
    return base64.b85encode(zlib.compress(text.encode(), 9)).decode()
