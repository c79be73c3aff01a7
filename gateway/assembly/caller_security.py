"""Builds the verifiers of the WS-Security that services require of their callers."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

from gateway.admission.wss.callers import BoundClient, CallerSecurity, Demands
from gateway.admission.wss.replay import Memory
from gateway.admission.wss.signature import SOUND, WITH_SHA1
from gateway.errors import ConfigurationError
from gateway.message import Clock
from gateway.secrets.reference import Surroundings, secret
from gateway.settings import Settings


def caller_security(settings: Settings, clock: Clock) -> dict[str, CallerSecurity | None]:
    """The verifier of each service; None where the service requires nothing.

    All share one memory: a token used at one service is refused at another. Raises
    ConfigurationError.
    """
    _check_bound(settings)
    tables = [one.wss for one in settings.services.values() if one.wss is not None]
    memory = Memory(max((one.window + one.skew for one in tables), default=0.0))
    return {name: _security(settings, name, memory, clock) for name in settings.services}


def check_caller_security(settings: Settings, name: str) -> tuple[str, list[str]]:
    """Try a service's requirements; describe them (empty: none), with notes for the operator.

    Raises ConfigurationError.
    """
    if settings.services[name].wss is None:
        return "", []
    demands = _demands(settings, name)
    made = _made(name, demands, Memory(), time.time)
    notes = [f"a certificate in {file} is not valid now" for file in made.expired(time.time())]
    return _asked(demands), notes


def _asked(demands: Demands) -> str:
    asked, count = [], len(demands.users)
    if demands.users:
        types, users = " or ".join(sorted(demands.kinds)), "users" if count > 1 else "user"
        asked.append(f"a UsernameToken (password as {types}; {count} {users})")
    if demands.files:
        asked.append(f"a signature ({', '.join(file.name for file in demands.files)})")
    return (" or " if demands.either else " and ").join(asked)


def _security(settings: Settings, name: str, memory: Memory, clock: Clock) -> CallerSecurity | None:
    if settings.services[name].wss is None:
        return None
    return _made(name, _demands(settings, name), memory, clock)


def _made(name: str, demands: Demands, memory: Memory, clock: Clock) -> CallerSecurity:
    try:
        return CallerSecurity(demands, memory, clock)
    except ConfigurationError as error:
        raise ConfigurationError(f"services.{name}: {error}") from error


def _demands(settings: Settings, name: str) -> Demands:
    table = settings.services[name].wss
    assert table is not None  # the caller has looked
    around = Surroundings(settings.folder, os.environ)
    key = f"services.{name}.wss.users"
    return Demands(
        users={user: secret(f"{key}.{user}", one, around) for user, one in table.users.items()},
        kinds=frozenset(table.password_types),
        files=tuple(settings.folder / one for one in table.certificates),
        either=table.either,
        algorithms=WITH_SHA1 if table.unsafe_sha1 else SOUND,
        window=table.window,
        skew=table.skew,
        bound=_bound(settings),
        pass_on=table.pass_on,
    )


def _bound(settings: Settings) -> dict[str, BoundClient]:
    return {
        name: BoundClient(one.wss_user, _file(settings.folder, one.wss_certificate))
        for name, one in settings.clients.items()
        if one.wss_user or one.wss_certificate
    }


def _file(folder: Path, name: str) -> Path | None:
    return folder / name if name else None


def _check_bound(settings: Settings) -> None:
    """Refuse a client that is bound to a user or certificate that no service knows."""
    tables = [one.wss for one in settings.services.values() if one.wss is not None]
    users = set().union(*(table.users for table in tables))
    files = set().union(*(table.certificates for table in tables))
    for name, client in settings.clients.items():
        _check_known(f"clients.{name}.wss_user", client.wss_user, users)
        _check_known(f"clients.{name}.wss_certificate", client.wss_certificate, files)


def _check_known(key: str, value: str, known: Collection[str]) -> None:
    if value and value not in known:
        raise ConfigurationError(
            f"{key}: no [services.NAME.wss] names {value!r}: correct it, or add it there."
        )
