"""A service stub is source that its tools pass, that runs, and that a person adds to."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from gateway.stubs.service import ServiceNames, render_base, render_service, render_test


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
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, timeout=100
    )


def test_the_example_test_passes_as_it_was_written(folder):
    done = run(folder, "pytest", "-q", "-p", "no:cacheprovider", ".")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


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
