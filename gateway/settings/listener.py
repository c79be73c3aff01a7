"""``[listener]``: where HTTP comes in, who may come, and how."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import field_validator, model_validator

from gateway.listening.settings import ListenerSettings
from gateway.settings.values import ORIGINS, TABLE, is_http, many, wrong

LAST_PORT = 65535
_HOST = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsTable:
    """``[listener.tls]``: with whose name the listener speaks, and whose clients it believes."""

    certificate: str | None = None
    key: str | None = None
    client_ca: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> TlsTable:
        if self.certificate is None and (self.key or self.client_ca):
            raise wrong("needs certificate, the path of a PEM file, as well")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerTable(ListenerSettings):
    """``[listener]``: what the listener works with, and what is read or tried before it does."""

    credentials: str = "credentials.txt"
    unsafe_no_clients: bool = False
    unsafe_no_tls: bool = False
    tls: Annotated[TlsTable, TABLE] = TlsTable()

    _hosts = field_validator("hosts", mode="before")(
        many(_HOST.fullmatch, 'must be a list of names without ports, like ["soap.example.com"]')
    )
    _origins = field_validator("origins", mode="before")(ORIGINS)

    @field_validator("bind")
    @classmethod
    def _is_host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not (port.isascii() and port.isdigit()):
            raise wrong('must be "host:port", as in "127.0.0.1:8800"')
        if int(port) > LAST_PORT:
            raise wrong(f"has a port over {LAST_PORT}: it must be from 0 to {LAST_PORT}")
        return value

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not is_http(value):
            raise wrong('is not an HTTP address: write one like "https://soap.example.com"')
        return value
