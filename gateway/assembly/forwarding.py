"""Builds the backend of a service behind ``forward``: its address, login, TLS and redaction."""

from __future__ import annotations

from urllib.parse import urlsplit

from gateway.assembly.secrets import Secrets
from gateway.backends.forward.transport import ForwardBackend, ForwardSettings
from gateway.backends.redact.kept_faults import Keep, kept_nowhere
from gateway.backends.redact.telltale import Telltales
from gateway.contract import Contract
from gateway.contract.backend_names import is_loopback, places
from gateway.errors import ConfigurationError
from gateway.settings import Settings, is_http

PORTS = {"http": 80, "https": 443}
UNSPECIFIED = frozenset({"0.0.0.0", "::"})  # noqa: S104  # nothing is bound here
"""All addresses of a machine."""


def backend_address(settings: Settings, name: str, contract: Contract) -> str:
    """Return the address that a service is forwarded to. Raises ConfigurationError."""
    for address in _addresses(settings, name, contract):
        if _is_own(settings, address):
            raise ConfigurationError(
                f"services.{name}: {address} is this gateway's own listener: calls would go in "
                "circles. Set forward to where the service is."
            )
        return address
    raise ConfigurationError(
        f"services.{name}: nothing says what carries out its calls, and its WSDL names no "
        f'backend: add forward = "http://..." or host = "module:attribute" to serve it.'
    )


def _addresses(settings: Settings, name: str, contract: Contract) -> list[str]:
    """Return every address that calls may go to: the one that is set, or those of the WSDL."""
    forward = settings.services[name].forward
    if forward is not None:
        return [forward]
    return [] if contract.is_published else [one for one in contract.addresses() if is_http(one)]


def _is_own(settings: Settings, address: str) -> bool:
    """True where an address leads to the listener: as its clients write it, or as this machine's.

    Each loopback address has separate ports; localhost, and a bind to all addresses, mean any.
    """
    table, parts = settings.listener, urlsplit(address)
    if parts.netloc.lower() == urlsplit(table.url or "").netloc.lower():
        return True
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    pair = {host, table.host.lower()}
    is_any = "localhost" in pair or not pair.isdisjoint(UNSPECIFIED)
    is_here = len(pair) == 1 or (is_any and all(map(is_loopback, pair - UNSPECIFIED)))
    return is_here and port == table.port


def forward_backend(
    settings: Settings, name: str, contract: Contract, keep: Keep = kept_nowhere
) -> ForwardBackend:
    """Build the forwarding backend of a service. Raises ConfigurationError."""
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
        keep=keep,
    )


def telltales(settings: Settings, name: str, contract: Contract) -> Telltales:
    """What reveals a service: each host that its settings and its WSDL name for it."""
    table = settings.services[name]
    return Telltales(
        places([table.forward or "", table.wsdl or "", *contract.addresses()]), contract.names()
    )


def _check_addresses(settings: Settings, name: str, contract: Contract) -> None:
    """Refuse an address on a host that calls may not go to, and secrets in clear text.

    A WSDL that was read from a server may only send calls to that server, unless the settings allow
    more: that server may be hostile.
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
            f"services.{name}.backend: its login would go over http, where anybody on the way "
            "can read it: use an https address, or set unsafe_clear_text = true."
        )


def _allowed_hosts(settings: Settings, name: str) -> frozenset[str]:
    """Return the hosts, each with or without a port, that calls may go to; empty: any."""
    table = settings.services[name]
    wsdl = table.wsdl or ""
    if table.backend.hosts or table.forward is not None or not is_http(wsdl):
        return frozenset(one.lower() for one in table.backend.hosts)
    return frozenset({(urlsplit(wsdl).hostname or "").lower()})
