"""Carry SOAP over a queue: call a service that is not reachable.

The public API, which is stable from one version to the next:

- here: a gateway or a listener inside a program (``serve``, ``listen``, ``up``, which give
  ``Running``), their ``Settings`` (``read_settings``, ``settings_of``), zeep's transports
  (``QueueTransport``, ``AsyncQueueTransport``; ``ReplyPending``), and ``__version__``;
- ``gateway.errors``: every error, grouped by what is done about it;
- ``gateway.stubs``: the runtime of generated clients and services;
- ``gateway.queue``, ``gateway.message``, and ``kind``, ``options`` and ``quarantine`` of
  ``gateway.queues``: what a kind of queue is made of; ``gateway.testing.queue_contract``: its test
  suite.

Everything else may change with any version. ``docs/reference/python.md`` lists each name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.assembly.embedding import Running, listen, serve, up
    from gateway.client import AsyncQueueTransport, QueueTransport, ReplyPending
    from gateway.settings import Settings
    from gateway.settings import from_values as settings_of
    from gateway.settings import read as read_settings

    __version__: str

__all__ = [
    "AsyncQueueTransport",
    "QueueTransport",
    "ReplyPending",
    "Running",
    "Settings",
    "__version__",
    "listen",
    "read_settings",
    "serve",
    "settings_of",
    "up",
]

# Imported on first use: a client needs no listener, and a command needs only half of either.
_HOMES = {
    "AsyncQueueTransport": "gateway.client:AsyncQueueTransport",
    "QueueTransport": "gateway.client:QueueTransport",
    "ReplyPending": "gateway.client:ReplyPending",
    "Running": "gateway.assembly.embedding:Running",
    "Settings": "gateway.settings:Settings",
    "listen": "gateway.assembly.embedding:listen",
    "read_settings": "gateway.settings:read",
    "serve": "gateway.assembly.embedding:serve",
    "settings_of": "gateway.settings:from_values",
    "up": "gateway.assembly.embedding:up",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("soap-queue-gateway")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES, "__version__"]
