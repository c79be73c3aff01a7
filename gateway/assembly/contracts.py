"""Loads the contract of each service, from its WSDL, from the queue's bucket, or from its code."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.assembly.secrets import access
from gateway.contract import Contract, Copies, from_documents, from_names, load
from gateway.errors import ConfigurationError, OfAnotherHost
from gateway.queues.registry import abilities_of
from gateway.settings import Settings, is_http

if TYPE_CHECKING:
    from gateway.backends.hosted.service import HostedBackend

IN_QUEUE = "queue:"
"""The ``wsdl`` of a service whose contract is read from the queue's bucket."""

ANYWHERE = "http://localhost/"
"""The address in the WSDL of a code-first service before it is published with the right one."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A service's contract, and its host, if it is hosted here."""

    contract: Contract
    hosted: HostedBackend | None
    notes: tuple[str, ...] = ()
    """What an operator should know: what is not checked, not served, or not implemented."""


def load_service_contract(settings: Settings, name: str) -> Loaded:
    """Load a service's contract, from its WSDL or its code. Raises ConfigurationError."""
    table = settings.services[name]
    try:
        hosted, own = _host(settings, name, table.host) if table.host else (None, [])
        contract = _contract(settings, name, hosted)
        missing = hosted.unimplemented(contract.operations) if hosted else []
        notes = [f"{table.host}: {one}" for one in own]
        notes += _missing(hosted, missing, table.host)
        return Loaded(contract, hosted, (*contract.notes, *notes))
    except ConfigurationError as error:
        said, place = str(error), f"services.{name}"
        if isinstance(error, OfAnotherHost):
            said += " in contract_hosts"
        raise type(error)(said if said.startswith(place) else f"{place}: {said}") from error


def _missing(hosted: HostedBackend | None, names: list[str], host: str | None) -> list[str]:
    """Return notes on the operations that a service has no method for.

    A class that gateway stubs has written is served all the same: its contract may be newer than
    it, and the rest must go on. Raises ConfigurationError for any other.
    """
    if hosted is None or not names:
        return []
    if hosted.is_code_first:
        raise ConfigurationError(
            f"{host} has no method for {', '.join(names)}, which the WSDL declares: "
            "write one for each, with the types of the contract."
        )
    return [
        f"{host} has no method for {', '.join(names)}: callers get a fault that says so; "
        "gateway stubs writes its base class again"
    ]


def _host(settings: Settings, name: str, target: str) -> tuple[HostedBackend, list[str]]:
    """The host of a service, and notes on it."""
    # Imported here: spyne takes a tenth of the start's time, and other services do not need it.
    from gateway.backends.hosted.service import HostedBackend, beside, load_service

    # A service's module is found beside the settings file, wherever the program is started.
    if str(settings.folder) not in sys.path:
        sys.path.insert(0, str(settings.folder))
    hosted = HostedBackend(load_service(target), name=name)
    return hosted, [*hosted.notes, *beside(target)]


def _contract(settings: Settings, name: str, hosted: HostedBackend | None) -> Contract:
    table = settings.services[name]
    if table.wsdl is None:
        assert hosted is not None  # the settings have one of both
        if not hosted.is_code_first:
            raise ConfigurationError(f'{table.host} needs its contract: add wsdl = "path".')
        made = {"service.wsdl": hosted.wsdl(ANYWHERE)}
        return from_documents(made, "service.wsdl", check_schemas=table.validate_body)
    if table.wsdl == IN_QUEUE:
        # Imported here: boto3 takes a quarter of a second, which others do not need.
        from gateway.queues.bucket.published import ENTRY, published

        read = published(settings.queue, name)
        return from_names(read, ENTRY, check_schemas=table.validate_body)
    return _from_wsdl(settings, name, table.wsdl)


def _from_wsdl(settings: Settings, name: str, wsdl: str) -> Contract:
    table = settings.services[name]
    hosts = set(settings.contract_hosts)
    folder, copies, location = settings.folder, None, wsdl
    if is_http(wsdl):
        hosts.add(urlsplit(wsdl).netloc)
        kept = files_beside(settings)
        copies = Copies(kept, name) if kept else None
    else:
        path = (folder / wsdl).resolve()
        folder = folder if path.is_relative_to(folder) else path.parent
        location = str(path)
    return load(
        location,
        folder=folder,
        hosts=frozenset(hosts),
        access=access(settings, name),
        copies=copies,
        hidden=[table.forward or ""],
        check_schemas=table.validate_body,
    )


def load_contracts(settings: Settings) -> dict[str, Loaded]:
    """Load every service. Raises ConfigurationError for the first that cannot be used."""
    return {name: load_service_contract(settings, name) for name in settings.services}


def files_beside(settings: Settings) -> Path | None:
    """Return the folder for files beside the queue; None where it has none.

    A wrong address is reported when the queue is opened.
    """
    with contextlib.suppress(ConfigurationError):
        return abilities_of(settings.queue, settings.folder).files
    return None
