"""TLS for the listener, and files that are read again while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.secrets.reference import changes

log = logging.getLogger(__name__)

LOOK = 5.0
"""Seconds between two checks whether a file has changed."""
OTHERS = (
    "secrets, the keys and certificates of backends and of WS-Security, and the audit log follow "
    "their files without being told; settings and contracts are read at the start: restart for them"
)
"""The log's words about everything else, when files are read again on request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerTls:
    """PEM files: the listener's certificate and key, and the authority for client certificates."""

    certificate: Path
    key: Path | None = None
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Reread:
    """Files, and how to load them again. If ``load`` raises ConfigurationError, nothing changed."""

    paths: Sequence[Path]
    load: Callable[[], None]


def tls_context(settings: ListenerTls) -> ssl.SSLContext:
    """Return the listener's TLS context: 1.2 and later. Raises ConfigurationError.

    With ``client_ca`` a client may present a certificate; without one it needs a secret.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_certificate(context, settings)
    load_authority(context, settings)
    return context


def load_authority(context: ssl.SSLContext, settings: ListenerTls) -> None:
    """Accept client certificates of the authorities that are in the file now.

    Earlier authorities stay accepted until the next start. Raises ConfigurationError.
    """
    if settings.client_ca is None:
        return
    try:
        context.load_verify_locations(settings.client_ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"listener.tls.client_ca: {settings.client_ca} has no certificates in PEM"
            f" ({_reason(error)})."
        ) from error
    context.verify_mode = ssl.CERT_OPTIONAL


def load_certificate(context: ssl.SSLContext, settings: ListenerTls) -> None:
    """Use the files' current content for new connections. Raises ConfigurationError."""
    try:
        # OpenSSL would ask for the password of an encrypted key at a terminal.
        context.load_cert_chain(settings.certificate, settings.key, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        place = f"{settings.certificate}" + (f" with {settings.key}" if settings.key else "")
        raise ConfigurationError(
            f"listener.tls: {place} cannot be used ({_reason(error)}): it takes a certificate, its"
            " chain and its key, in PEM and without a password."
        ) from error


def _reason(error: OSError) -> str:
    return (getattr(error, "reason", None) or error.strerror or "unreadable").replace("_", " ")


async def keep_fresh(rereads: Iterable[Reread], asked: asyncio.Event, look: float = LOOK) -> None:
    """Read files again when they have changed, and all of them when ``asked`` is set.

    A file that cannot be read changes nothing. ``look`` is in seconds.
    """
    watched = [(one, changes(one.paths, look=0.0)) for one in rereads]
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(look):
                await asked.wait()
        if asked.is_set():
            asked.clear()
            read = [_names(one) for one, _ in watched if _is_loaded(one)]
            log.info("read again: %s; %s", ", ".join(read) or "no file of a listener", OTHERS)
            continue
        for one, are_changed in watched:
            if are_changed() and _is_loaded(one):
                log.info("read again: %s", _names(one))


def _is_loaded(reread: Reread) -> bool:
    try:
        reread.load()
    except ConfigurationError as error:
        log.warning("%s What was read before stays in use.", error)
        return False
    return True


def _names(reread: Reread) -> str:
    return ", ".join(path.name for path in reread.paths)
