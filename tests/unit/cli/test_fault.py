"""``gateway fault``: what an operator is shown of a fault that was rewritten."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway import assembly
from gateway.backends.redact.kept_faults import KeptFaults, Original
from gateway.cli.application import app
from gateway.errors import ConfigurationError
from gateway.settings import read

ID = "01M84FZB4J9DBN4MEPEYEP998H"
BODY = b"<Fault>\n\tat com.acme.Order\x1b[31m \xe2\x80\xae \xff</Fault>"


def original(client: str = "shop", **fields: object) -> Original:
    values = {"size": len(BODY), "body": BODY, "since": 4e9, **fields}
    return Original(
        id=ID,
        client=client,
        service="orders",
        operation="GetOrder",
        rewritten=("text", "detail"),
        content_type="text/xml",
        **values,  # type: ignore[arg-type]
    )


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return settings(tmp_path)


def settings(folder: Path, more: str = "", queue: str = "sqlite:///queue.db") -> Path:
    text = f'queue = "{queue}"\n[services.orders]\nwsdl = "orders.wsdl"\n{more}'
    (folder / "gateway.toml").write_text(text)
    return folder / "gateway.toml"


def kept(path: Path) -> KeptFaults:
    found = assembly.kept_faults(read(path))
    assert found is not None
    return found


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["fault", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return str(done.stdout)


def refusal(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["fault", *arguments], standalone_mode=False)
    assert isinstance(done.exception, ConfigurationError)
    return str(done.exception)


def test_an_operator_is_shown_all_of_it_and_nothing_that_steers_a_terminal(place):
    kept(place).keep(original())
    head, _, body = run(ID).partition("\n\n")
    assert dict(line.split(None, 1) for line in head.splitlines()) == {
        "id": ID,
        "client": "shop",
        "service": "orders",
        "operation": "GetOrder",
        "since": "2096-10-02T07:06:40Z",
        "rewritten": "text, detail",
        "content_type": "text/xml",
        "size": str(len(BODY)),
    }
    assert body == "<Fault>\n    at com.acme.Order\\x1b[31m \\u202e \\xff</Fault>\n"


def test_a_program_is_shown_one_object(place):
    kept(place).keep(original())
    told = json.loads(run(ID, "--json"))
    assert told["rewritten"] == ["text", "detail"]
    assert told["fault"] == BODY.decode("utf-8", "backslashreplace")


def test_the_original_is_written_byte_by_byte(place):
    kept(place).keep(original())
    assert run(ID, "--body", "fault.xml") == f"{len(BODY)} bytes in fault.xml\n"
    assert Path("fault.xml").read_bytes() == BODY


def test_what_was_too_long_says_so(place):
    kept(place).keep(original(size=len(BODY) + 7))
    assert run(ID).endswith("... and 7 bytes that are not kept\n")


def test_an_id_that_is_not_here_names_the_machine_that_was_looked_at(place):
    assert socket.gethostname() in refusal(ID)
    assert str(kept(place).folder) in refusal(ID)


def test_a_fault_that_is_not_kept_may_be_the_gateways_own(place):
    assert f"gateway quarantine show {ID}" in refusal(ID)


def test_an_id_of_another_client_is_not_looked_for_on_other_machines(place):
    kept(place).keep(original())
    told = refusal(ID, "--client", "farm")
    assert f"{ID} is an id of shop, not of 'farm'" in told
    assert socket.gethostname() not in told


@pytest.mark.parametrize("id", ["xyz", "", "no id at all, but long enough", f"{ID}\x1b[31m"])
def test_what_is_no_id_is_told_as_that(place, id):
    told = refusal("--", id)
    assert "is not the id of a request" in told
    assert "\x1b" not in told
    assert socket.gethostname() not in told


def test_of_several_clients_one_is_to_be_named(place):
    kept(place).keep(original())
    kept(place).keep(original("farm"))
    assert "(farm, shop): name one with --client" in refusal(ID)
    assert "farm" in run(ID, "--client", "farm")


@pytest.mark.parametrize(
    ("queue", "more", "folder"),
    [
        ("sqlite:///queue.db", "", "queue.db.live/kept/faults"),
        ("s3://bucket/orders", "", "gateway-faults"),
        ("s3://bucket/orders", '[quarantine]\nfaults = "aside"', "aside"),
    ],
)
def test_they_are_beside_the_queue_or_where_the_settings_say(tmp_path, queue, more, folder):
    found = kept(settings(tmp_path, more, queue)).folder
    assert found.relative_to(tmp_path) == Path(folder)


def test_where_none_are_kept_the_command_says_so(place):
    settings(place.parent, "[quarantine]\nfaults = false")
    assert refusal(ID).startswith("quarantine.faults is false")


def test_a_folder_that_cannot_be_written_is_told_with_the_cure(tmp_path):
    (tmp_path / "file").write_text("")
    told = assembly.hindrance(tmp_path / "file" / "faults")
    assert "is not a folder: set quarantine.faults" in told
    assert assembly.hindrance(tmp_path / "none" / "faults") == ""
