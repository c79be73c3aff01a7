"""Builds the objects from the settings: the only place that knows every class."""

from gateway.assembly.contracts import Loaded, load_contracts, load_service_contract
from gateway.assembly.front import check_listener, credentials_path
from gateway.assembly.parts import (
    backend_address,
    gate,
    limits,
    opened_queue,
    policy,
    queue_options,
    remote,
)
from gateway.assembly.posture import Role, say_posture
from gateway.assembly.programs import listen, serve, up

__all__ = [
    "Loaded",
    "Role",
    "backend_address",
    "check_listener",
    "credentials_path",
    "gate",
    "limits",
    "listen",
    "load_contracts",
    "load_service_contract",
    "opened_queue",
    "policy",
    "queue_options",
    "remote",
    "say_posture",
    "serve",
    "up",
]
