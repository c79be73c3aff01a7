"""The commands are loaded when they are asked for, and with them what they need."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
import typer

from gateway.cli.application import COMMANDS, app

HEAVY = {"aiohttp", "boto3", "jinja2", "spyne", "zeep"}
LOAD = """
import sys
from gateway.cli import outcome
from gateway.cli.application import app
sys.argv[1:] = {arguments}
assert outcome.of(app) == 0
print(*sorted(set(sys.modules) & {heavy}), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["--version"], set()),
        (["audit", "--help"], set()),
        (["up", "--help"], {"aiohttp", "zeep"}),
        (["status", "--help"], {"aiohttp", "zeep"}),
    ],
)
def test_a_command_loads_no_library_that_it_does_not_need(arguments, needed):
    program = LOAD.format(arguments=arguments, heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    assert set(done.stderr.split()) == needed


def test_every_command_is_there_in_its_order():
    group = typer.main.get_command(app)
    assert list(group.commands) == list(COMMANDS)
    for name, command in group.commands.items():
        assert command.name == name
        assert command.help


def test_a_key_that_a_module_lacks_is_no_command_that_is_not_there(monkeypatch):
    def fail(name):
        raise KeyError("HOME")

    group = typer.main.get_command(app)
    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(ImportError, match="gateway status cannot be loaded: KeyError 'HOME'"):
        group.get_command(None, "status")
    assert group.get_command(None, "stauts") is None
