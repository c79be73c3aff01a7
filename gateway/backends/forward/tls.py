"""TLS to a service: its certificate is always verified, and ours presented if it asks."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.secrets.reference import LOOK, Secret, changes

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """PEM files; if ``ca`` is None, the system's trusted certificates are used."""

    ca: Path | None = None
    name: str = ""
    """The name in the service's certificate, if it is not the host of its address."""
    certificate: Path | None = None
    key: Path | None = None
    key_password: Secret | None = None

    @property
    def files(self) -> list[Path]:
        return [path for path in (self.ca, self.certificate, self.key) if path is not None]


class Tls:
    """The context of connections to a service, made again when one of its files has changed."""

    def __init__(self, settings: TlsSettings, *, look: float = LOOK) -> None:
        """Raises ConfigurationError, with the file and the cure."""
        self.settings = settings
        self._changed = changes(settings.files, look=look)
        self._context = tls_context(settings)

    @property
    def name(self) -> str | None:
        return self.settings.name or None

    def context(self) -> ssl.SSLContext:
        """Return the context; the last one, with a warning, while a changed file is unusable.

        Certificate and key are replaced one after the other: for a moment they do not match.
        """
        if self._changed():
            try:
                self._context = tls_context(self.settings)
            except ConfigurationError as error:
                log.warning("%s The last ones are kept.", error)
        return self._context


def tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return a context that verifies certificates and names. Raises ConfigurationError."""
    try:
        context = ssl.create_default_context(cafile=settings.ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"backend.ca: {settings.ca} cannot be used ({_reason(error)}): "
            "name a file of certificates in PEM."
        ) from error
    if settings.certificate is not None:
        _show_certificate(context, settings)
    return context


def _show_certificate(context: ssl.SSLContext, settings: TlsSettings) -> None:
    assert settings.certificate is not None  # the caller has looked

    def password() -> str:
        # Without one, OpenSSL would ask at the terminal.
        return settings.key_password.value() if settings.key_password is not None else ""

    try:
        context.load_cert_chain(settings.certificate, settings.key, password)
    except (OSError, ssl.SSLError, ValueError) as error:
        key = settings.key or settings.certificate
        raise ConfigurationError(
            f"backend.certificate: {settings.certificate} with the key in {key} cannot be used "
            f"({_reason(error)}): both must be PEM, belong together, and key_password be right."
        ) from error


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or "not in PEM"
