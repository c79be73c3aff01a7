"""Fixtures of the acceptance tests: one deployment of real processes for all of them."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from clouds import minio_cloud, ministack_cloud
from deployment import Deployment, deployed

__all__ = ["deployment", "minio_cloud", "ministack_cloud"]


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The whole way from HTTP to the legacy service; a test that stops a part starts it again."""
    with deployed(tmp_path_factory.mktemp("deployment")) as made:
        yield made


@pytest.fixture
def ctrl_c_is_heard() -> Iterator[None]:
    """Have Ctrl-C end what is started: a shell has what it starts behind itself ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
