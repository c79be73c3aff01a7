"""Builds from the settings what each client may call."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from gateway.admission import EVERYBODY, Rights
from gateway.assembly.contracts import Loaded
from gateway.errors import ConfigurationError
from gateway.settings import ClientTable, Settings
from gateway.settings.suggestions import meant


def rights(settings: Settings, loaded: Mapping[str, Loaded]) -> dict[str, Rights]:
    """Return the rights to each service. Raises ConfigurationError for unknown names."""
    if not settings.clients:
        return dict.fromkeys(loaded, EVERYBODY)
    known = _operations(loaded)
    allowed = {name: _allowed(settings, name, known) for name in settings.clients}
    return {service: _rights(service, allowed) for service in loaded}


def _operations(loaded: Mapping[str, Loaded]) -> set[str]:
    """Return every operation, each behind the name of its service."""
    return {
        f"{service}.{operation.name}"
        for service, one in loaded.items()
        for operation in one.contract.operations
    }


def may_call(settings: Settings, client: str, service: str, operation: str = "") -> bool:
    """True where a client may call an operation; where none is named, any of the service.

    By the settings alone: whether there is such an operation is not looked at.
    """
    if not settings.clients:
        return True
    table = settings.clients.get(client, ClientTable())
    if operation:
        return any(_matches(one, f"{service}.{operation}") for one in table.allow)
    return any(_matches(one.partition(".")[0], service) for one in table.allow)


def _rights(service: str, allowed: Mapping[str, Iterable[str]]) -> Rights:
    return Rights({name: _of(service, called) for name, called in allowed.items()})


def _allowed(settings: Settings, client: str, known: Iterable[str]) -> set[str]:
    """Return the operations that a client may call, each behind the name of its service."""
    allowed: set[str] = set()
    for pattern in settings.clients[client].allow:
        found = {one for one in known if _matches(pattern, one)}
        if not found:
            raise ConfigurationError(
                f"clients.{client}.allow: no operation is called {pattern!r}: "
                f"{meant(pattern, known)}"
            )
        allowed |= found
    return allowed


def _matches(pattern: str, name: str) -> bool:
    """True where a pattern stands for a name; an asterisk for any part of it, also for none."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def _of(service: str, called: Iterable[str]) -> frozenset[str]:
    """Return the operations of one service. No name of a service has a dot in it."""
    parts = (one.partition(".") for one in called)
    return frozenset(operation for of, _, operation in parts if of == service)
