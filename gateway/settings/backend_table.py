"""``[services.NAME.backend]``: how a service behind ``forward`` is reached and logged in to."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator, model_validator

from gateway.limits import Seconds
from gateway.secrets.reference import HOW, is_reference
from gateway.settings.values import Table, many, one_of, wrong

LOGINS = ("basic", "bearer")
_UNSUPPORTED = {"ntlm", "kerberos", "negotiate", "spnego", "digest"}
_HOST = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(:[0-9]{1,5})?|\[[0-9a-fA-F:.]+\](:[0-9]{1,5})?"
)
_KEYS = {"basic": ("username", "password"), "bearer": ("token",), "": ()}
"""The keys that each login has; no other login has them."""


def _reference(value: object) -> object:
    """Refuse what does not say where a secret is; it may be the secret: it is not repeated."""
    if not isinstance(value, str) or not is_reference(value):
        raise wrong(f"must say where the secret is, {HOW}: no secret belongs in this file")
    return value


Reference = Annotated[str, BeforeValidator(_reference)]


class WssTable(Table):
    """``[services.NAME.backend.wss]``: the WS-Security header that requests get."""

    username: str = ""
    password: Reference | None = None
    password_type: str = "digest"  # noqa: S105  # how it is written, not what it is
    signing_certificate: str = ""
    signing_key: str = ""
    signing_key_password: Reference | None = None
    lifetime: Annotated[float, Field(ge=0, le=24 * 3600)] = 300.0

    _type = field_validator("password_type")(one_of("digest", "text"))

    @model_validator(mode="after")
    def _is_whole(self) -> WssTable:
        if bool(self.username) != (self.password is not None):
            raise wrong("a UsernameToken has both username and password: add the other one")
        if bool(self.signing_certificate) != bool(self.signing_key):
            raise wrong("a signature has both signing_certificate and signing_key: add the other")
        if not self.username and not self.signing_key:
            raise wrong("has neither username nor signing_key: add one of them, or leave it out")
        return self


class BackendTable(Table):
    """``[services.NAME.backend]``: limits, TLS, and what the service asks of who calls it."""

    hosts: tuple[str, ...] = ()
    connect: Seconds = 5.0
    idle: Seconds = 30.0
    ca: str = ""
    tls_name: str = ""
    certificate: str = ""
    key: str = ""
    key_password: Reference | None = None
    login: str = ""
    username: str = ""
    password: Reference | None = None
    token: Reference | None = None
    wss: WssTable | None = None
    unsafe_clear_text: bool = False
    unsafe_faults: bool = False

    _hosts = field_validator("hosts", mode="before")(
        many(_HOST.fullmatch, 'must be a list of hosts like ["10.1.2.3", "orders.internal:8443"]')
    )

    @field_validator("login")
    @classmethod
    def _is_login(cls, value: str) -> str:
        if value.lower() in _UNSUPPORTED:
            raise wrong(
                "is not supported: NTLM, Kerberos and Digest need several messages for one call. "
                'Have the service accept "basic" over https, or put a proxy in between that logs in'
            )
        return one_of(*LOGINS)(value)

    @model_validator(mode="after")
    def _login_is_whole(self) -> BackendTable:
        given = {key for keys in _KEYS.values() for key in keys if getattr(self, key)}
        needed = _KEYS[self.login]
        for key in sorted(given - set(needed)):
            login = next(one for one in LOGINS if key in _KEYS[one])
            raise wrong(f'{key} has no effect without login = "{login}": add it, or leave it out')
        if len(given) < len(needed):
            raise wrong(f'login = "{self.login}" needs {" and ".join(needed)}')
        return self

    @model_validator(mode="after")
    def _is_usable(self) -> BackendTable:
        if ":" in self.username:
            raise wrong("username must not hold a colon: Basic ends it there (RFC 7617)")
        if self.key and not self.certificate:
            raise wrong("key has no effect without certificate: add the certificate")
        return self

    @property
    def shows_secrets(self) -> bool:
        """True where a request contains a secret that others could read."""
        has_text = self.wss is not None and self.wss.password_type == "text"  # noqa: S105
        return bool(self.login) or (has_text and self.wss is not None and bool(self.wss.username))
