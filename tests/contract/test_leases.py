"""What every queue does with requests that somebody has, on each kind that is here."""

# ruff: noqa: F403  # the suite comes by its names; the fixture is ours

from __future__ import annotations

import kinds
import pytest

from gateway.testing.queue_contract.leases import *

LOCAL = {"memory": "memory:", "sqlite": "sqlite:///queue.db"}


@pytest.fixture(params=[*LOCAL, *kinds.KINDS, *kinds.BARE])
def address(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    kind = request.param
    return LOCAL[kind] if kind in LOCAL else kinds.address(kind, request, monkeypatch)
