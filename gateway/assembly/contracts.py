"""Loads the contract of each service, from its WSDL, from the queue's bucket, or from its code."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.assembly.secrets import access
from gateway.backends.hosted import HostedBackend, load_service
from gateway.contract import Contract, from_documents, from_names, load
from gateway.errors import ConfigurationError
from gateway.queues.address import keepsakes
from gateway.settings import Settings, is_http

IN_QUEUE = "queue:"
"""The ``wsdl`` of a service whose contract is read from the queue's bucket."""

ANYWHERE = "http://localhost/"
"""The address in the WSDL of a code-first service before it is published with the right one."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A service's contract, and, where it is hosted here, what hosts it."""

    contract: Contract
    hosted: HostedBackend | None


def load_service_contract(settings: Settings, name: str) -> Loaded:
    """Load what a service is, from its WSDL or its code. Raises ConfigurationError."""
    table = settings.services[name]
    try:
        hosted = _host(settings, name, table.host) if table.host else None
        contract = _contract(settings, name, hosted)
        missing = hosted.unimplemented(contract.operations) if hosted else []
        if missing:
            raise ConfigurationError(
                f"{table.host} has no method for {', '.join(missing)}, which the WSDL declares: "
                "write one for each, with the types of the contract."
            )
        return Loaded(contract, hosted)
    except ConfigurationError as error:
        said, place = str(error), f"services.{name}"
        raise type(error)(said if said.startswith(place) else f"{place}: {said}") from error


def _host(settings: Settings, name: str, target: str) -> HostedBackend:
    # A service is found beside the file that names it, as a person expects who starts it elsewhere.
    if str(settings.folder) not in sys.path:
        sys.path.insert(0, str(settings.folder))
    return HostedBackend(load_service(target), name=name)


def _contract(settings: Settings, name: str, hosted: HostedBackend | None) -> Contract:
    table = settings.services[name]
    if table.wsdl is None:
        assert hosted is not None  # the settings have one of both
        return from_documents({"service.wsdl": hosted.wsdl(ANYWHERE)}, "service.wsdl")
    if table.wsdl == IN_QUEUE:
        # Here, not above: boto3 takes a quarter of a second that others do without.
        from gateway.queues.published import ENTRY, published

        return from_names(published(settings.queue, name), ENTRY)
    hosts = set(settings.contract_hosts)
    if is_http(table.wsdl):
        hosts.add(urlsplit(table.wsdl).netloc)
        return load(
            table.wsdl,
            folder=settings.folder,
            hosts=frozenset(hosts),
            access=access(settings, name),
            copies=keepsakes(settings.queue, settings.folder),
            hidden=[table.forward or ""],
        )
    path = (settings.folder / table.wsdl).resolve()
    folder = settings.folder if path.is_relative_to(settings.folder) else path.parent
    hidden = [table.forward or ""]
    return load(str(path), folder=folder, hosts=frozenset(hosts), hidden=hidden)


def load_contracts(settings: Settings) -> dict[str, Loaded]:
    """Load every service. Raises ConfigurationError for the first that cannot be used."""
    return {name: load_service_contract(settings, name) for name in settings.services}
