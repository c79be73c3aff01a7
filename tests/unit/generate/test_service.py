"""A service stub is source that its tools pass, that runs, and that a person adds to.

After a change on purpose, ``python tests/unit/generate/test_service.py`` writes the golden files
anew.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.contract import load
from gateway.generate.contract.reading import read
from gateway.generate.python.service import (
    ServiceNames,
    render_base,
    render_service,
    render_test,
)

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "stubs"


def golden() -> dict[str, str]:
    """Return what the golden files of the warehouse are to hold, by their names."""
    model = read(load("warehouse.wsdl", folder=ROOT / "wsdl"))
    names = ServiceNames.of(model, "warehouse_service")
    return {
        "warehouse_base.py": render_base(model, names, "warehouse.wsdl"),
        "warehouse_service.py": render_service(model, names),
    }


@pytest.mark.parametrize("name", ["warehouse_base.py", "warehouse_service.py"])
def test_a_stub_is_written_as_it_was_before(name):
    assert golden()[name] == (GOLDEN / name).read_text("utf-8")


@pytest.fixture(params=["warehouse", "everything", "calculator"])
def folder(request, models, tmp_path):
    """A folder with the three files of a contract."""
    model = models(request.param)
    names = ServiceNames.of(model, "orders_service")
    (tmp_path / "orders_base.py").write_text(render_base(model, names, "orders.wsdl"))
    (tmp_path / "orders_service.py").write_text(render_service(model, names))
    (tmp_path / "test_orders.py").write_text(render_test(model, names))
    return tmp_path


def run(folder, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, timeout=240
    )


def test_the_example_test_passes_as_it_was_written(folder):
    done = run(folder, "pytest", "-q", "-p", "no:cacheprovider", ".")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_ruff_has_nothing_to_say(folder):
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ruff = shutil.which("ruff", path=places)
    if ruff is None:
        pytest.skip("ruff is not installed here")
    for command in (["check", "--select=E,F,I,UP,B,RUF"], ["format", "--check"]):
        done = subprocess.run(
            [ruff, *command, "--isolated", "--no-cache", "."],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_same_contract_gives_the_same_bytes(models):
    model = models("everything")
    names = ServiceNames.of(model, "orders_service")
    once, again = (render_base(model, names, "orders.wsdl") for _ in range(2))
    assert once == again


def test_the_persons_file_has_a_method_for_each_operation(models):
    model = models("warehouse")
    source = render_service(model, ServiceNames.of(model, "orders_service"))
    (own,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    assert own.name == "Warehouse"
    methods = [node.name for node in own.body if isinstance(node, ast.FunctionDef)]
    assert methods == [one.method for one in model.operations]


def test_names_follow_the_file_that_a_person_has_named(models):
    model = models("warehouse")
    assert ServiceNames.of(model, "orders_service").base_module == "orders_base"
    assert ServiceNames.of(model, "shop").base_module == "shop_base"


if __name__ == "__main__":
    for name, text in golden().items():
        (GOLDEN / name).write_text(text, "utf-8")
