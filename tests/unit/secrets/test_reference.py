"""Secrets: read where their reference says, again when they change, and never shown."""

from __future__ import annotations

import logging
import os
from dataclasses import replace

import pytest

from gateway.errors import ConfigurationError
from gateway.secrets.reference import (
    Surroundings,
    changes,
    is_reference,
    secret,
)

KEY = "services.orders.backend.password"


@pytest.fixture
def around(tmp_path):
    (tmp_path / "given").mkdir()
    environment = {"ORDERS_PASSWORD": "from-env", "CREDENTIALS_DIRECTORY": str(tmp_path / "given")}
    return Surroundings(tmp_path, environment, look=0.0)


def test_a_secret_comes_from_the_environment_a_file_or_systemd(around):
    (around.folder / "password").write_text("from-file\r\n")
    (around.folder / "given" / "orders").write_text("from-systemd")
    absolute = f"file:{around.folder / 'password'}"
    assert secret(KEY, "env:ORDERS_PASSWORD", around).value() == "from-env"
    assert secret(KEY, "file:password", around).value() == "from-file"
    assert secret(KEY, absolute, around).value() == "from-file"
    assert secret(KEY, "credential:orders", around).value() == "from-systemd"


@pytest.mark.parametrize("text", ["hunter2", "env:", "file:", "vault:x", "", "ENV:X"])
def test_what_does_not_say_where_is_no_reference(text):
    assert not is_reference(text)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("env:NOTHING", "has no variable NOTHING: set it"),
        ("env:EMPTY", "is empty: write the secret there"),
        ("file:nowhere", "cannot be read (No such file"),
        ("file:given", "cannot be read (Is a directory"),
        ("file:two-lines", "holds a line break"),
        ("file:binary", "is not text in UTF-8"),
        ("file:large", "is too large for a secret"),
        ("credential:nowhere", "cannot be read"),
        ("credential:../two-lines", "LoadCredential="),
    ],
)
def test_one_that_cannot_be_used_says_why_and_not_what_it_is(around, reference, says):
    (around.folder / "two-lines").write_text("canary\ncanary\n")
    (around.folder / "binary").write_bytes(b"canary\xff")
    (around.folder / "large").write_text("canary" * 20_000)
    around = replace(around, environment={**around.environment, "EMPTY": ""})
    with pytest.raises(ConfigurationError) as caught:
        secret(KEY, reference, around)
    assert str(caught.value).startswith(f"{KEY}: ")
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)
    assert "canary" not in repr(caught.value.__cause__)


def test_without_systemd_there_is_no_credential(tmp_path):
    with pytest.raises(ConfigurationError, match="start this process by systemd"):
        secret(KEY, "credential:orders", Surroundings(tmp_path, {}))


def test_a_repr_shows_no_secret(around):
    read = secret(KEY, "env:ORDERS_PASSWORD", around)
    assert "from-env" not in repr(read) + str(read) + repr([read])


def test_a_file_is_read_again_when_it_has_changed(around):
    path = around.folder / "password"
    path.write_text("one")
    read = secret(KEY, "file:password", around)
    assert read.value() == "one"
    new = around.folder / "new"
    new.write_text("two")
    os.replace(new, path)
    assert read.value() == "two"


def test_the_last_value_is_kept_while_the_file_is_of_no_use(around, caplog):
    path = around.folder / "password"
    path.write_text("one")
    read = secret(KEY, "file:password", around)
    path.write_text("")
    with caplog.at_level(logging.WARNING):
        assert read.value() == "one"
    assert "is empty" in caplog.text
    path.write_text("three")
    assert read.value() == "three"


def test_a_file_is_looked_at_once_a_second(tmp_path):
    now = [0.0]
    path = tmp_path / "a"
    changed = changes([path], clock=lambda: now[0])
    path.write_text("x")
    assert not changed()
    now[0] = 1.5
    assert changed()
    now[0] = 3.0
    assert not changed()


def test_a_secret_that_all_may_read_is_told(around):
    path = around.folder / "password"
    path.write_text("one")
    path.chmod(0o644)
    assert secret(KEY, "file:password", around).is_exposed
    path.chmod(0o600)
    assert not secret(KEY, "file:password", around).is_exposed
    assert not secret(KEY, "env:ORDERS_PASSWORD", around).is_exposed
