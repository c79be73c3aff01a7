"""Contracts that the tests of stubs read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.contract import load
from gateway.generate.contract.reading import read
from gateway.generate.model import Model

ROOT = Path(__file__).parents[3]
CONTRACTS = {
    "warehouse": ROOT / "wsdl" / "warehouse.wsdl",
    "everything": ROOT / "tests" / "golden" / "stubs" / "everything.wsdl",
    "calculator": ROOT / "tests" / "golden" / "stubs" / "calculator.wsdl",
}


@pytest.fixture(scope="session")
def contracts() -> dict[str, Path]:
    """Give the contracts by name."""
    return CONTRACTS


@pytest.fixture(scope="session")
def models() -> Callable[[str], Model]:
    """Give the model of a contract by its name, each read once."""

    @functools.cache
    def model(name: str) -> Model:
        path = CONTRACTS[name]
        return read(load(path.name, folder=path.parent))

    return model
