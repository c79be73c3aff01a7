"""Where calls to a service go, and where they may not."""

from __future__ import annotations

import pytest

from gateway.assembly.forwarding import backend_address
from gateway.errors import ConfigurationError
from gateway.settings import from_values


def address(folder, contract, forward: str, **listener: str) -> str:
    services = {"orders": {"wsdl": "orders.wsdl", "forward": forward}}
    values = {"queue": "memory:", "services": services, "listener": listener}
    return backend_address(from_values(values, folder, "gateway.toml"), "orders", contract)


@pytest.mark.parametrize(
    ("forward", "listener"),
    [
        ("http://127.0.0.1:8800/a", {"bind": "127.0.0.1:8800"}),
        ("http://localhost:8800/a", {"bind": "127.0.0.1:8800"}),
        ("http://[::1]:8800/a", {"bind": "localhost:8800"}),
        ("http://127.0.0.1/a", {"bind": "0.0.0.0:80"}),
        ("http://[::1]:8800/a", {"bind": "[::]:8800"}),
        ("https://SOAP.example.com/a", {"url": "https://soap.example.com"}),
    ],
)
def test_calls_that_would_go_round_are_refused(tmp_path, warehouse, forward, listener):
    with pytest.raises(ConfigurationError, match="own listener"):
        address(tmp_path, warehouse, forward, **listener)


@pytest.mark.parametrize(
    ("forward", "listener"),
    [
        ("http://127.0.0.1:8123/a", {"bind": "127.0.0.1:8800"}),
        ("http://127.0.0.2:8800/a", {"bind": "127.0.0.1:8800"}),
        ("http://10.1.2.3:8800/a", {"bind": "0.0.0.0:8800"}),
        ("http://10.1.2.3:8800/a", {"bind": "localhost:8800"}),
        ("https://old.example.com/a", {"url": "https://soap.example.com"}),
    ],
)
def test_a_service_beside_the_listener_is_not_taken_for_it(tmp_path, warehouse, forward, listener):
    assert address(tmp_path, warehouse, forward, **listener) == forward
