"""The console script says what hides the gateway, where something does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = "import soap_queue_gateway; soap_queue_gateway.main()"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run what the console script runs, with a folder first on Python's path."""
    path = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["gateway.py", "gateway/__init__.py"])
def test_a_module_of_the_same_name_is_named_and_not_run(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("print('it was run')\n")
    done = run(tmp_path, "--version")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: Python takes {tmp_path / name} for the gateway: rename")


def test_where_nothing_hides_it_it_runs(tmp_path):
    (tmp_path / "gateway").mkdir()  # a folder of settings is no module
    done = run(tmp_path, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("soap-queue-gateway ")
