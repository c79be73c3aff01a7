"""Fixtures of ``servers``: each server is started once in a session, by the first test that asks.

A ``conftest.py`` imports those that its tests use, ``from clouds import ministack_cloud``; more
than one may import the same.
"""

from __future__ import annotations

import contextlib

import pytest
import servers
from servers import Cloud

__all__ = ["ceph_cloud", "elasticmq_cloud", "minio_cloud", "ministack_cloud", "moto_cloud"]

_STARTED = pytest.StashKey[dict[str, Cloud]]()
_SERVERS = pytest.StashKey[contextlib.ExitStack]()


def started(name: str, request: pytest.FixtureRequest) -> Cloud:
    """Return the server of a name, which runs until the session ends; skip without it."""
    stash = request.config.stash
    clouds = stash.setdefault(_STARTED, {})
    if name not in clouds:
        servers.require(name)
        if _SERVERS not in stash:
            stash[_SERVERS] = contextlib.ExitStack()
            # Not at the end of a fixture: every conftest that imports it has one of its own.
            request.config.add_cleanup(stash[_SERVERS].close)
        folder = request.getfixturevalue("tmp_path_factory").mktemp(name)
        clouds[name] = stash[_SERVERS].enter_context(servers.SERVERS[name].start(folder))
    return clouds[name]


@pytest.fixture(scope="session")
def ministack_cloud(request: pytest.FixtureRequest) -> Cloud:
    return started("ministack", request)


@pytest.fixture(scope="session")
def moto_cloud(request: pytest.FixtureRequest) -> Cloud:
    return started("moto", request)


@pytest.fixture(scope="session")
def minio_cloud(request: pytest.FixtureRequest) -> Cloud:
    return started("minio", request)


@pytest.fixture(scope="session")
def elasticmq_cloud(request: pytest.FixtureRequest) -> Cloud:
    return started("elasticmq", request)


@pytest.fixture(scope="session")
def ceph_cloud(request: pytest.FixtureRequest) -> Cloud:
    return started("ceph", request)
