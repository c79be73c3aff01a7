"""``[services.NAME.wss]``: the WS-Security that a service asks its callers for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from gateway.settings.backend_table import Reference
from gateway.settings.values import Table, many, wrong

KINDS = ("digest", "text")
User = Annotated[str, Field(min_length=1, max_length=256)]


class CallerWssTable(Table):
    """``[services.NAME.wss]``: users with their passwords, certificates to sign with, or both."""

    users: dict[User, Reference] = Field(default_factory=dict)
    password_types: tuple[str, ...] = ("digest",)
    certificates: tuple[str, ...] = ()
    either: bool = False
    window: Annotated[float, Field(ge=1, le=24 * 3600)] = 300.0
    skew: Annotated[float, Field(ge=0, le=24 * 3600)] = 60.0
    pass_on: bool = False
    unsafe_sha1: bool = False

    @field_validator("users")
    @classmethod
    def _can_be_written(cls, value: dict[str, str]) -> dict[str, str]:
        if not all(name.isprintable() and name == name.strip() for name in value):
            raise wrong("a user's name must be printable, with no blanks around it")
        return value

    @field_validator("password_types", mode="before")
    @classmethod
    def _are_types(cls, value: object) -> object:
        types = value if isinstance(value, list) else []
        if not types or not all(one in KINDS for one in types):
            raise wrong('must be a list of "digest" and "text"')
        return tuple(types)

    _certificates = field_validator("certificates", mode="before")(
        many(str, 'must be a list of files in PEM, like ["shop.pem"]')
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> CallerWssTable:
        if not self.users and not self.certificates:
            raise wrong("has neither users nor certificates: add one of them, or leave it out")
        if self.either and not (self.users and self.certificates):
            raise wrong("has either, and only one to choose from: add the other, or leave it out")
        return self
