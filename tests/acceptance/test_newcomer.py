"""What a newcomer types wrong: a line with the cure, the right status, never a traceback."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-P", "-m", "gateway"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which all commands work, and some files that are none of theirs."""
    for source in (ROOT / "wsdl").glob("warehouse.*"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    (tmp_path / "gateway.toml").write_text(
        'queue = "sqlite:///queue.db"\n[services.warehouse]\nwsdl = "warehouse.wsdl"\n'
    )
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "binary").write_bytes(bytes(range(128, 256)))
    (tmp_path / "empty").touch()
    (tmp_path / "place").mkdir()
    return tmp_path


def gateway(folder: Path, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        text=True,
        encoding="utf-8",
        check=False,
        **options,
    )
    assert "Traceback" not in (done.stdout or "") + (done.stderr or "")
    return done


WRONG = {
    "fault": "missing argument 'ID' (python -m gateway fault --help shows what there is)",
    "call --envelope text": "--envelope: name its service first: there is warehouse.",
    "cal": "no such command 'cal'. Did you mean 'call'?",
    "call nope GetOrder": "there is no service 'nope' in the settings: there is warehouse.",
    "call warehouse getorder": "did you mean GetOrder? (gateway call warehouse lists them)",
    "policy nobody": "'nobody' is not one of 'gateway', 'client', 'listener', 'operator'",
    "serve --processes 0": "invalid value for '--processes': must be 1 or more",
    "serve --processes many": "invalid value for '--processes': must be a whole number",
    "demo --port 99999999": "must be 65535 or less",
    "status -c binary": "binary: is not text in UTF-8: save it as UTF-8.",
    "status -c place": "place: cannot be read: Is a directory.",
    "status -c empty": "empty: queue: is missing",
    "audit verify text": "text is not an audit log",
    "audit verify binary": "binary is not an audit log",
    "audit verify place": "place cannot be read: Is a directory.",
    "new shop --wsdl ftp://host/a": "--wsdl: 'ftp://host/a' is neither a path nor an HTTP address",
    "new shop --wsdl=": "--wsdl: '' is neither a path nor an HTTP address",
    "new shop --wsdl empty": "this is not well-formed XML",
    "new shop --wsdl place": "cannot be read (it is a folder); name the file in it",
    "stubs warehouse.wsdl --client c.py --service-name a/b": "'a/b' is not a service's name",
    "client add shop --secret-file text": "text exists already, and is left as it is",
    "client add shop --secret-file nowhere/a": "cannot be written: No such file or directory.",
}


@pytest.mark.parametrize("words", WRONG)
def test_what_is_wrong_is_told_in_lines_that_begin_with_error(folder, words):
    done = gateway(folder, *words.split(" "))
    assert done.returncode == 2
    assert WRONG[words] in " ".join(done.stderr.split())
    assert all(line.startswith("error: ") for line in done.stderr.splitlines())
    assert not done.stdout


def test_without_a_name_the_services_are_listed(folder):
    assert gateway(folder, "call").stdout == "warehouse\n"
    assert json.loads(gateway(folder, "call", "--json").stdout) == {"services": ["warehouse"]}


def test_a_name_with_colons_is_shown_as_it_was_typed(folder):
    done = gateway(folder, "call", "warehouse", "GetOrder", "a:b:c=1")
    assert "argument a:b:c: is not known" in done.stderr


def test_a_file_that_is_no_envelope_is_named(folder):
    done = gateway(folder, "call", "warehouse", "--envelope", "text")
    assert done.returncode == 1
    assert done.stderr == "error: text: The message is not well-formed XML.\n"


def test_an_empty_audit_log_says_that_nothing_is_in_it(folder):
    done = gateway(folder, "audit", "verify", "empty")
    assert done.stdout == "no lines: nothing was written yet, or all of it is gone\n"


def test_a_secret_is_written_for_its_owner_alone_and_not_shown(folder):
    done = gateway(folder, "client", "add", "shop", "--secret-file", "secret", umask=0)
    secret = (folder / "secret").read_text().strip()
    assert len(secret) == 43
    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o600
    assert secret not in done.stdout + done.stderr
    assert gateway(folder, "client", "list").stdout.startswith("shop: ")


def test_a_secret_that_cannot_be_written_lets_nobody_in(folder):
    gateway(folder, "client", "add", "shop", "--secret-file", "nowhere/secret")
    assert not gateway(folder, "client", "list").stdout


def test_a_file_of_credentials_that_is_none_is_told_and_kept(folder):
    (folder / "credentials.txt").write_bytes(bytes(range(128, 256)))
    done = gateway(folder, "client", "add", "shop")
    assert done.returncode == 2
    assert "credentials.txt: is not a file of credentials" in done.stderr
    assert (folder / "credentials.txt").read_bytes() == bytes(range(128, 256))


@pytest.mark.parametrize("command", [("status",), ("status", "--json"), ("check",), ("--version",)])
def test_output_that_cannot_be_written_is_told(folder, command):
    with open("/dev/full", "w") as full:
        done = gateway(folder, *command, stdout=full)
    assert done.returncode == 1
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("command", [("status", "-c", "none.toml"), ("call", "no-operation")])
def test_a_fault_that_cannot_be_told_leaves_the_status_as_it_is(folder, command):
    told = gateway(folder, *command)
    with open("/dev/full", "w") as full:
        done = gateway(folder, *command, stderr=full)
    assert (done.returncode, done.stdout) == (told.returncode, told.stdout)
    assert told.returncode in (1, 2)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_no_reason_to_fail(folder, closed):
    line = f'"$0" -P -m gateway status {closed}'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable], cwd=folder, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_terminal_without_unicode_is_shown_words_for_signs(folder):
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = gateway(folder, "check", env=environ)
    assert "ok settings  gateway.toml" in done.stdout
    assert "NO service   warehouse:" in done.stdout or "ok service   warehouse:" in done.stdout


@pytest.mark.parametrize("module", ["application", "commands.status"])
def test_ctrl_c_while_the_program_is_still_being_loaded_ends_it_without_a_traceback(folder, module):
    program = (
        "import sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == 'gateway.cli.{module}': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from gateway.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "status"], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, b"")
