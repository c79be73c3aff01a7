"""A service: admission, then the backend; and what may be carried out twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.admission import Gate, Limits
from gateway.endpoint import Refusal, unmarked
from gateway.errors import (
    BackendFailed,
    Declined,
    Expired,
    FaultCode,
    FaultError,
    LeaseLost,
    OutcomeUnknown,
    Refused,
    Unanswered,
    Unreached,
)
from gateway.message import Message, new_id
from gateway.observe.events import Events
from gateway.queues.memory import MemoryQueue
from gateway.serving.intake import Intake
from gateway.serving.leases import Work
from gateway.serving.quotas import Allowance, Quotas
from gateway.serving.service import Policy, ServiceEndpoint
from gateway.serving.verdict import Rejected
from gateway.serving.walk import Walk


async def answered(service, message, begin=unmarked):
    """Have a request answered, as a driver does. Raises what it is refused with."""
    call = await service.admit(message, begin)
    if isinstance(call, Refusal):
        raise call.error
    return await service.answer(call)


REPLY = Message(body=b"<reply/>", content_type="text/xml")
NOW = 1000.0


class Recorder:
    """A backend that keeps the calls it gets, and then does what it was made for."""

    def __init__(self, outcome=REPLY):
        self.calls = []
        self.outcome = outcome

    async def invoke(self, call):
        self.calls.append(call)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        if isinstance(self.outcome, float):
            await asyncio.sleep(self.outcome)
            return REPLY
        return self.outcome

    async def aclose(self):
        pass


@pytest.fixture
def service(warehouse):
    def build(backend, *repeatable, timeout=60.0, limit=1 << 20):
        policy = Policy(repeatable=frozenset(repeatable), timeout=timeout, in_place=(0.0,))
        return ServiceEndpoint(Gate(warehouse, Limits(request=limit)), backend, policy, lambda: NOW)

    return build


async def test_an_admitted_request_is_answered_and_names_what_it_answers(service, sample):
    backend = Recorder()
    request = sample("get_order_11")
    reply = await answered(service(backend), request)
    assert (reply.body, reply.correlation_id) == (b"<reply/>", request.id)
    assert reply.target_service == "warehouse"
    (call,) = backend.calls
    assert call.operation.name == "GetOrder"
    assert call.message.body == request.body


@pytest.mark.parametrize(
    ("name", "operation"),
    [("place_order_invalid_11", "PlaceOrder"), ("nonsense", "")],
)
async def test_a_refusal_names_the_operation_as_far_as_it_is_known(
    service, sample, name, operation
):
    message = sample("get_order_11", body=b"<a/>") if name == "nonsense" else sample(name)
    refusal = await service(Recorder()).admit(message)
    assert isinstance(refusal, Refusal)
    assert (refusal.service, refusal.operation, refusal.one_way) == ("warehouse", operation, False)


async def test_the_correlation_of_a_request_comes_back(service, sample):
    reply = await answered(service(Recorder()), sample("get_order_11", correlation_id="mine"))
    assert reply.correlation_id == "mine"


@pytest.mark.parametrize(
    "fields",
    [
        {"body": b"<not soap/>"},
        {"content_type": "text/plain"},
        {"content_type": "text/xml\r\nX-Evil: 1"},
        {"soap_action": "urn:example:warehouse/PlaceOrder"},
        {"soap_action": 'x"\r\nX-Evil: 1'},
    ],
)
async def test_what_admission_refuses_never_reaches_the_backend(service, sample, fields):
    backend = Recorder()
    with pytest.raises(Refused):
        await answered(service(backend), sample("get_order_11", **fields))
    assert backend.calls == []


async def test_a_request_that_breaks_the_schema_never_reaches_the_backend(service, sample):
    backend = Recorder()
    with pytest.raises(Refused):
        await answered(service(backend), sample("place_order_invalid_11"))
    assert backend.calls == []


async def test_a_request_over_the_limit_is_refused(service, sample):
    request = sample("get_order_11")
    await answered(service(Recorder(), limit=len(request.body)), request)
    with pytest.raises(Refused, match="larger"):
        await answered(service(Recorder(), limit=len(request.body) - 1), request)


async def test_two_elements_in_the_body_are_refused(service, sample):
    request = sample("get_order_11")
    twice = request.body.replace(b"</soapenv:Body>", b"<another/></soapenv:Body>")
    assert twice != request.body
    with pytest.raises(Refused, match="one element"):
        await answered(service(Recorder()), sample("get_order_11", body=twice))


async def test_a_large_request_is_admitted_as_well(service, sample):
    request = sample("get_order_11")
    padded = request.body.replace(
        b"</soapenv:Body>", b"<!--" + b"x" * 100_000 + b"--></soapenv:Body>"
    )
    assert len(padded) > 100_000
    assert await answered(service(Recorder()), sample("get_order_11", body=padded)) is not None


async def test_an_interrupted_operation_is_not_repeated_by_default(service, sample):
    backend = Recorder()
    with pytest.raises(OutcomeUnknown):
        await answered(service(backend), sample("place_order_11", interrupted=True))
    assert backend.calls == []


async def test_an_interrupted_repeatable_operation_is_repeated(service, sample):
    backend = Recorder()
    await answered(service(backend, "GetOrder"), sample("get_order_11", interrupted=True))
    assert len(backend.calls) == 1


async def test_every_operation_is_repeatable_where_the_policy_says_so(warehouse, sample):
    backend = Recorder()
    everything = ServiceEndpoint(
        Gate(warehouse, Limits()), backend, Policy(repeatable=None), lambda: NOW
    )
    await answered(everything, sample("place_order_11", interrupted=True))
    assert len(backend.calls) == 1


async def test_the_lease_is_made_durable_before_an_at_most_once_operation_only(service, sample):
    backend = Recorder()
    begun = []

    async def begin():
        begun.append(len(backend.calls))

    await answered(service(backend, "GetOrder"), sample("get_order_11"), begin)
    assert begun == []
    await answered(service(backend, "GetOrder"), sample("place_order_11"), begin)
    assert begun == [1]  # the second call had not gone to the backend yet


async def test_a_lost_lease_keeps_the_request_from_the_backend(service, sample):
    backend = Recorder()

    async def begin():
        raise LeaseLost("gone")

    with pytest.raises(LeaseLost):
        await answered(service(backend), sample("place_order_11"), begin)
    assert backend.calls == []


async def test_a_lost_answer_is_transient_for_a_repeatable_operation_only(service, sample):
    backend = Recorder(Unanswered("cut"))
    with pytest.raises(Unanswered):
        await answered(service(backend, "GetOrder"), sample("get_order_11"))
    with pytest.raises(OutcomeUnknown):
        await answered(service(backend, "GetOrder"), sample("place_order_11"))


async def test_a_backend_that_was_not_reached_is_transient_for_every_operation(service, sample):
    with pytest.raises(Unreached):
        await answered(service(Recorder(Unreached("down"))), sample("place_order_11"))


async def test_a_backend_that_declines_is_busy_to_who_may_not_repeat(service, sample):
    with pytest.raises(FaultError) as caught:
        await answered(service(Recorder(Declined("503"))), sample("place_order_11"))
    assert caught.value.code is FaultCode.BUSY


async def test_an_answer_that_takes_too_long_is_no_answer(service, sample):
    slow = Recorder(5.0)
    with pytest.raises(Unanswered):
        await answered(service(slow, "GetOrder", timeout=0.05), sample("get_order_11"))
    with pytest.raises(OutcomeUnknown):
        await answered(service(slow, timeout=0.05), sample("place_order_11"))


async def test_an_expired_request_never_reaches_the_backend(service, sample):
    backend = Recorder()
    with pytest.raises(Expired):
        await answered(service(backend), sample("get_order_11", expires=NOW - 1))
    assert backend.calls == []


async def test_a_deadline_ends_a_call_that_is_under_way(warehouse, sample):
    moments = iter([NOW, NOW, NOW, NOW + 0.1])
    gate = Gate(warehouse, Limits())
    service = ServiceEndpoint(gate, Recorder(5.0), Policy(repeatable=None), lambda: next(moments))
    with pytest.raises(Expired):
        await answered(service, sample("get_order_11", expires=NOW + 0.05))


async def test_a_deadline_that_ends_a_call_at_most_once_leaves_its_outcome_unknown(
    warehouse, sample
):
    backend, moments = Recorder(5.0), iter([NOW, NOW, NOW, NOW + 0.1])
    service = ServiceEndpoint(Gate(warehouse, Limits()), backend, Policy(), lambda: next(moments))
    with pytest.raises(OutcomeUnknown):
        await answered(service, sample("place_order_11", expires=NOW + 0.05))
    assert len(backend.calls) == 1


async def test_what_was_begun_and_expired_then_is_of_unknown_outcome(service, sample):
    backend = Recorder()
    with pytest.raises(OutcomeUnknown):
        await answered(
            service(backend), sample("place_order_11", expires=NOW - 1, interrupted=True)
        )
    with pytest.raises(Expired):
        await answered(service(backend), sample("place_order_11", expires=NOW - 1))
    assert backend.calls == []


async def test_a_used_up_quota_says_nothing_of_what_was_begun(warehouse, sample):
    quotas = Quotas({"alice": Allowance(daily=0)}, lambda: NOW)
    service = ServiceEndpoint(Gate(warehouse, Limits()), Recorder(), Policy(), lambda: NOW, quotas)
    with pytest.raises(OutcomeUnknown):
        await answered(service, sample("place_order_11", interrupted=True))


@pytest.mark.parametrize("service_name", ["warehouse", "unknown"])
async def test_a_refusal_says_nothing_of_what_was_begun(service, sample, service_name):
    verdict = await judged(service(Recorder(), limit=10), sample, service_name, interrupted=True)
    assert verdict.reason.startswith("Server.OutcomeUnknown: ")
    assert "; now Client." in verdict.reason
    assert b"OutcomeUnknown" in verdict.reply.body
    verdict = await judged(service(Recorder(), limit=10), sample, service_name)
    assert verdict.reason.startswith("Client.")


async def test_a_refusal_of_what_may_be_repeated_proves_what_it_did(warehouse, sample):
    policy = Policy(repeatable=None)
    for gate, backend in (
        (Gate(warehouse, Limits(request=10)), Recorder()),
        (Gate(warehouse, Limits()), Recorder(Refused("a duration is too long"))),
    ):
        endpoint = ServiceEndpoint(gate, backend, policy, lambda: NOW)
        verdict = await judged(endpoint, sample, "warehouse", interrupted=True)
        assert verdict.reason.startswith("Client")


async def judged(endpoint, sample, target: str, **fields: object) -> Rejected:
    queue = MemoryQueue()
    message = sample("place_order_11", target_service=target, sender="alice", id=new_id(), **fields)
    await queue.send(replace(message, interrupted=False))
    (delivery,) = await queue.receive(1, 0)
    delivery.message = message
    intake = Intake({"warehouse": endpoint}, str, clock=queue.clock)
    verdict = await Walk(intake, 5, 30.0, Events())(Work.on(delivery, 0.0))
    assert isinstance(verdict, Rejected)
    return verdict


async def test_a_one_way_operation_has_no_reply_whatever_the_backend_says(service, sample):
    assert await answered(service(Recorder()), sample("notify_shipment_11")) is None


async def test_no_reply_to_a_request_that_needs_one_is_a_failure(service, sample):
    with pytest.raises(BackendFailed):
        await answered(service(Recorder(None)), sample("get_order_11"))
