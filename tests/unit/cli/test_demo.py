"""What the demo says at its end, to be pasted into another terminal."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from gateway.cli.commands import demo

PATIENCE = 240.0


def test_each_suggestion_runs_where_no_environment_is_active(tmp_path, capsys):
    demo._show_how(tmp_path, "http://127.0.0.1:1/warehouse", Console(soft_wrap=True))
    (line,) = (one for one in capsys.readouterr().out.splitlines() if " call warehouse " in one)
    command, _, rest = line.partition(" call warehouse ")
    assert rest == f"GetOrder orderId={demo.ORDER} -c {tmp_path}/client/gateway.toml"
    done = subprocess.run(
        [*shlex.split(command), "--version"],
        env={},
        cwd=tmp_path,
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout


def test_without_the_command_beside_python_it_is_a_module(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "a python"))
    assert shlex.split(demo._command()) == [str(Path(sys.executable)), "-m", "gateway"]
