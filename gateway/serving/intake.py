"""The checks of a request before it reaches a service, whichever queue it came from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import replace
from typing import Any

from gateway.admission.gate import action
from gateway.admission.threads import INLINE
from gateway.admission.wire import check_size
from gateway.contract import Contract
from gateway.endpoint import Begin, Call, Endpoint, Refusal, unmarked
from gateway.errors import BindingViolation, Check, FaultError, Forbidden, Refused
from gateway.limits import USUAL, Limits
from gateway.message import Clock, Message
from gateway.queues.request_age import check_age
from gateway.soap.envelope import Envelope, parse
from gateway.soap.jms import decoded, is_packed, mistyped, sniff_content_type

NOBODY = (
    "No service here takes this message: check its Body's first element, its version of SOAP and"
    " its action; or name the service in SOAPJMS_targetService."
)
SEVERAL = "Several services here take this message: name one of them in SOAPJMS_targetService."


class Intake:
    """An endpoint over services: it checks a request, and passes it to the service that it is for.

    The queue keeps the bytes as they came, so that a request sent again is still the same one.
    """

    def __init__(
        self,
        services: Mapping[str, Endpoint],
        find: Callable[[Message], str],
        *,
        clock: Clock,
        limits: Limits = USUAL,
        clients: Collection[str] | None = None,
    ) -> None:
        """``find`` returns the service of a request that names none, and may run in a thread.

        ``clock`` is the queue's. ``clients`` are the known ones; None: clients are not
        distinguished.
        """
        self._services = dict(services)
        self._find = find
        self._clock = clock
        self._limits = limits
        self._clients = clients

    async def admit(self, message: Message, begin: Begin = unmarked) -> Call | Refusal:
        """Let the service that a request is for admit it. Raises TransientError."""
        try:
            message = await self._unpacked(message)
            message = await self._addressed(message)
        except FaultError as error:
            return Refusal(error=error, service=message.target_service)
        return await self._services[message.target_service].admit(message, begin)

    def answer(self, call: Call) -> Coroutine[Any, Any, Message | None]:
        """Let the service that admitted a call answer it."""
        return self._services[call.message.target_service].answer(call)

    async def _unpacked(self, message: Message) -> Message:
        """Refuse an unknown client first; then a request from another time, one that breaks
        SOAP/JMS or is too large. Raises Refused, OutcomeUnknown.
        """
        if self._clients is not None and message.sender not in self._clients:
            raise Forbidden(
                f"{message.sender!r} is not a client in the settings", check=Check.CLIENT
            )
        check_age(message, self._clock())
        if message.violation is not None:
            raise BindingViolation(message.violation)
        check_size(message, self._limits.request)
        if not is_packed(message.content_encoding):
            return message
        return await asyncio.to_thread(unpacked, message, self._limits)

    async def _addressed(self, message: Message) -> Message:
        """Return the request with the name of a service that is served here. Raises Refused."""
        if not message.target_service:
            is_large = len(message.body) > INLINE
            name = await asyncio.to_thread(self._find, message) if is_large else self._find(message)
            message = replace(message, target_service=name)
        if message.target_service not in self._services:
            raise Refused("No service of that name is served here.", check=Check.SERVICE)
        return message


def unpacked(message: Message, limits: Limits) -> Message:
    """Return a packed message unpacked. Raises Refused."""
    body = decoded(message.body, message.content_encoding, limits.request, limits.gzip_ratio)
    content_type = message.content_type or sniff_content_type(body)
    broken = mistyped(content_type, body)
    if broken is not None:
        raise BindingViolation(broken)
    return replace(message, body=body, content_type=content_type, content_encoding="")


def by_operation(
    contracts: Mapping[str, Contract], limits: Limits = USUAL
) -> Callable[[Message], str]:
    """Return a function that finds the service of a request by the contracts.

    The Body's first element decides; between services that share it, the SOAPAction or wsa:Action.
    The function raises Refused where no service matches, or several do.
    """

    def find(message: Message) -> str:
        if len(contracts) == 1:
            return next(iter(contracts))
        envelope = parse(message, limits)
        stated = action(message, envelope)
        found = [name for name, one in contracts.items() if _takes(one, envelope, stated)]
        if len(found) != 1:
            raise Refused(SEVERAL if found else NOBODY, check=Check.SERVICE)
        return found[0]

    return find


def _takes(contract: Contract, envelope: Envelope, action: str) -> bool:
    try:
        contract.find(envelope, action)
    except Refused:
        return False
    return True
