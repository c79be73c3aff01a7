"""``[clients.NAME]``: who may call what, and how much of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import field_validator, model_validator

from gateway.serving.quotas import Allowance
from gateway.settings.values import many, wrong

_PATTERN = re.compile(r"\*|[A-Za-z0-9_*-]+\.[\w*.-]+")
_CERTIFICATE = re.compile(r"[\x20-\x7e]{1,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTable(Allowance):
    """A client: what it may call, what it has to show for it, and how much it may have."""

    allow: tuple[str, ...] = ()
    certificate: str | None = None
    wss_user: str = ""
    wss_certificate: str = ""

    _allow = field_validator("allow", mode="before")(
        many(
            _PATTERN.fullmatch,
            'must be a list like ["orders.GetOrder", "orders.List*", "billing.*"]',
        )
    )

    @field_validator("certificate")
    @classmethod
    def _is_name(cls, value: str | None) -> str | None:
        if value is not None and not _CERTIFICATE.fullmatch(value):
            raise wrong('must be a name as certificates have it, like "shop.example.com"')
        return value

    @model_validator(mode="after")
    def _bursts_at_a_rate(self) -> ClientTable:
        if self.burst is not None and self.rate is None:
            raise wrong("has burst without rate: set both, or neither")
        return self


def check_certificates(clients: Mapping[str, ClientTable]) -> None:
    """Refuse one name of a certificate for two clients."""
    owners: dict[str, str] = {}
    for name, table in clients.items():
        if table.certificate is None:
            continue
        other = owners.setdefault(table.certificate.lower(), name)
        if other != name:
            raise wrong(f"{other} and {name} have the same certificate: each needs its own")
