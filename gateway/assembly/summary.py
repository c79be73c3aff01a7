"""The start-up summary: who may call, what is checked, what is off.

Each part is a function that returns its lines; ten in all, at most, or nobody reads them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.assembly.parts import queue_abilities
from gateway.contract import Contract
from gateway.contract.backend_names import is_loopback
from gateway.errors import shortlist
from gateway.queues.kind import Reach
from gateway.settings import Settings, keys_of

log = logging.getLogger(__name__)

MOST = 10
CHECKS = "size, XML, envelope, headers, operation, SOAP action, addresses"
SHOWN = 4
"""Names in a line, at most."""
_UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


@dataclass(frozen=True, slots=True)
class Role:
    """The halves that a program runs."""

    serves: bool = False
    listens: bool = False


Part = Callable[[Settings, Role], list[str]]


def say_checks(settings: Settings, contracts: Mapping[str, Contract]) -> None:
    """Log what is checked: only the contracts tell what cannot be."""
    log.info("%s", checks(settings, contracts))


def checks(settings: Settings, contracts: Mapping[str, Contract]) -> str:
    """Return a line with the checks of every request, and the exceptions."""
    rights = "whether its client may call it, " if settings.clients else ""
    gaps = [gap for name, one in contracts.items() if (gap := unchecked(name, one))]
    schema = f"schema (not of {_some(gaps)})" if gaps else "schema"
    asking = [name for name, one in settings.services.items() if one.wss is not None]
    security = f"; WS-Security of {_some(asking)}" if asking else ""
    return f"checks on every request: {CHECKS}, {rights}{schema}{security}"


def unchecked(name: str, contract: Contract) -> str:
    """The requests of a service that no schema checks, in words; empty where there are none."""
    gaps = {one.name for one in contract.unchecked}
    if gaps == {one.name for one in contract.operations}:
        return name
    return f"{len(gaps)} operations of {name}" if gaps else ""


def slow_checks(settings: Settings, contract: Contract) -> list[str]:
    """The parts of a contract that may take long to check, and what is done about it."""
    limit = settings.limits.schema_time
    return [
        f"{one}; until then its checks run in a process of their own, {limit} s each at most "
        "(limits.schema_time)"
        for one in contract.doubts
    ]


def say_summary(settings: Settings, role: Role) -> None:
    """Log the summary, line by line."""
    for line in summary(settings, role):
        log.info("%s", line)


def summary(settings: Settings, role: Role) -> list[str]:
    """Return the lines, in the order of an operator's questions: who, what, how much, how long."""
    return [line for part in PARTS for line in part(settings, role)]


def _callers(settings: Settings, role: Role) -> list[str]:
    callers = queue_abilities(settings).callers
    return [
        *([_http_callers(settings)] if role.listens else []),
        *([f"queue callers: {callers}"] if role.serves else []),
    ]


def _http_callers(settings: Settings) -> str:
    table = settings.listener
    tls = "" if table.tls.certificate is None else ", over TLS"
    if settings.clients:
        by = "by secret" if table.tls.client_ca is None else "by secret or certificate"
        who = _some(sorted(settings.clients))
        return f"HTTP callers: {who}, {by}, at {table.bind}{tls}"
    where = "this machine only" if is_loopback(table.host) else "ANY MACHINE that can reach it"
    return (
        f"HTTP callers: {where}, no authentication, at {table.bind}{tls}, "
        f"as client {settings.client}"
    )


def _alone(settings: Settings, role: Role) -> list[str]:
    """Warn if nothing can be at the other end of the queue."""
    is_alone = queue_abilities(settings).reach is Reach.PROCESS and not (
        role.serves and role.listens
    )
    return ["NO OTHER PROGRAM reaches this queue: gateway up does both ends of it"] * is_alone


def _off(settings: Settings, role: Role) -> list[str]:
    unchecked = [name for name, one in settings.services.items() if not one.validate_body]
    off = {
        "rights and quotas of clients": not settings.clients,
        f"the schemas of {_some(unchecked)}": bool(unchecked),
        "TLS at the listener": role.listens and settings.listener.tls.certificate is None,
        "strict SOAP/JMS": settings.gateway.soapjms != "strict"
        and queue_abilities(settings).has_soapjms,
        "callers' WS-Security": all(one.wss is None for one in settings.services.values()),
    }
    return [f"off: {', '.join(name for name, is_off in off.items() if is_off)}"]


def _unsafe(settings: Settings, role: Role) -> list[str]:
    """Name the unsafe settings: their names begin with that."""
    tables = _of_services(settings)
    if role.listens:
        tables = {"listener": settings.listener, **tables}
    found = [
        f"{place}.{name}"
        for place, table in tables.items()
        for name in keys_of(type(table))
        if name.startswith("unsafe_") and getattr(table, name)
    ]
    found += queue_abilities(settings).unsafe
    return [f"UNSAFE settings: {_some(found)}"] if found else []


def _of_services(settings: Settings) -> dict[str, object]:
    """Return the tables of services that may have unsafe settings, by their names."""
    parts = {
        f"services.{name}.{part}": getattr(one, part)
        for name, one in settings.services.items()
        for part in ("backend", "wss")
    }
    return {name: table for name, table in parts.items() if table is not None}


def _repeatable(settings: Settings, role: Role) -> list[str]:
    if not role.serves:
        return []
    names = [
        f"{name}.{operation}" if operation else f"all of {name}"
        for name, table in settings.services.items()
        for operation in _listed(table.repeatable)
    ]
    return [f"repeatable after a failure: {_some(names) or 'nothing'}; all others at most once"]


def _listed(repeatable: bool | tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(repeatable, tuple):
        return repeatable
    return ("",) if repeatable else ()


def _limits(settings: Settings, role: Role) -> list[str]:
    table, served = settings.limits, ""
    if role.serves:
        served = f", reply {size(table.reply)}, {settings.gateway.concurrency} at a time"
    return [f"limits: request {size(table.request)}{served}"]


def _quarantine(settings: Settings, role: Role) -> list[str]:
    if not role.serves:
        return []
    table = settings.quarantine
    kept = queue_abilities(settings).quarantine or f"{table.days} days and {size(table.bytes)}"
    return [f"quarantine keeps requests: {kept}"]


def _audit(settings: Settings, role: Role) -> list[str]:
    return [f"audit log: {settings.audit.file or 'off'}"]


PARTS: tuple[Part, ...] = (
    _callers,
    _alone,
    _off,
    _unsafe,
    _repeatable,
    _limits,
    _quarantine,
    _audit,
)


def _some(names: list[str]) -> str:
    return shortlist(names, SHOWN)


def size(number: int) -> str:
    """Return a number of bytes for people: ``1 MiB``."""
    for name, unit in _UNITS:
        if number >= unit and number % unit == 0:
            return f"{number // unit} {name}"
    return f"{number} bytes"
