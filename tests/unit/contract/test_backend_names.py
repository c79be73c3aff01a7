"""The places of a backend: found in a text where they are, and not where a word is only alike."""

from __future__ import annotations

import pytest

from gateway.contract.backend_names import places

HOSTS = [
    "http://app01.example.com:8080/Orders",
    "http://orders/soap",
    "https://10.1.2.3/x",
    "http://[fe80::1]:81/",
    "http://127.0.0.1:8123/Warehouse",
    "http://[x",
    "",
]


@pytest.mark.parametrize(
    "text",
    [
        "http://app01.example.com/other",
        "no answer from APP01.EXAMPLE.COM.",
        "on app01, as ever",
        "see orders:8080",
        "http://orders/wsdl",
        "(10.1.2.3)",
        "10.1.2.3:443",
        "[fe80::1]",
        "127.0.0.1:8123",
    ],
)
def test_a_place_is_found(text):
    assert places(HOSTS).search(text)


@pytest.mark.parametrize(
    "text",
    [
        "your orders are late",
        "http://app01.example.com.au/",
        "http://myapp01.example.net/",
        "110.1.2.34",
        "http://127.0.0.1:8800/warehouse",
        "http://127.0.0.1:81230/",
        "http://orders.example.com/",
    ],
)
def test_what_is_only_alike_is_not(text):
    assert not places(HOSTS).search(text)


def test_without_addresses_nothing_is_found():
    assert not places([]).search("http://anything/ at all")
