"""All checks in their order, the cheapest first; the first that fails ends the request."""

from __future__ import annotations

from dataclasses import replace

from gateway.admission.addressing import check_addressing
from gateway.admission.references import check_arrays, check_includes, check_multi_references
from gateway.admission.rights import EVERYBODY, Rights
from gateway.admission.structure import check_parts, check_payload, check_version
from gateway.admission.wire import check_headers, check_size
from gateway.admission.wss.callers import CallerSecurity
from gateway.contract import Contract, Operation
from gateway.endpoint import Call
from gateway.errors import Check, Refused
from gateway.limits import Limits
from gateway.message import Message
from gateway.soap.envelope import Envelope, parse
from gateway.soap.headers import check_understood
from gateway.soap.multipart import parameter


class Gate:
    """Admits the requests of one contract, from clients with the right to call.

    ``understands`` names header blocks, as ``{namespace}local``, that the service accepts although
    its contract does not say so. ``security`` verifies the WS-Security of callers.
    """

    def __init__(
        self,
        contract: Contract,
        limits: Limits,
        rights: Rights = EVERYBODY,
        *,
        understands: frozenset[str] = frozenset(),
        security: CallerSecurity | None = None,
    ) -> None:
        self.rights = rights
        self._contract = contract
        self._limits = limits
        self._security = security
        self._understands = contract.headers | understands

    def admit(self, message: Message) -> Call:
        """Check a request, and return its call. Raises Refused, Unchecked.

        A verified Security header is removed from it. Blocks for long where ``is_slow`` says so;
        ``read``, ``check`` and ``validate`` are its parts, in this order.
        """
        call = self.check(self.read(message))
        self.validate(call)
        return call

    def is_slow(self, message: Message) -> bool:
        """Tell whether ``validate`` may take long; it then waits for another process."""
        return self._contract.is_slow(len(message.body))

    def read(self, message: Message) -> Call:
        """Find the operation that a request is for. Raises Refused."""
        check_size(message, self._limits.request)
        check_headers(message)
        envelope = parse(message, self._limits)
        check_version(envelope, message)
        check_parts(envelope, self._limits.header_blocks)
        check_understood(envelope, self._understands)
        operation = self._contract.find(envelope, action(message, envelope))
        return Call(message=message, envelope=envelope, operation=operation)

    def check(self, call: Call) -> Call:
        """Make the checks that depend on the operation, except the schema's; return the new call.

        Raises Refused.
        """
        envelope, operation = call.envelope, call.operation
        self.rights.check(call.message.sender, operation.name)
        check_payload(envelope, operation)
        self._check_references(envelope, operation)
        check_addressing(envelope)
        if self._security is not None:
            call = replace(call, message=self._security.secured(call.message, envelope))
        return call

    def validate(self, call: Call) -> None:
        """Check Body and Header against the contract's schemas. Raises Refused, Unchecked."""
        size, seconds = len(call.message.body), self._limits.schema_time
        self._contract.validate(call.operation, call.envelope, seconds, size)

    def _check_references(self, envelope: Envelope, operation: Operation) -> None:
        check_includes(envelope)
        if operation.encoded:
            limits = self._limits
            check_arrays(envelope, limits.elements)
            check_multi_references(
                envelope,
                chain=limits.references,
                elements=limits.elements,
                size=limits.request,
            )


def action(message: Message, envelope: Envelope) -> str:
    """Return the SOAP action: SOAP 1.2 has it in the content type (RFC 3902).

    MTOM has it in the root part's as well, and in the types inside ``type`` and ``start-info``.
    Raises Refused where they differ: a backend might use another one.
    """
    types = [message.content_type, envelope.content_type]
    types += [parameter(one, name) for one in types for name in ("type", "start-info")]
    stated = {message.soap_action, *(parameter(one, "action") for one in types)} - {""}
    if len(stated) > 1:
        raise Refused(
            "SOAPAction and the action of the content type disagree: keep one of them.",
            check=Check.ACTION,
        )
    return stated.pop() if stated else ""
