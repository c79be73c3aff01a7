"""Builds the objects from the settings: the only place that knows every class."""

from gateway.assembly.contracts import Loaded, load_contracts, load_service_contract
from gateway.assembly.forwarding import backend_address, forward_backend
from gateway.assembly.parts import (
    opened_queue,
    policy,
    queue_options,
    remote,
)
from gateway.assembly.programs import listen, serve, up
from gateway.assembly.secrets import Secrets

__all__ = [
    "Loaded",
    "Secrets",
    "backend_address",
    "forward_backend",
    "listen",
    "load_contracts",
    "load_service_contract",
    "opened_queue",
    "policy",
    "queue_options",
    "remote",
    "serve",
    "up",
]
