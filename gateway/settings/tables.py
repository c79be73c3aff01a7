"""The tables of ``gateway.toml``, and what each of their values may be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from gateway.settings.backend_table import BackendTable
from gateway.settings.values import Bytes, Name, Seconds, Table, is_http, wrong


class ServiceTable(Table):
    """``[services.NAME]``: what a service is, and what carries its calls out."""

    wsdl: str | None = None
    forward: str | None = None
    host: str | None = None
    repeatable: bool | tuple[str, ...] = False
    timeout: Seconds = 60.0
    backend: BackendTable = BackendTable()

    @field_validator("repeatable", mode="before")
    @classmethod
    def _is_bool_or_names(cls, value: object) -> object:
        if isinstance(value, list) and all(isinstance(name, str) for name in value):
            return tuple(value)
        if not isinstance(value, bool):
            raise wrong('must be true, false, or a list of operations like ["GetOrder"]')
        return value

    @field_validator("wsdl")
    @classmethod
    def _is_readable(cls, value: str | None) -> str | None:
        if value is not None and "://" in value and not is_http(value):
            raise wrong("is neither a path nor an HTTP address")
        if value is not None and is_http(value) and "@" in urlsplit(value).netloc:
            raise wrong("holds a name or a password: these go into [services.NAME.backend]")
        return value

    @field_validator("forward")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not is_http(value):
            raise wrong('is no HTTP address: write one like "http://10.1.2.3/Orders"')
        if value is not None and "@" in urlsplit(value).netloc:
            raise wrong("holds a name or a password: these go into [services.NAME.backend]")
        return value

    @field_validator("host")
    @classmethod
    def _is_target(cls, value: str | None) -> str | None:
        if value is not None and not all(value.partition(":")):
            raise wrong('must be "module:attribute", as in "acme.quotes:QuoteService"')
        return value

    @model_validator(mode="after")
    def _is_one_kind(self) -> ServiceTable:
        if self.forward is not None and self.host is not None:
            raise wrong("has both forward and host: keep the one that carries its calls out")
        if self.wsdl is None and self.host is None:
            raise wrong('needs wsdl = "path or URL" (or host = "module:attribute")')
        if self.host is not None and self.backend != BackendTable():
            raise wrong("is hosted here: a [services.NAME.backend] is of no use, take it out")
        return self


class ListenerTable(Table):
    """``[listener]``: HTTP in."""

    bind: str = "127.0.0.1:8800"
    url: str | None = None
    wait: Seconds = 60.0

    @field_validator("bind")
    @classmethod
    def _is_host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise wrong('must be "host:port", as in "127.0.0.1:8800"')
        return value

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not is_http(value):
            raise wrong('is no HTTP address: write one like "https://soap.example.com"')
        return value

    @property
    def host(self) -> str:
        return self.bind.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.bind.rpartition(":")[2])


class GatewayTable(Table):
    """``[gateway]``: how ``gateway serve`` works."""

    concurrency: Annotated[int, Field(ge=1, le=10000)] = 64
    attempts: Annotated[int, Field(ge=1, le=1000)] = 5
    lease: Annotated[float, Field(ge=1, le=43200)] = 30.0
    grace: Seconds = 20.0
    soapjms: str = "lenient"

    @field_validator("soapjms")
    @classmethod
    def _is_mode(cls, value: str) -> str:
        if value not in ("lenient", "strict"):
            raise wrong('must be "lenient" or "strict"')
        return value


class SqsTable(Table):
    """``[sqs]``: who may send to an SQS queue under which name, and where replies may go."""

    senders: dict[str, Name] = Field(default_factory=dict)
    reply_queues: tuple[str, ...] = ()

    @field_validator("reply_queues", mode="before")
    @classmethod
    def _list_is_frozen(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value


class ProvisionTable(Table):
    """``[provision]``: what ``gateway provision`` makes of the bucket and the queue."""

    cors_origins: tuple[str, ...] = ()
    kms_key: str = ""
    quarantine_days: Annotated[int, Field(ge=1, le=3650)] = 30
    dead_letter_receives: Annotated[int | None, Field(ge=1, le=1000)] = None

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _are_origins(cls, value: object) -> object:
        if not isinstance(value, list) or not all(_is_origin(one) for one in value):
            raise wrong('must be a list of origins like ["https://shop.example.com"]')
        return tuple(value)

    @field_validator("kms_key")
    @classmethod
    def _is_arn(cls, value: str) -> str:
        if value and not re.fullmatch(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+", value):
            raise wrong('is no ARN of a key: "arn:aws:kms:eu-west-1:123456789012:key/..."')
        return value


class LimitsTable(Table):
    """``[limits]``: the largest messages, in bytes."""

    request: Bytes = 1 << 20
    reply: Bytes = 64 << 20


class Settings(Table):
    """A whole ``gateway.toml``, and the folder it is in."""

    queue: str
    client: Name = "local"
    lifetime: Seconds = 24 * 3600.0
    contract_hosts: tuple[str, ...] = ()
    services: dict[Name, ServiceTable]
    listener: ListenerTable = ListenerTable()
    gateway: GatewayTable = GatewayTable()
    limits: LimitsTable = LimitsTable()
    sqs: SqsTable = SqsTable()
    provision: ProvisionTable = ProvisionTable()
    folder: Annotated[Path, Field(exclude=True)]

    @field_validator("contract_hosts", mode="before")
    @classmethod
    def _list_is_frozen(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("services")
    @classmethod
    def _has_one(cls, value: dict[str, ServiceTable]) -> dict[str, ServiceTable]:
        if not value:
            raise wrong("is empty: add a table like [services.orders]")
        return value


def _is_origin(value: object) -> bool:
    """Tell whether a value names an origin as browsers do (RFC 6454): no path, and not all."""
    return isinstance(value, str) and is_http(value) and value.count("/") == 2
