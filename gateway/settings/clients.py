"""``[clients.NAME]``: who may call what, and how much of it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from gateway.settings.values import Table, wrong

_PATTERN = re.compile(r"\*|[A-Za-z0-9_*-]+\.[\w*.-]+")


class ClientTable(Table):
    """A client: what it may call, and its limits."""

    allow: tuple[str, ...] = ()
    rate: Annotated[float | None, Field(gt=0, le=1e6)] = None
    burst: Annotated[int | None, Field(ge=1, le=10**6)] = None
    in_flight: Annotated[int | None, Field(ge=1, le=10000)] = None
    daily: Annotated[int | None, Field(ge=1)] = None
    daily_bytes: Annotated[int | None, Field(ge=1024)] = None

    @field_validator("allow", mode="before")
    @classmethod
    def _are_patterns(cls, value: object) -> object:
        patterns = value if isinstance(value, list) else [None]
        if not all(isinstance(one, str) and _PATTERN.fullmatch(one) for one in patterns):
            raise wrong('must be a list like ["orders.GetOrder", "orders.List*", "billing.*"]')
        return tuple(patterns)

    @model_validator(mode="after")
    def _bursts_at_a_rate(self) -> ClientTable:
        if self.burst is not None and self.rate is None:
            raise wrong("has burst without rate: set both, or neither")
        return self
