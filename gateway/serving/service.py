"""A service: a name, a gate, a backend, and which of its operations may be carried out twice."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from gateway.admission import Gate
from gateway.backend import Backend, Call
from gateway.contract import WORKERS
from gateway.endpoint import admitted, before_effect
from gateway.errors import (
    BackendFailed,
    Declined,
    Expired,
    FaultCode,
    FaultError,
    OutcomeUnknown,
    Refused,
    Unanswered,
)
from gateway.message import (
    ID_WINDOW,
    Clock,
    Message,
    echoed,
    id_time,
)
from gateway.queues.lifespan import check_known, check_once
from gateway.serving.fair_pool import FairPool
from gateway.serving.quotas import NO_QUOTAS, Quotas
from gateway.serving.verdict import INTERRUPTED, UNKNOWN
from gateway.soap.multipart import parameter

# Parsing this many bytes holds the event loop for about a millisecond; more than that goes to a
# thread, where lxml lets others run. What may take long to validate goes to a process (is_slow).
INLINE = 64 << 10

# One thread: each has its own copy of the compiled schemas, and large ones take 50 MB.
_ADMISSION = ThreadPoolExecutor(1, thread_name_prefix="admission")

_CHECKS = FairPool(WORKERS, "schema-check")
"""Where it is waited for checks that may take long: one at a time for each client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which operations are repeatable (None: all), and how long things may take, in seconds."""

    repeatable: frozenset[str] | None = frozenset()
    timeout: float = 60.0
    """Of one call."""
    lifetime: float = ID_WINDOW
    """From its arrival on, of a request that names no deadline."""

    def is_repeatable(self, operation: str) -> bool:
        return self.repeatable is None or operation in self.repeatable


class Service:
    """An endpoint: admits a request, then has its backend carry it out."""

    def __init__(
        self,
        gate: Gate,
        backend: Backend,
        policy: Policy,
        clock: Clock,
        quotas: Quotas = NO_QUOTAS,
    ) -> None:
        """``clock`` is the queue's, by which messages expire."""
        self._quotas = quotas
        self._gate = gate
        self._backend = backend
        self._policy = policy
        self._clock = clock

    async def __call__(self, message: Message) -> Message | None:
        """Answer a request.

        Raises FaultError and its kinds (a fault for the caller), TransientError (it may be tried
        again), and what ``before_effect`` raises.
        """
        call = await self._admitted(message)
        self._check_begun(call)
        self._check_deadline(message)
        with self._quotas.spent(message.sender, len(message.body)):
            reply = await self._carry_out(call)
        return None if call.operation.one_way else _addressed(reply, message)

    async def _admitted(self, message: Message) -> Call:
        """Admit a request; what it asks for is taken note of, also where it may not have it."""
        note = admitted.get()
        try:
            call = await admit(self._gate, message)
        except Refused as error:
            note(message.target_service, error.operation)
            error.is_repeatable = self._policy.is_repeatable(error.operation)
            raise
        note(message.target_service, call.operation.name)
        return call

    def _check_begun(self, call: Call) -> None:
        """Refuse what may be carried out once, and was begun. Raises OutcomeUnknown, Refused.

        Nothing else may be told of that: neither that its deadline is past, nor that its client's
        quota is used up.
        """
        if self._policy.is_repeatable(call.operation.name):
            return
        check_once(call.message)
        if call.message.interrupted:
            raise OutcomeUnknown(UNKNOWN, reason=INTERRUPTED)

    async def _carry_out(self, call: Call) -> Message | None:
        if self._policy.is_repeatable(call.operation.name):
            return await self._repeatable(call)
        await before_effect.get()()
        try:
            return await self._invoke(call)
        except Unanswered as error:
            raise OutcomeUnknown(UNKNOWN) from error
        except Declined as error:
            raise FaultError("The service is busy: try later.", code=FaultCode.BUSY) from error

    async def _repeatable(self, call: Call) -> Message | None:
        try:
            return await self._invoke(call)
        except Refused as error:
            error.is_repeatable = True
            raise
        except Unanswered:
            self._check_deadline(call.message)
            raise

    async def _invoke(self, call: Call) -> Message | None:
        """Have the backend carry a call out, no longer than the policy and the deadline allow."""
        # Once more, and after the claim: between the two any time may have passed.
        check_known(call.message, self._clock())
        left = self._check_deadline(call.message)
        limit = asyncio.timeout(min(self._policy.timeout, left))
        try:
            async with limit:
                return await self._backend.invoke(call)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Unanswered(f"no answer in {min(self._policy.timeout, left):g} s") from error

    def _check_deadline(self, message: Message) -> float:
        """Return how many seconds are left. Raises Expired."""
        left = self._deadline(message) - self._clock()
        if left <= 0:
            raise Expired("The request was not answered before its deadline.")
        return left

    def _deadline(self, message: Message) -> float:
        if message.expires is not None:
            return message.expires
        began = id_time(message.id) if message.arrived is None else message.arrived
        return float("inf") if began is None else began + self._policy.lifetime


async def admit(gate: Gate, message: Message) -> Call:
    """Admit a request, without holding up others where it takes long. Raises Refused, Unchecked."""
    is_slow = gate.is_slow(message)
    first = gate.read if is_slow else gate.admit
    if len(message.body) <= INLINE:
        call = first(message)
    else:
        loop = asyncio.get_running_loop()
        call = await loop.run_in_executor(_ADMISSION, first, message)
    if is_slow:
        await asyncio.wrap_future(_CHECKS.take(message.sender, lambda: gate.validate(call)))
    return call


def _addressed(reply: Message | None, request: Message) -> Message:
    """Return a reply that says which request it answers (SOAP/JMS 1.0, section 2.2.3).

    Its action is the request's, as with CXF, unless its content type has one: both have to agree.
    """
    if reply is None:
        raise BackendFailed("The service behind the gateway gave no answer.")
    fields = echoed(request)
    action = parameter(reply.content_type, "action")
    return replace(reply, **{**fields, "soap_action": action or fields["soap_action"]})
