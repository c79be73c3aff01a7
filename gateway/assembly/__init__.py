"""Builds the objects from the settings: the only place that knows every class.

Settings come in, running programs go out. It imports every room but the command line.
"""

from gateway.assembly.caller_security import check_caller_security
from gateway.assembly.clients import may_call, rights
from gateway.assembly.contracts import Loaded, load_contracts, load_service_contract
from gateway.assembly.forwarding import PORTS, backend_address, forward_backend
from gateway.assembly.front import check_listener, credentials_path
from gateway.assembly.originals import hindrance, kept_faults
from gateway.assembly.parts import (
    gate,
    opened_audit,
    opened_queue,
    policy,
    queue_abilities,
    queue_options,
    remote,
)
from gateway.assembly.programs import Asked, listen, serve, up
from gateway.assembly.repeats import Repeats
from gateway.assembly.secrets import Secrets
from gateway.assembly.summary import Role, say_summary, slow_checks

__all__ = [
    "PORTS",
    "Asked",
    "Loaded",
    "Repeats",
    "Role",
    "Secrets",
    "backend_address",
    "check_caller_security",
    "check_listener",
    "credentials_path",
    "forward_backend",
    "gate",
    "hindrance",
    "kept_faults",
    "listen",
    "load_contracts",
    "load_service_contract",
    "may_call",
    "opened_audit",
    "opened_queue",
    "policy",
    "queue_abilities",
    "queue_options",
    "remote",
    "rights",
    "say_summary",
    "serve",
    "slow_checks",
    "up",
]
