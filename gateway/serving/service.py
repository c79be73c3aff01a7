"""A service: a gate, a backend, and a policy that names its repeatable operations."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

from gateway.admission import Gate, admit
from gateway.endpoint import Backend, Begin, Call, Refusal, unmarked
from gateway.errors import (
    BackendFailed,
    Declined,
    Expired,
    FaultCode,
    FaultError,
    OutcomeUnknown,
    Unanswered,
)
from gateway.message import ID_WINDOW, Clock, Message, echoed, id_time
from gateway.queues.request_age import check_known, check_once
from gateway.serving.breaker import IN_PLACE, CircuitBreaker
from gateway.serving.quotas import NO_QUOTAS, Quotas
from gateway.serving.verdict import INTERRUPTED, UNKNOWN
from gateway.soap.multipart import parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which operations are repeatable (None: all), and time limits in seconds."""

    repeatable: frozenset[str] | None = frozenset()
    timeout: float = 60.0
    """For one call."""
    lifetime: float = ID_WINDOW
    """For a request without a deadline, from its arrival."""
    in_place: tuple[float, ...] = IN_PLACE
    """Before each further try of a call that certainly did not leave."""

    def is_repeatable(self, operation: str) -> bool:
        return self.repeatable is None or operation in self.repeatable


class ServiceEndpoint:
    """An endpoint: its gate admits a request, then its backend carries out the call."""

    def __init__(
        self,
        gate: Gate,
        backend: Backend,
        policy: Policy,
        clock: Clock,
        quotas: Quotas = NO_QUOTAS,
        monotonic: Clock = time.monotonic,
    ) -> None:
        """``clock`` is the queue's, by which messages expire; ``monotonic`` the breaker's."""
        self._quotas = quotas
        self._gate = gate
        self._backend = backend
        self._policy = policy
        self._clock = clock
        self._breaker = CircuitBreaker(self._carry_out, monotonic, policy.in_place)

    async def admit(self, message: Message, begin: Begin = unmarked) -> Call | Refusal:
        """Let the gate check a request. Raises Unchecked, LeftAlone."""
        self._breaker.check()  # or requests for a service that is away are checked over and over
        found = await admit(self._gate, message)
        if isinstance(found, Refusal):
            return replace(found, is_repeatable=self._policy.is_repeatable(found.operation))
        is_repeatable = self._policy.is_repeatable(found.operation.name)
        return replace(found, size=len(message.body), is_repeatable=is_repeatable, begin=begin)

    async def answer(self, call: Call) -> Message | None:
        """Carry out a call.

        Raises FaultError and its kinds, TransientError, and the errors of ``call.begin``.
        """
        _check_begun(call)
        self._check_deadline(call.message)
        reply = await self._breaker(call)
        return None if call.operation.one_way else _addressed(reply, call.message)

    async def _carry_out(self, call: Call) -> Message | None:
        with self._quotas.spent(call.message.sender, call.size):
            if call.is_repeatable:
                return await self._repeated(call)
            await call.begin()
            try:
                return await self._invoke(call)
            except Unanswered as error:
                raise OutcomeUnknown(UNKNOWN) from error
            except Declined as error:
                raise FaultError("The service is busy: try later.", code=FaultCode.BUSY) from error

    async def _repeated(self, call: Call) -> Message | None:
        try:
            return await self._invoke(call)
        except Unanswered:
            self._check_deadline(call.message)
            raise

    async def _invoke(self, call: Call) -> Message | None:
        """Let the backend carry out a call, within the policy's timeout and the deadline."""
        # Checked once more after the claim: any time may have passed since the first check.
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


def _check_begun(call: Call) -> None:
    """Refuse an at-most-once operation that was begun before. Raises OutcomeUnknown, Refused.

    This comes first: its caller must not be told just that the deadline is past, or the quota used
    up.
    """
    if call.is_repeatable:
        return
    check_once(call.message)
    if call.message.interrupted:
        raise OutcomeUnknown(UNKNOWN, reason=INTERRUPTED)


def _addressed(reply: Message | None, request: Message) -> Message:
    """Return the reply with the properties that relate it to its request (SOAP/JMS 1.0, 2.2.3).

    Its action is the request's, as with CXF, unless its content type has one: both must agree.
    """
    if reply is None:
        raise BackendFailed("The service behind the gateway gave no answer.")
    fields = echoed(request)
    action = parameter(reply.content_type, "action")
    return replace(reply, **{**fields, "soap_action": action or fields["soap_action"]})
