"""``[listener]``: where HTTP comes in, who may come, and how."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from gateway.limits import Seconds
from gateway.settings.values import (
    Table,
    is_http,
    is_origin,
    wrong,
)

LAST_PORT = 65535
_HOST = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}")


class TlsTable(Table):
    """``[listener.tls]``: with whose name the listener speaks, and whose clients it believes."""

    certificate: str | None = None
    key: str | None = None
    client_ca: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> TlsTable:
        if self.certificate is None and (self.key or self.client_ca):
            raise wrong("needs certificate, the path of a PEM file, as well")
        return self


class ListenerTable(Table):
    """``[listener]``: HTTP in."""

    bind: str = "127.0.0.1:8800"
    url: str | None = None
    wait: Seconds = 60.0
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    credentials: str = "credentials.txt"
    connections: Annotated[int, Field(ge=1, le=100000)] = 1000
    connections_per_address: Annotated[int, Field(ge=1, le=100000)] = 100
    head_timeout: Seconds = 10.0
    body_timeout: Seconds = 30.0
    reply_timeout: Seconds = 300.0
    unsafe_no_clients: bool = False
    unsafe_no_tls: bool = False
    tls: TlsTable = TlsTable()

    @field_validator("hosts", mode="before")
    @classmethod
    def _are_hosts(cls, value: object) -> object:
        hosts = value if isinstance(value, list) else [None]
        if not all(isinstance(one, str) and _HOST.fullmatch(one) for one in hosts):
            raise wrong('must be a list of names without ports, like ["soap.example.com"]')
        return tuple(hosts)

    @field_validator("origins", mode="before")
    @classmethod
    def _are_origins(cls, value: object) -> object:
        if not isinstance(value, list) or not all(is_origin(one) for one in value):
            raise wrong('must be a list of origins like ["https://shop.example.com"]')
        return tuple(value)

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

    @property
    def host(self) -> str:
        return self.bind.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.bind.rpartition(":")[2])
