"""Every attack on WS-Security is refused for what it is, and not for something else about it."""

from __future__ import annotations

import re

import attacks
import pytest
import wsse

from gateway.errors import NotSecured, Refused
from gateway.message import Message

ALL = [one for one in attacks.ALL if one.service == attacks.SECURED]
TEXT = NotSecured("").text


@pytest.fixture(scope="module")
def gate():
    return wsse.gate()


def sent(body: bytes) -> Message:
    return Message(body=body, content_type="text/xml", sender="alice")


@pytest.mark.parametrize("attack", [one for one in ALL if one.why], ids=lambda one: one.file)
def test_the_operator_is_told_the_cause_and_the_caller_one_text(gate, attack):
    body = attack.body
    if attack.twice:
        assert gate.admit(sent(body))
    with pytest.raises(Refused) as caught:
        gate.admit(sent(body))
    assert re.search(attack.why, caught.value.reason)
    assert caught.value.text == TEXT
    for secret in ("canary", "666666", "mallory"):
        assert secret not in caught.value.reason


def test_all_but_the_harmless_ones_say_their_cause():
    silent = {one.file for one in ALL if not one.why}
    assert silent == {"wss-signed.xml", "wss-user.xml", "wss-wrapped-body.xml"}


@pytest.mark.parametrize("name", ["wss-signed.xml", "wss-user.xml"])
def test_what_is_as_it_should_be_passes(gate, name):
    attack = next(one for one in ALL if one.file == name)
    assert gate.admit(sent(attack.body)).operation.name == "GetOrder"
