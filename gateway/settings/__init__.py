"""The settings: what may stand in ``gateway.toml``, and reading it."""

from gateway.settings.clients import ClientTable
from gateway.settings.reading import from_values, read
from gateway.settings.tables import ServiceTable, Settings
from gateway.settings.trust import writers
from gateway.settings.values import (
    NAMED,
    Table,
    is_http,
    is_name,
)

__all__ = [
    "NAMED",
    "ClientTable",
    "ServiceTable",
    "Settings",
    "Table",
    "from_values",
    "is_http",
    "is_name",
    "read",
    "writers",
]
