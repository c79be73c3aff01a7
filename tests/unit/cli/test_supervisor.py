"""Several serving processes: what each is told, and signals that come while they are started."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
RUN = """
if __name__ == "__main__":
    from gateway.cli import main
    main()
"""
DEFECT = """
from gateway.contract import loader

def fail(*given):
    raise IndexError("nobody foresaw this")

loader.collect = fail  # in each of the processes: they run this file, too
"""
SIGNALLED = """
import os
from signal import SIGHUP, SIGINT, SIGTERM
from gateway.cli import supervisor

start, numbers = supervisor._start, {numbers}

def signalled(*given):
    child = start(*given)
    os.kill(os.getpid(), numbers.pop(0))
    return child

supervisor._start = signalled
"""


@pytest.fixture
def serve(tmp_path: Path):
    """Return what runs ``gateway serve`` with two processes, behind some lines of Python."""
    settings = tmp_path / "gateway.toml"
    wsdl = ROOT / "wsdl" / "warehouse.wsdl"
    settings.write_text(f'queue = "sqlite:///q.db"\n[services.w]\nwsdl = "{wsdl}"\n')
    program = tmp_path / "program.py"

    def run(before: str, *options: str) -> subprocess.CompletedProcess[str]:
        program.write_text(before + RUN)
        command = [sys.executable, program, *options, "serve", "--processes", "2", "-c", settings]
        return subprocess.run(command, capture_output=True, text=True, timeout=240)

    return run


@pytest.mark.parametrize("options", [["--traceback"], []])
def test_a_defect_is_told_with_its_traceback_by_each_process_where_it_is_wanted(serve, options):
    done = serve(DEFECT, *options)
    assert done.returncode == 2
    assert "This is a defect of the gateway" in done.stderr
    assert ("Traceback" in done.stderr) == bool(options)
    assert ("in fail" in done.stderr) == bool(options)


def test_ctrl_c_while_processes_are_started_stops_them_all(serve):
    done = serve(SIGNALLED.format(numbers="[SIGINT, 0]"))
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_sighup_while_processes_are_started_is_no_end(serve):
    """Ended here by the stop that comes with the second process."""
    assert serve(SIGNALLED.format(numbers="[SIGHUP, SIGTERM]")).returncode == -signal.SIGTERM
