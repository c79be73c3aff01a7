"""Client stubs as they are written: kept in tests/golden, and well-formed by ruff.

After a change on purpose, ``python tests/unit/generate/test_client.py`` writes the golden files
anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.contract import load
from gateway.errors import ConfigurationError
from gateway.generate.contract.reading import read
from gateway.generate.python.client import ClientOptions, render
from gateway.generate.python.files import write

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "stubs"
STUBS = {
    "warehouse_client": (ROOT / "wsdl" / "warehouse.wsdl", False),
    "warehouse_async_client": (ROOT / "wsdl" / "warehouse.wsdl", True),
    "everything_client": (GOLDEN / "everything.wsdl", False),
    "calculator_client": (GOLDEN / "calculator.wsdl", False),
}


def rendered(name: str) -> str:
    path, is_async = STUBS[name]
    model = read(load(path.name, folder=path.parent))
    service = path.stem
    return render(model, ClientOptions(source=path.name, service=service, is_async=is_async))


@pytest.mark.parametrize("name", STUBS)
def test_a_stub_is_written_as_it_was_before(name):
    assert rendered(name) == (GOLDEN / f"{name}.py").read_text("utf-8")


@pytest.mark.parametrize("settings", [["--isolated"], ["--config", str(ROOT / "ruff.toml")]])
@pytest.mark.parametrize("name", STUBS)
def test_ruff_has_nothing_to_say(name, settings, tmp_path):
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ruff = shutil.which("ruff", path=places)
    if ruff is None:
        pytest.skip("ruff is not installed here")
    path = tmp_path / f"{name}.py"
    path.write_text(rendered(name), "utf-8")
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [ruff, *command, *settings, "--no-cache", path], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_file_that_a_person_wrote_is_not_written_over(tmp_path):
    path = tmp_path / "client.py"
    path.write_text("mine = True\n")
    with pytest.raises(ConfigurationError, match="--force"):
        write(path, rendered("calculator_client"))
    assert path.read_text() == "mine = True\n"
    assert str(write(path, rendered("calculator_client"), force=True)).startswith("changed")


def test_what_changed_is_told(tmp_path):
    path, text = tmp_path / "client.py", rendered("calculator_client")
    assert str(write(path, text)) == "written"
    assert str(write(path, text)) == "unchanged"
    assert str(write(path, text + "# more\n")) == "changed (lines +1 -0)"
    assert [one.name for one in tmp_path.iterdir()] == ["client.py"]


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be written: No such file"):
        write(tmp_path / "nowhere" / "client.py", "")


if __name__ == "__main__":
    for one in STUBS:
        (GOLDEN / f"{one}.py").write_text(rendered(one), "utf-8")
