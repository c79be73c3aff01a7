"""What every queue has to do, as tests that run on any kind.

A module of tests takes them all, and says where a new queue is::

    from gateway.testing.queue_contract import *

    @pytest.fixture
    def address() -> str:
        return "journal:requests.journal"

Paths are taken from a folder that is new for each test, ``tmp_path``. What a queue says that it
cannot do (``Abilities``) is skipped. It needs pytest with pytest-asyncio, ``asyncio_mode = auto``.
"""

# ruff: noqa: F403  # tests are collected where they are imported

from gateway.testing.queue_contract.fixtures import *
from gateway.testing.queue_contract.leases import *
from gateway.testing.queue_contract.quarantine import *
from gateway.testing.queue_contract.requests import *
