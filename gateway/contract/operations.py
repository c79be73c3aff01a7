"""Which operation of a contract an envelope is for."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.errors import AddressingCode, Check, FaultCode, Refused, WrongAddressing
from gateway.soap.envelope import WS_ADDRESSING, Envelope, SoapVersion

_ACTION_HEADERS = tuple(f"{{{namespace}}}Action" for namespace in WS_ADDRESSING)
_DELIMITER = re.compile(r"[/#:]")
_NAMES = {SoapVersion.V11: "SOAP 1.1", SoapVersion.V12: "SOAP 1.2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation of one binding, as its WSDL declares it."""

    name: str
    service: str
    port: str
    version: SoapVersion
    soap_action: str
    addressing_action: str = ""
    """The wsam:Action of its input; empty where the standard's default applies."""
    body: str | None
    """The name of the Body's first child, ``{namespace}local``; None where the Body is empty."""
    children: tuple[str, ...] = ()
    """The names of all of the Body's children: more than one for a message of several elements."""
    one_way: bool
    headers: frozenset[str] = frozenset()
    """The names of its declared header blocks (soap:header), as ``{namespace}local``."""
    encoded: bool
    """rpc/encoded: its messages cannot be checked against a schema."""
    address: str
    """The address of its port in the WSDL; empty without one."""
    faults: frozenset[str] = frozenset()
    """The names of the elements that its faults may have in their details."""


class Operations:
    """The operations of a contract, indexed by what a request contains."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.all = tuple(operations)
        self._versions = frozenset(operation.version for operation in self.all)
        self._by_body: dict[tuple[SoapVersion, str | None], list[Operation]] = defaultdict(list)
        self._named: dict[str, set[str]] = defaultdict(set)
        for operation in self.all:
            self._by_body[operation.version, operation.body].append(operation)
            for name in (operation.name, operation.soap_action, operation.addressing_action):
                self._named[name].add(operation.name)

    def find(self, envelope: Envelope, soap_action: str) -> Operation:
        """Return the operation of a request. Raises Refused.

        The Body decides. A SOAPAction or a wsa:Action must agree: a backend may use it instead, and
        would then execute another operation than the allowed one.
        """
        payload = envelope.payload
        candidates = self._by_body.get((envelope.version, None if payload is None else payload.tag))
        if not candidates:
            raise self._unknown(envelope.version, payload is None)
        candidates = self._agreeing(candidates, envelope, soap_action)
        first = candidates[0]
        if len(candidates) > 1 and any(other.name != first.name for other in candidates):
            raise Refused(
                "Several operations take this Body: name one of them with its SOAPAction.",
                check=Check.ACTION,
            )
        return first

    def _agreeing(
        self, candidates: list[Operation], envelope: Envelope, soap_action: str
    ) -> list[Operation]:
        """Return the candidates that agree with all actions of a request. Raises Refused."""
        action = soap_action.strip().strip('"').strip()
        if action:
            candidates = [one for one in candidates if self._agrees(one, action)]
        if not candidates:
            raise Refused(
                "The SOAPAction names another operation than the Body.", check=Check.ACTION
            )
        for action in _addressing_actions(envelope):
            candidates = [one for one in candidates if self._agrees(one, action)]
        if not candidates:
            code = AddressingCode.ACTION_NOT_SUPPORTED
            raise WrongAddressing(code, "The wsa:Action is not of this operation.")
        return candidates

    def _unknown(self, version: SoapVersion, empty: bool) -> Refused:
        if version not in self._versions:
            spoken = " or ".join(sorted(_NAMES[version] for version in self._versions))
            return Refused(
                f"This service speaks {spoken}.",
                code=FaultCode.VERSION_MISMATCH,
                check=Check.OPERATION,
            )
        what = "an empty Body" if empty else "the Body's first element; see its name and namespace"
        return Refused(f"The contract has no operation for {what}.", check=Check.OPERATION)

    def _agrees(self, operation: Operation, action: str) -> bool:
        if action in (operation.soap_action, operation.addressing_action):
            return True
        if operation.soap_action or operation.addressing_action:
            return False
        # The contract names no action for it, so senders may use any, but not another operation's,
        # in whole or in its last word, by which some servers choose. By WS-Addressing's default it
        # ends with the operation and "Request" (Metadata 4.4.4).
        last = _DELIMITER.split(action)[-1]
        words = {action, last, last.removesuffix("Request")} - {""}
        named = set().union(*(self._named.get(word, ()) for word in words))
        return not named or operation.name in named


def _addressing_actions(envelope: Envelope) -> Iterator[str]:
    """Yield every action that the header of a request states."""
    header = () if envelope.header is None else envelope.header
    for stated in (block for block in header if block.tag in _ACTION_HEADERS):
        if len(stated):
            raise Refused("A wsa:Action must hold text, and nothing else.", check=Check.ACTION)
        if stated.text and stated.text.strip():
            yield stated.text.strip()
