"""The tables of ``gateway.toml``, and what each of their values may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from gateway.limits import Limits, Seconds
from gateway.message import ID_WINDOW
from gateway.provision.desired import ProvisionSettings
from gateway.queues.options import Bounds
from gateway.serving.settings import GatewaySettings
from gateway.settings.backend_table import BackendTable
from gateway.settings.clients import ClientTable, check_certificates
from gateway.settings.listener import ListenerTable
from gateway.settings.values import (
    ORIGINS,
    TABLE,
    Name,
    Table,
    frozen,
    is_http,
    many,
    one_of,
    wrong,
)
from gateway.settings.wss_table import CallerWssTable

CLARK_NAME = re.compile(r"\{[^{}\s]+\}[^{}\s:]+")
Sender = Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]{1,64}|\*)$")]
"""A client's name; or an asterisk, for a listener that speaks for all of its own clients."""


class ServiceTable(Table):
    """``[services.NAME]``: what a service is, and what carries its calls out."""

    wsdl: str | None = None
    forward: str | None = None
    host: str | None = None
    repeatable: bool | tuple[str, ...] = False
    timeout: Seconds = 60.0
    backend: BackendTable = BackendTable()
    validate_body: Annotated[bool, Field(alias="validate")] = True
    understands: tuple[str, ...] = ()
    wss: CallerWssTable | None = None

    _understands = field_validator("understands", mode="before")(
        many(CLARK_NAME.fullmatch, 'must be a list of names like ["{urn:example:crm}Session"]')
    )

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
            raise wrong("contains a user name or a password: these go into [services.NAME.backend]")
        return value

    @field_validator("forward")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not is_http(value):
            raise wrong('is not an HTTP address: write one like "http://10.1.2.3/Orders"')
        if value is not None and "@" in urlsplit(value).netloc:
            raise wrong("contains a user name or a password: these go into [services.NAME.backend]")
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
            raise wrong("is hosted here, so a [services.NAME.backend] has no effect: remove it")
        return self

    @model_validator(mode="after")
    def _declares_once(self) -> ServiceTable:
        if self.understands and self.host is not None:
            raise wrong("has host: declare what it understands in its class, as __in_header__")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayTable(GatewaySettings):
    """``[gateway]``: how ``gateway serve`` works, and what it asks of messages from SQS."""

    soapjms: str = "lenient"

    _soapjms = field_validator("soapjms")(one_of("lenient", "strict"))


class SqsTable(Table):
    """``[sqs]``: who may send to an SQS queue under which name, and where replies may go."""

    senders: dict[str, Sender] = Field(default_factory=dict)
    reply_queues: tuple[str, ...] = ()

    _reply_queues = field_validator("reply_queues", mode="before")(frozen)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionTable(ProvisionSettings):
    """``[provision]``: what ``gateway provision`` makes of the bucket and the queue."""

    _origins = field_validator("cors_origins", mode="before")(ORIGINS)

    @field_validator("kms_key")
    @classmethod
    def _is_arn(cls, value: str) -> str:
        if value and not re.fullmatch(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+", value):
            raise wrong('is not the ARN of a key: "arn:aws:kms:eu-west-1:123456789012:key/..."')
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineTable(Bounds):
    """``[quarantine]``: what is kept aside of requests, and where the originals of faults are."""

    faults: bool | str | None = None

    @field_validator("faults")
    @classmethod
    def _is_folder(cls, value: bool | str | None) -> bool | str | None:
        if value is True or value == "":
            raise wrong('must name a folder, as in "/var/lib/gateway/faults", or be false')
        return value


class AuditTable(Table):
    """``[audit]``: where it is written down what became of each request."""

    file: str | None = None

    @field_validator("file")
    @classmethod
    def _is_file(cls, value: str | None) -> str | None:
        if value is not None and not Path(value).stem:
            raise wrong('must name a file, as in "audit.jsonl"')
        return value


class Settings(Table):
    """A whole ``gateway.toml``, and the folder it is in."""

    queue: str
    client: Name = "local"
    lifetime: Seconds = ID_WINDOW
    contract_hosts: tuple[str, ...] = ()
    services: dict[Name, ServiceTable]
    clients: dict[Name, Annotated[ClientTable, TABLE]] = {}
    listener: Annotated[ListenerTable, TABLE] = ListenerTable()
    gateway: Annotated[GatewayTable, TABLE] = GatewayTable()
    limits: Annotated[Limits, TABLE] = Limits()
    sqs: SqsTable = SqsTable()
    provision: Annotated[ProvisionTable, TABLE] = ProvisionTable()
    quarantine: Annotated[QuarantineTable, TABLE] = QuarantineTable()
    audit: AuditTable = AuditTable()
    folder: Annotated[Path, Field(exclude=True)]

    _contract_hosts = field_validator("contract_hosts", mode="before")(frozen)

    @field_validator("services")
    @classmethod
    def _has_one(cls, value: dict[str, ServiceTable]) -> dict[str, ServiceTable]:
        if not value:
            raise wrong("is empty: add a table like [services.orders]")
        return value

    @field_validator("clients")
    @classmethod
    def _have_certificates_of_their_own(
        cls, value: dict[str, ClientTable]
    ) -> dict[str, ClientTable]:
        check_certificates(value)
        return value
