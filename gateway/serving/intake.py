"""What a request passes before it reaches a service, whichever queue it came from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from gateway.admission.gate import action
from gateway.admission.wire import check_size
from gateway.contract import Contract
from gateway.endpoint import Endpoint
from gateway.errors import BindingViolation, Forbidden, Refused
from gateway.message import Clock, Message
from gateway.queues.lifespan import check_age
from gateway.reasons import Check
from gateway.serving.service import INLINE
from gateway.soap.envelope import Envelope, parse
from gateway.soap.jms import (
    GZIP_RATIO,
    decoded,
    is_packed,
    mistyped,
    sniff_content_type,
)
from gateway.soap.wellformed import USUAL, XmlLimits

NOBODY = (
    "No service here takes this message: check its Body's first element, its version of SOAP and"
    " its action; or name the service in SOAPJMS_targetService."
)
SEVERAL = "Several services here take this message: name one of them in SOAPJMS_targetService."


def checked(endpoint: Endpoint, *, clock: Clock, limit: int, ratio: int = GZIP_RATIO) -> Endpoint:
    """Refuse what is from another time, breaks SOAP/JMS or is over ``limit`` bytes; unpack it.

    ``clock`` is the queue's. What is packed may become ``ratio`` times as large by that.

    The queue keeps the bytes as they came, so that a request sent again is still the same one.
    """

    async def answer(message: Message) -> Message | None:
        check_age(message, clock())
        if message.violation is not None:
            raise BindingViolation(message.violation)
        check_size(message, limit)
        if is_packed(message.content_encoding):
            message = await asyncio.to_thread(unpacked, message, limit, ratio)
        return await endpoint(message)

    return answer


def unpacked(message: Message, limit: int, ratio: int) -> Message:
    """Return a packed message as it was. Raises Refused."""
    body = decoded(message.body, message.content_encoding, limit, ratio)
    content_type = message.content_type or sniff_content_type(body)
    broken = mistyped(content_type, body)
    if broken is not None:
        raise BindingViolation(broken)
    return replace(message, body=body, content_type=content_type, content_encoding="")


def known(endpoint: Endpoint, clients: Collection[str]) -> Endpoint:
    """Refuse whom nobody knows, before anything is read of what it sent."""

    async def answer(message: Message) -> Message | None:
        if message.sender not in clients:
            raise Forbidden(f"{message.sender!r} is no client of the settings", check=Check.CLIENT)
        return await endpoint(message)

    return answer


def routed(endpoint: Endpoint, find: Callable[[Message], str]) -> Endpoint:
    """Name the service of a request that names none. ``find`` may run in a thread."""

    async def answer(message: Message) -> Message | None:
        if not message.target_service:
            is_large = len(message.body) > INLINE
            name = await asyncio.to_thread(find, message) if is_large else find(message)
            message = replace(message, target_service=name)
        return await endpoint(message)

    return answer


def by_operation(
    contracts: Mapping[str, Contract], limits: XmlLimits = USUAL
) -> Callable[[Message], str]:
    """Return what finds the service of a request: the only one, or the one whose contract has it.

    The Body's first element decides; between services that share it, the SOAPAction or wsa:Action.
    What it returns raises Refused where none takes the request, or several do.
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
