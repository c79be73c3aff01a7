"""A contract that was read from the web once is there when its server is not."""

from __future__ import annotations

import logging

import pytest

from gateway.contract.documents.kept import Copies, keeping
from gateway.errors import ContractError

URL = "http://10.1.2.3/Orders?wsdl"


class Server:
    """A reader of one document, which can be down."""

    def __init__(self):
        self.is_up = True
        self.data = b"<definitions/>"

    def read(self, location):
        if not self.is_up:
            raise ContractError(f"{location} does not answer")
        return self.data


def test_what_was_read_is_there_when_the_server_is_down(tmp_path, caplog):
    server = Server()
    keeping(server.read, Copies(tmp_path / "kept", "orders"))(URL)
    server.is_up = False
    with caplog.at_level(logging.WARNING):
        assert keeping(server.read, Copies(tmp_path / "kept", "orders"))(URL) == b"<definitions/>"
    assert "orders: the server of its contract does not answer; using the copy" in caplog.text
    assert "10.1.2.3" not in caplog.text


def test_a_server_that_is_up_is_believed_and_not_the_copy(tmp_path):
    server = Server()
    read = keeping(server.read, Copies(tmp_path / "kept", "orders"))
    read(URL)
    server.data = b"<new/>"
    assert read(URL) == b"<new/>"
    server.is_up = False
    assert read(URL) == b"<new/>"


def test_what_was_never_read_is_not_there(tmp_path):
    server = Server()
    server.is_up = False
    with pytest.raises(ContractError):
        keeping(server.read, Copies(tmp_path / "kept", "orders"))(URL)


def test_where_no_copy_can_be_kept_the_contract_is_read_all_the_same(tmp_path, caplog):
    (tmp_path / "kept").write_text("in the way")
    assert keeping(Server().read, Copies(tmp_path / "kept", "orders"))(URL) == b"<definitions/>"
    assert "no copy" in caplog.text
