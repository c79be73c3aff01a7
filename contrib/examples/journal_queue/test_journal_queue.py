# ruff: noqa: F403  # the suite comes by its names
import pytest

from gateway.testing.queue_contract import *


@pytest.fixture
def address() -> str:
    return "journal:requests.journal"
