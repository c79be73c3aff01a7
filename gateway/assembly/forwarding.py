"""Builds what carries calls to a service behind ``forward``: where it is, and who logs in there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from gateway.backends.forward import ForwardBackend, ForwardSettings, Secured
from gateway.backends.login import Login, basic, bearer, nobody
from gateway.backends.telltale import Telltales
from gateway.backends.tls import Tls, TlsSettings
from gateway.backends.wss import Security, WssSettings
from gateway.contract import Contract
from gateway.errors import ConfigurationError
from gateway.places import places
from gateway.secret import Secret, Surroundings, secret
from gateway.settings import Settings, is_http

T = TypeVar("T")
Made = TypeVar("Made")


def backend_address(settings: Settings, name: str, contract: Contract) -> str:
    """Return where a service is forwarded to. Raises ConfigurationError where nothing says so."""
    for address in _addresses(settings, name, contract):
        if urlsplit(address).netloc in _own_places(settings):
            raise ConfigurationError(
                f"services.{name}: {address} is this gateway's own listener: calls would go round "
                "and round. Set forward to where the service is."
            )
        return address
    raise ConfigurationError(
        f"services.{name}: nothing here says what carries its calls out, and its WSDL names no "
        f'backend: add forward = "http://..." or host = "module:attribute" to serve it.'
    )


def _addresses(settings: Settings, name: str, contract: Contract) -> list[str]:
    """Return every address that calls may go to: the one that is set, or those of the WSDL."""
    forward = settings.services[name].forward
    if forward is not None:
        return [forward]
    return [] if contract.is_published else [one for one in contract.addresses() if is_http(one)]


def _own_places(settings: Settings) -> set[str]:
    return {settings.listener.bind, urlsplit(settings.listener.url or "").netloc}


def forward_backend(settings: Settings, name: str, contract: Contract) -> ForwardBackend:
    """Build what posts a service's calls. Raises ConfigurationError."""
    backend_address(settings, name, contract)  # there must be one
    _check_addresses(settings, name, contract)
    table = settings.services[name]
    secrets = Secrets(settings, name)
    return ForwardBackend(
        # Where none is set, each port has its own in the contract.
        table.forward or "",
        ForwardSettings(
            connect=table.backend.connect,
            idle=table.backend.idle,
            reply=settings.limits.reply,
            telltales=telltales(settings, name, contract),
            unsafe_faults=table.backend.unsafe_faults,
        ),
        login=secrets.login(),
        tls=secrets.tls(),
        secured=secrets.secured(),
    )


def telltales(settings: Settings, name: str, contract: Contract) -> Telltales:
    """Return what gives a service away: each host that its settings and its WSDL name for it."""
    table = settings.services[name]
    return Telltales(
        places([table.forward or "", table.wsdl or "", *contract.addresses()]), contract.names()
    )


def _check_addresses(settings: Settings, name: str, contract: Contract) -> None:
    """Refuse an address outside of the hosts that calls may go to, and secrets in the clear.

    A WSDL that was read from a server may only send calls to that server, unless the settings say
    more: what serves it may be no friend.
    """
    allowed = _allowed_hosts(settings, name)
    for address in _addresses(settings, name, contract):
        _check_host(name, address, allowed)
        _check_clear_text(settings, name, address)


def _check_host(name: str, address: str, allowed: frozenset[str]) -> None:
    parts = urlsplit(address)
    host, place = (parts.hostname or "").lower(), parts.netloc.lower()
    if allowed and not {host, place, f"[{host}]"} & allowed:
        raise ConfigurationError(
            f"services.{name}: its calls would go to {place}, which is not among "
            f"{', '.join(sorted(allowed))}: correct the address, set forward, or write "
            f'hosts = ["{place}"] into [services.{name}.backend].'
        )


def _check_clear_text(settings: Settings, name: str, address: str) -> None:
    table = settings.services[name].backend
    if table.shows_secrets and address.startswith("http:") and not table.unsafe_clear_text:
        raise ConfigurationError(
            f"services.{name}.backend: its login would go over http, where all on the way can "
            "read it: use an https address, or set unsafe_clear_text = true."
        )


def _allowed_hosts(settings: Settings, name: str) -> frozenset[str]:
    """Return the hosts, each with or without a port, that calls may go to; empty: any."""
    table = settings.services[name]
    wsdl = table.wsdl or ""
    if table.backend.hosts or table.forward is not None or not is_http(wsdl):
        return frozenset(table.backend.hosts)
    return frozenset({(urlsplit(wsdl).hostname or "").lower()})


class Secrets:
    """The secrets of one service's backend, read as its settings say."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._table = settings.services[name].backend
        self._key = f"services.{name}.backend"
        self._around = Surroundings(settings.folder, os.environ)

    def login(self) -> Login:
        """Return what logs in. Raises ConfigurationError."""
        table = self._table
        if table.login == "basic" and table.password is not None:
            return basic(table.username, self._secret("password", table.password))
        if table.login == "bearer" and table.token is not None:
            return bearer(self._secret("token", table.token))
        return nobody

    def tls(self) -> Tls | None:
        """Return how TLS is spoken; None for as the system does. Raises ConfigurationError."""
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
        """Return what puts a WS-Security header in. Raises ConfigurationError."""
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

    def read(self, key: str, reference: str) -> Secret:
        """Read one. Raises ConfigurationError."""
        return secret(key, reference, self._around)

    def _secret(self, key: str, reference: str) -> Secret:
        return self.read(f"{self._key}.{key}", reference)

    def _named(self, make: Callable[[T], Made], settings: T) -> Made:
        """Make something of settings; what is wrong with them is told with the service's name."""
        try:
            return make(settings)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self._key.removesuffix('.backend')}: {error}") from error
