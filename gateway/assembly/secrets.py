"""Reads the secrets of a service, and builds what needs them: logins, TLS, signatures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from gateway.backends.forward.security import Security, WssSettings
from gateway.backends.forward.tls import Tls, TlsSettings
from gateway.backends.forward.transport import Secured
from gateway.backends.login import Login, basic, bearer, nobody
from gateway.contract import Access
from gateway.errors import ConfigurationError
from gateway.secrets.reference import Secret, Surroundings, secret
from gateway.settings import Settings

T = TypeVar("T")
Made = TypeVar("Made")


def access(settings: Settings, name: str) -> Access:
    """Return the access to the server of a service's WSDL: the same as to the service.

    Secrets are read only on a fetch: a listener may have a copy of the WSDL, but no secrets.
    """
    table, secrets = settings.services[name], Secrets(settings, name)
    wsdl = table.wsdl or ""
    is_safe = wsdl.startswith("https:") or table.backend.unsafe_clear_text
    return Access(
        host=urlsplit(wsdl).netloc.lower(),
        headers=lambda: secrets.login()() if is_safe else {},
        tls=secrets.tls,
    )


class Secrets:
    """The secrets of one service, most of them of its backend, read as its settings say."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._table = settings.services[name].backend
        self._callers = settings.services[name].wss
        self._key = f"services.{name}.backend"
        self._around = Surroundings(settings.folder, os.environ)

    def login(self) -> Login:
        """The login to the service. Raises ConfigurationError."""
        table = self._table
        if table.login == "basic" and table.password is not None:
            return basic(table.username, self._secret("password", table.password))
        if table.login == "bearer" and table.token is not None:
            return bearer(self._secret("token", table.token))
        return nobody

    def tls(self) -> Tls | None:
        """Build the TLS settings; None for the system's defaults. Raises ConfigurationError."""
        table = self._table
        if not any((table.ca, table.certificate, table.tls_name)):
            return None
        password = table.key_password
        settings = TlsSettings(
            ca=self._path(table.ca),
            name=table.tls_name,
            certificate=self._path(table.certificate),
            key=self._path(table.key),
            key_password=self._secret("key_password", password) if password else None,
        )
        return self._named(Tls, settings)

    def _path(self, name: str) -> Path | None:
        return self._around.folder / name if name else None

    def secured(self) -> Secured | None:
        """The step that adds a WS-Security header. Raises ConfigurationError."""
        table = self._table.wss
        if table is None:
            return None
        password, key_password = table.password, table.signing_key_password
        settings = WssSettings(
            username=table.username,
            password=self._secret("wss.password", password) if password else None,
            is_digest=table.password_type == "digest",  # noqa: S105  # how it is written
            certificate=self._path(table.signing_certificate),
            key=self._path(table.signing_key),
            key_password=(
                self._secret("wss.signing_key_password", key_password) if key_password else None
            ),
            lifetime=table.lifetime,
        )
        return self._named(Security, settings).secured

    def all(self) -> Iterable[tuple[str, str]]:
        """Yield the key of each secret that the settings name, and its reference."""
        tables = {"": self._table, "wss.": self._table.wss}
        for place, table in tables.items():
            for key in ("password", "token", "key_password", "signing_key_password"):
                reference = getattr(table, key, None)
                if reference is not None:
                    yield f"{self._key}.{place}{key}", reference
        for user, reference in {} if self._callers is None else self._callers.users.items():
            yield f"{self._key.removesuffix('.backend')}.wss.users.{user}", reference

    def read(self, key: str, reference: str) -> Secret:
        """Read one. Raises ConfigurationError."""
        return secret(key, reference, self._around)

    def _secret(self, key: str, reference: str) -> Secret:
        return self.read(f"{self._key}.{key}", reference)

    def _named(self, make: Callable[[T], Made], settings: T) -> Made:
        """Call ``make`` with settings; add the service's name to a ConfigurationError."""
        try:
            return make(settings)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self._key.removesuffix('.backend')}: {error}") from error
