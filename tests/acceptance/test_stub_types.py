"""mypy, strict, on stubs of clients and services, and on what users write with them.

All of it is checked in one run: mypy takes far longer to begin than for any of this.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from deployment import ROOT

from gateway.contract import load
from gateway.generate.contract.reading import read
from gateway.generate.python.client import ClientOptions, render
from gateway.generate.python.service import (
    ServiceNames,
    render_base,
    render_service,
    render_test,
)

GOLDEN = ROOT / "tests" / "golden" / "stubs"
CONTRACTS = {
    "warehouse": ROOT / "wsdl" / "warehouse.wsdl",
    "everything": GOLDEN / "everything.wsdl",
    "calculator": GOLDEN / "calculator.wsdl",
}
CLIENTS = ("warehouse_client", "warehouse_async_client", "everything_client", "calculator_client")
USER = """\
from __future__ import annotations

from decimal import Decimal

from warehouse_client import Order, OrderLine, OrderNotFoundFault, WarehouseClient


def total(number: str) -> Decimal:
    with WarehouseClient("sqlite:///queue.db") as warehouse:
        try:
            order: Order = warehouse.get_order(number)
        except OrderNotFoundFault as fault:
            print(fault.detail.hint.upper())
            return Decimal(0)
        lines: list[OrderLine] = order.lines
        return sum((line.unit_price * line.quantity for line in lines), Decimal(0))
"""
WRONG_USER = (
    USER
    + """
def wrong() -> None:
    with WarehouseClient("sqlite:///queue.db") as warehouse:
        warehouse.get_order(7)
        print(warehouse.get_order("A").nte)
        warehouse.get_order("A").note.upper()
"""
)
WRONG_SERVICE = """
from warehouse_base import GetLabelResponse, Order, WarehouseService


class Warehouse(WarehouseService):
    def get_order(self, order_id: int, *, call_key: str | None = None) -> Order: ...

    def get_label(self, order_id: str, *, call_key: str | None = None) -> GetLabelResponse:
        return "a label"
"""
_ERROR = re.compile(r"^(\w+)\.py:\d+: error: (.*)  \[([\w-]+)\]$", re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the golden clients, the services of each contract, and what users write."""
    folder = tmp_path_factory.mktemp("stubs")
    for name, path in CONTRACTS.items():
        model = read(load(path.name, folder=path.parent))
        names = ServiceNames.of(model, f"{name}_service")
        (folder / f"{name}_base.py").write_text(render_base(model, names, path.name))
        (folder / f"{name}_service.py").write_text(render_service(model, names))
        (folder / f"test_{name}.py").write_text(render_test(model, names))
        for client in (one for one in CLIENTS if one.startswith(name)):
            options = ClientOptions(source=path.name, service=name, is_async="async" in client)
            (folder / f"{client}.py").write_text(render(model, options), "utf-8")
    (folder / "user.py").write_text(USER)
    (folder / "wrong_user.py").write_text(WRONG_USER)
    (folder / "wrong_service.py").write_text(WRONG_SERVICE)
    return folder


@pytest.fixture(scope="module")
def errors(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """What mypy says, and its codes, by module; not of the gateway itself."""
    pytest.importorskip("mypy")
    options = ["--strict", "--follow-imports=silent", "--python-version=3.11", "--no-error-summary"]
    names = sorted(path.name for path in folder.glob("*.py"))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--cache-dir", folder / "cache", *names],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr  # for there is what is wrong on purpose
    found: dict[str, list[tuple[str, str]]] = {path.removesuffix(".py"): [] for path in names}
    for module, said, code in _ERROR.findall(done.stdout):
        found[module].append((said, code))
    assert sum(map(len, found.values())) == done.stdout.count(": error: "), done.stdout
    return found


def test_mypy_strict_has_nothing_to_say(errors):
    """A test of three contracts and of four clients: the names of modules say which has failed."""
    told = {name: said for name, said in errors.items() if said and not name.startswith("wrong")}
    assert told == {}
    assert {*CLIENTS, *(f"{name}_service" for name in CONTRACTS), "user"} <= set(errors)


def test_mypy_finds_what_a_user_does_wrong(errors):
    assert [code for _, code in errors["wrong_user"]] == ["arg-type", "attr-defined", "union-attr"]


def test_mypy_finds_a_method_that_does_not_do_what_the_contract_says(errors):
    told = "\n".join(said for said, _ in errors["wrong_service"])
    assert 'Argument 1 of "get_order" is incompatible with supertype' in told
    assert "Incompatible return value type" in told
