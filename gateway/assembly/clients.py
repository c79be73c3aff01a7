"""Builds what concerns clients from the settings: their rights, shares and quotas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from gateway.admission import EVERYBODY, Rights
from gateway.assembly.contracts import Loaded
from gateway.errors import ConfigurationError
from gateway.message import Clock
from gateway.serving.quotas import Quota, Quotas, Share, Shares
from gateway.settings import ClientTable, Settings
from gateway.settings.suggestions import meant

BURST = 10.0
"""Seconds of its rate that a client may use at once, where nothing else is set."""


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


def shares(settings: Settings) -> Shares:
    """The count of how much of this process each client uses."""
    found = {name: _share(table) for name, table in settings.clients.items()}
    return Shares({name: one for name, one in found.items() if one is not None})


def _share(table: ClientTable) -> Share | None:
    if table.rate is None and table.in_flight is None:
        return None
    burst = table.burst or max(1, round(BURST * (table.rate or 0)))
    return Share(rate=table.rate, burst=burst, in_flight=table.in_flight)


def quotas(settings: Settings, clock: Clock) -> Quotas:
    """The count of each client's daily quota."""
    limits = {
        name: Quota(requests=table.daily, bytes=table.daily_bytes)
        for name, table in settings.clients.items()
        if table.daily is not None or table.daily_bytes is not None
    }
    return Quotas(limits, clock)


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
