"""The settings: what may stand in ``gateway.toml``, and reading it."""

from gateway.settings.clients import ClientTable
from gateway.settings.reading import from_values, read
from gateway.settings.tables import ServiceTable, Settings
from gateway.settings.values import Table, is_http

__all__ = ["ClientTable", "ServiceTable", "Settings", "Table", "from_values", "is_http", "read"]
