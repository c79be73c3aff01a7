"""What ``gateway check`` tries of a service behind ``forward``: its secrets, and its connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway import assembly
from gateway.contract import Contract
from gateway.errors import ConfigurationError
from gateway.settings import Settings, is_http
from gateway.sockets import NO_TLS


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and its result; ``cure`` is empty where all is well."""

    subject: str
    text: str
    cure: str = ""
    is_note: bool = False


async def backend_findings(
    settings: Settings, name: str, contract: Contract
) -> AsyncIterator[Finding]:
    """Try everything that calls to a service need, but a call."""
    subject = f"service   {name}:"
    try:
        address = assembly.backend_address(settings, name, contract)
    except ConfigurationError as error:
        # Right on a machine that only listens or calls.
        reason = str(error).removeprefix(f"services.{name}: ")
        yield Finding(subject, f"is not served from here: {reason}", is_note=True)
        return
    yield await _built(settings, name, contract) or await _way(settings, name, address)


async def _built(settings: Settings, name: str, contract: Contract) -> Finding | None:
    """Build what posts the calls; tell what is in the way of that."""
    try:
        backend = assembly.forward_backend(settings, name, contract)
    except ConfigurationError as error:
        cure = str(error).removeprefix(f"services.{name}: ")
        return Finding(f"service   {name}:", "", cure=cure)
    await backend.aclose()
    return None


def secret_findings(settings: Settings, name: str) -> Iterator[Finding]:
    """A finding for each secret: whether it is there, and whether others could read it."""
    secrets = assembly.Secrets(settings, name)
    for key, reference in secrets.all():
        subject = f"secret    {key}:"
        try:
            found = secrets.read(key, reference)
        except ConfigurationError as error:
            yield Finding(subject, "", cure=str(error).removeprefix(f"{key}: "))
            continue
        if found.is_exposed:
            text = f"{reference} can be read by every user of this machine: chmod 600 is enough"
            yield Finding(subject, text, is_note=True)
        else:
            yield Finding(subject, f"{reference} is there, and can be used")


async def _way(settings: Settings, name: str, address: str) -> Finding:
    """Connect to a service, and verify its certificate."""
    subject = f"service   {name}:"
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or assembly.PORTS[parts.scheme]
    context, server_name = _tls(settings, name, host) if parts.scheme == "https" else (None, None)
    try:
        async with asyncio.timeout(settings.services[name].backend.connect):
            _, writer = await asyncio.open_connection(
                host, port, ssl=context, server_hostname=server_name
            )
    except ssl.SSLError as error:
        return Finding(subject, "", cure=_tls_cure(f"{host}:{port}", error))
    except (OSError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or "no answer"
        return _unreachable(settings, name, f"{host}:{port}", reason)
    writer.close()
    kind = "connections" if context is None else "connections, and its certificate is trusted"
    return Finding(subject, f"the backend at {host}:{port} takes {kind}")


def _tls(settings: Settings, name: str, host: str) -> tuple[ssl.SSLContext, str]:
    """Return how TLS is spoken with a service, and the name that its certificate must have."""
    tls = assembly.Secrets(settings, name).tls()
    if tls is None:
        return ssl.create_default_context(), host
    return tls.context(), tls.name or host


def _tls_cure(place: str, error: ssl.SSLError) -> str:
    """The cure for a TLS handshake that failed: a certificate is one reason of several."""
    reason = getattr(error, "verify_message", "") or error.reason or "no TLS"
    if reason in NO_TLS:
        return (
            f"the backend at {place} does not speak TLS: write http:// in place of https://, or "
            "the port where it speaks it"
        )
    if not isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the backend at {place} refuses the TLS handshake ({reason}): have it take TLS 1.2 or "
            "later; where it wants a certificate of the gateway, set backend.certificate"
        )
    return (
        f"the backend at {place} is not trusted ({reason}): name its authority in backend.ca, or "
        "the name in its certificate in backend.tls_name"
    )


def _unreachable(settings: Settings, name: str, place: str, reason: str) -> Finding:
    """Return a cure where this machine serves; a note where it may be one that only calls."""
    subject, table = f"service   {name}:", settings.services[name]
    text = f"the backend at {place} cannot be reached ({reason})"
    if table.forward is None and not is_http(table.wsdl or ""):
        text += ": expected if gateway serve runs elsewhere; if it runs here, start the service, "
        return Finding(subject, f"{text}or set forward to where it is", is_note=True)
    return Finding(subject, "", cure=f"{text}: start it, or set forward to where it is.")
