"""All checks in their order, the cheapest first; the first that fails ends the request."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.admission.rights import EVERYBODY, Rights
from gateway.admission.structure import check_payload, check_version
from gateway.admission.wire import check_headers, check_size
from gateway.backend import Call
from gateway.contract import Contract
from gateway.errors import Refused
from gateway.message import Message
from gateway.multipart import parameter
from gateway.soap import Envelope, parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a request may be; sizes in bytes."""

    request: int = 1 << 20


class Gate:
    """Admits the requests of one contract, from those who have the right."""

    def __init__(self, contract: Contract, limits: Limits, rights: Rights = EVERYBODY) -> None:
        self.rights = rights
        self._contract = contract
        self._limits = limits

    def admit(self, message: Message) -> Call:
        """Return a request with all that was learned about it. Raises Refused."""
        check_size(message, self._limits.request)
        check_headers(message)
        envelope = parse(message)
        check_version(envelope, message)
        operation = self._contract.find(envelope, action(message, envelope))
        self.rights.check(message.sender, operation.name)
        check_payload(envelope, operation)
        self._contract.validate(operation, envelope)
        return Call(message=message, envelope=envelope, operation=operation)


def action(message: Message, envelope: Envelope) -> str:
    """Return the SOAP action: SOAP 1.2 has it in the content type (RFC 3902).

    MTOM has it in the root part's as well, and in those that ``type`` and ``start-info`` hold.
    Raises Refused where it is not alike everywhere: a backend might believe another one.
    """
    types = [message.content_type, envelope.content_type]
    types += [parameter(one, name) for one in types for name in ("type", "start-info")]
    stated = {message.soap_action, *(parameter(one, "action") for one in types)} - {""}
    if len(stated) > 1:
        raise Refused("SOAPAction and the action of the content type disagree: keep one of them.")
    return stated.pop() if stated else ""
