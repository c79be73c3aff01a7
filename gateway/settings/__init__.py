"""The settings: what may stand in ``gateway.toml``, and reading it.

TOML or values come in, checked tables go out. It knows errors, secrets and defaults of queues.
The home of pydantic.
"""

from gateway.settings.clients import ClientTable
from gateway.settings.reading import from_values, read
from gateway.settings.tables import ServiceTable, Settings
from gateway.settings.trust import writers
from gateway.settings.values import NAMED, Table, is_http, is_name, keys_of

__all__ = [
    "NAMED",
    "ClientTable",
    "ServiceTable",
    "Settings",
    "Table",
    "from_values",
    "is_http",
    "is_name",
    "keys_of",
    "read",
    "writers",
]
