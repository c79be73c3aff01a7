"""Secrets: kept as hashes, compared whole, and a file that is written whole or not at all."""

from __future__ import annotations

import hashlib
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from gateway.secrets.credentials import (
    Credential,
    Credentials,
    changing,
    credential,
    hash_of,
    new_secret,
    read_credentials,
)


def test_a_secret_is_found_by_itself_and_by_nothing_else():
    known = Credentials([credential("shop", "one"), credential("shop", "two")])
    assert [known.client_of(one) for one in ("one", "two", "three", "")] == [
        "shop",
        "shop",
        None,
        None,
    ]


def test_a_hash_that_only_begins_alike_is_another():
    whole = hash_of("secret")
    for at in (8, 20, 31):
        other = bytearray(whole)
        other[at] ^= 1
        assert Credentials([Credential("shop", bytes(other), "")]).client_of("secret") is None
    assert Credentials([Credential("shop", whole, "")]).client_of("secret") == "shop"


def test_secrets_are_long_enough_that_a_fast_hash_keeps_them():
    made = {new_secret() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(one) for one in made} == {43}
    assert credential("shop", "a").digest == hashlib.sha256(b"a").digest()


@given(st.text())
def test_whatever_is_sent_as_a_secret_is_only_not_known(text):
    assert Credentials([credential("shop", new_secret())]).client_of(text) is None


def test_what_was_written_is_read_again_by_its_owner_alone(tmp_path):
    path = tmp_path / "credentials.txt"
    assert read_credentials(path) == []
    with changing(path) as known:
        known.append(made := credential("shop", "secret"))
    assert read_credentials(path) == [made]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["credentials.txt"]


def test_a_change_that_fails_changes_nothing(tmp_path):
    path = tmp_path / "credentials.txt"
    with changing(path) as known:
        known.append(credential("shop", "secret"))
    before = path.read_text()
    change = changing(path)
    change.__enter__().clear()
    assert not change.__exit__(RuntimeError, RuntimeError(), None)
    assert path.read_text() == before


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with (
        pytest.raises(ConfigurationError, match="cannot be written"),
        changing(tmp_path / "nowhere" / "credentials.txt"),
    ):
        pass
