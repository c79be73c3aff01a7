"""Clients of the settings become rights, shares and quotas."""

from __future__ import annotations

import time

import pytest

from gateway.assembly.clients import (
    may_call,
    rights,
)
from gateway.assembly.contracts import Loaded
from gateway.errors import ConfigurationError, OverQuota
from gateway.serving.quotas import Quotas, Shares
from gateway.settings import from_values


@pytest.fixture
def built(warehouse, tmp_path):
    loaded = {"warehouse": Loaded(warehouse, None), "depot": Loaded(warehouse, None)}

    def build(**clients):
        services = {name: {"wsdl": "warehouse.wsdl"} for name in loaded}
        values = {"queue": "memory:", "services": services, "clients": clients}
        return from_values(values, tmp_path, "gateway.toml"), loaded

    return build


def allowed(built, *patterns):
    settings, loaded = built(alice={"allow": list(patterns)})
    found = rights(settings, loaded)
    return {f"{name}.{one}" for name in loaded for one in found[name].operations["alice"]}


def test_without_clients_everybody_may_call_everything(built):
    found = rights(*built())
    found["warehouse"].check("anybody", "GetOrder")


def test_a_client_may_call_nothing_unless_it_is_said(built):
    assert allowed(built) == set()


def test_a_pattern_stands_for_operations_of_its_service_alone(built):
    assert allowed(built, "warehouse.GetOrder") == {"warehouse.GetOrder"}
    assert allowed(built, "warehouse.Get*") == {"warehouse.GetOrder", "warehouse.GetLabel"}
    assert allowed(built, "*.GetOrder") == {"warehouse.GetOrder", "depot.GetOrder"}
    assert allowed(built, "depot.*") < allowed(built, "*")
    assert not any(one.startswith("warehouse") for one in allowed(built, "depot.*"))


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("warehouse.GetOrdr", "did you mean warehouse.GetOrder"),
        ("werehouse.*", "no operation is called 'werehouse.*'"),
        ("warehouse.getorder", "did you mean warehouse.GetOrder"),
    ],
)
def test_a_pattern_that_stands_for_nothing_is_an_error(built, pattern, says):
    with pytest.raises(ConfigurationError, match=r"clients\.alice\.allow") as caught:
        allowed(built, pattern)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("client", "says"),
    [
        ({"allow": "warehouse.*"}, "clients.alice.allow: must be a list like"),
        ({"allow": ["warehouse"]}, "clients.alice.allow: must be a list like"),
        ({"allow": ["warehouse.["]}, "clients.alice.allow: must be a list like"),
        ({"burst": 3}, "clients.alice: has burst without rate"),
        ({"rate": 0.0}, "clients.alice.rate:"),
        ({"token": "secret"}, "clients.alice.token: is not a key of this file"),
        ({"certificate": "shop\n"}, "clients.alice.certificate: must be a name"),
    ],
)
def test_what_is_wrong_with_a_client_is_told_by_its_key(built, client, says):
    with pytest.raises(ConfigurationError) as caught:
        built(alice=client)
    assert says in str(caught.value)


def test_a_name_of_a_certificate_is_of_one_client_alone(built):
    with pytest.raises(ConfigurationError, match="alice and bob have the same certificate"):
        built(alice={"certificate": "shop.example"}, bob={"certificate": "Shop.example"})


def test_a_burst_is_ten_seconds_of_the_rate_unless_it_is_said(built):
    settings, _ = built(
        alice={"rate": 2.0}, bob={"rate": 2.0, "burst": 5}, carol={"rate": 0.01}, dan={}
    )
    assert Shares(settings.clients).left() == {"alice": 20, "bob": 5, "carol": 1}


def test_a_daily_quota_is_of_its_client_alone(built):
    settings, _ = built(alice={"daily": 1}, bob={})
    used = Quotas(settings.clients, time.time)
    used.spend("alice", 1)
    used.spend("bob", 1)
    used.spend("bob", 1)
    with pytest.raises(OverQuota):
        used.spend("alice", 1)


@pytest.mark.parametrize(
    ("pattern", "target", "may"),
    [
        ("*", ("warehouse", ""), True),
        ("ware*.Get*", ("warehouse", ""), True),
        ("ware*.Get*", ("warehouse", "GetOrder"), True),
        ("ware*.Get*", ("warehouse", "ListOrders"), False),
        ("depot.*", ("warehouse", ""), False),
        ("depot.*", ("warehouse", "GetOrder"), False),
    ],
)
def test_whether_a_client_may_call_is_known_without_the_contract(built, pattern, target, may):
    settings, _ = built(alice={"allow": [pattern]})
    assert may_call(settings, "alice", *target) is may
    assert not may_call(settings, "nobody", *target)
    assert may_call(built()[0], "nobody", *target)
