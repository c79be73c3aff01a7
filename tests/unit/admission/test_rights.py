"""Rights: nobody may call anything that is not allowed, once there are clients."""

from __future__ import annotations

import pytest

from gateway.admission import Gate, Limits, Rights
from gateway.errors import FaultCode, Forbidden

RIGHTS = Rights({"alice": frozenset({"GetOrder"}), "bob": frozenset()})


@pytest.fixture
def gate(warehouse):
    return Gate(warehouse, Limits(), RIGHTS)


def test_what_is_allowed_is_admitted(gate, sample):
    assert gate.admit(sample("get_order_11")).operation.name == "GetOrder"


@pytest.mark.parametrize("sender", ["bob", "carol", "", "Alice", "alice "])
def test_what_is_not_allowed_is_refused_and_nothing_told(gate, sample, sender):
    with pytest.raises(Forbidden) as caught:
        gate.admit(sample("get_order_11", sender=sender))
    assert caught.value.code is FaultCode.CLIENT
    assert "GetOrder" not in caught.value.text


def test_a_right_is_to_an_operation_not_to_a_service(gate, sample):
    with pytest.raises(Forbidden):
        gate.admit(sample("place_order_11"))


def test_the_right_is_checked_before_the_schema(gate, sample):
    with pytest.raises(Forbidden):
        gate.admit(sample("place_order_invalid_11"))


def test_a_service_is_of_use_to_those_who_may_call_something_of_it():
    assert RIGHTS.is_of_use("alice")
    assert not RIGHTS.is_of_use("bob")
    assert not RIGHTS.is_of_use("carol")
    assert Rights().is_of_use("anybody")
