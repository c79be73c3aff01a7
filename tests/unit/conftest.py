"""What the unit tests share: the warehouse's contract, and its envelopes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.contract import Contract, load
from gateway.message import Message

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def warehouse() -> Contract:
    return load("warehouse.wsdl", folder=ROOT / "wsdl")


@pytest.fixture(scope="session")
def sample():
    """Return a golden request by its name, as a message for the warehouse."""

    def read(name: str, **fields: object) -> Message:
        is_12 = name.endswith("_12")
        values = {
            "body": (ROOT / "tests" / "golden" / "envelopes" / f"{name}.xml").read_bytes(),
            "content_type": "application/soap+xml" if is_12 else "text/xml; charset=utf-8",
            "target_service": "warehouse",
            "sender": "alice",
        }
        return Message(**(values | fields))  # type: ignore[arg-type]

    return read
