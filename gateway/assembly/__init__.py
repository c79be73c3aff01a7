"""Builds the objects from the settings: the only place that knows every class."""

from gateway.assembly.clients import rights
from gateway.assembly.contracts import Loaded, load_contracts, load_service_contract
from gateway.assembly.front import check_listener, credentials_path
from gateway.assembly.parts import (
    backend_address,
    opened_queue,
    policy,
    queue_options,
    remote,
)
from gateway.assembly.programs import listen, serve, up

__all__ = [
    "Loaded",
    "backend_address",
    "check_listener",
    "credentials_path",
    "listen",
    "load_contracts",
    "load_service_contract",
    "opened_queue",
    "policy",
    "queue_options",
    "remote",
    "rights",
    "serve",
    "up",
]
