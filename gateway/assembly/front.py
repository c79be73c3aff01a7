"""Builds what stands before the listener's calls, and refuses an unprotected listener."""

from __future__ import annotations

import logging
from pathlib import Path

from gateway.contract.backend_names import is_loopback
from gateway.errors import ConfigurationError
from gateway.listening.application import Front
from gateway.listening.authentication import Recogniser, recognised
from gateway.listening.concurrency import in_share
from gateway.listening.origin import door
from gateway.listening.tls import ListenerTls, Reread, load_authority, load_certificate, tls_context
from gateway.message import Clock
from gateway.secrets.credentials import Credentials, read_credentials
from gateway.serving.quotas import Quotas, Shares
from gateway.settings import Settings

log = logging.getLogger(__name__)


def front(settings: Settings, clock: Clock) -> Front:
    """Build what stands before the calls. Raises ConfigurationError where that is not enough."""
    check_exposure(settings)
    middlewares, rereads = [door(settings.listener)], []
    if settings.clients:
        recogniser, reread = _recogniser(settings)
        middlewares.append(recognised(recogniser, settings.clients, settings.services))
        middlewares.append(in_share(Shares(settings.clients)))
        rereads.append(reread)
    tls = None
    if (files := tls_settings(settings)) is not None:
        tls = context = tls_context(files)
        paths = [path for path in (files.certificate, files.key) if path is not None]
        rereads.append(Reread(paths, lambda: load_certificate(context, files)))
        if files.client_ca is not None:
            rereads.append(Reread([files.client_ca], lambda: load_authority(context, files)))
    return Front(
        middlewares=middlewares,
        quotas=Quotas(settings.clients, clock),
        tls=tls,
        rereads=rereads,
        # Where clients are authenticated, an unrecognised one has no name.
        nobody="" if settings.clients else settings.client,
    )


def check_listener(settings: Settings) -> None:
    """Try what a listener needs beside its port. Raises ConfigurationError."""
    check_exposure(settings)
    read_credentials(credentials_path(settings))
    if (files := tls_settings(settings)) is not None:
        tls_context(files)


def check_exposure(settings: Settings) -> None:
    """Refuse to listen where strangers can connect, without TLS or without authentication.

    Raises ConfigurationError.
    """
    table = settings.listener
    if is_loopback(table.host):
        return
    for name in ("unsafe_no_clients", "unsafe_no_tls"):
        if getattr(table, name):
            log.warning(
                "listener.%s is set, and %s can be reached from other machines", name, table.bind
            )
    if not settings.clients and not table.unsafe_no_clients:
        raise ConfigurationError(
            f"listener.bind: anybody who reaches {table.bind} could call everything, because there "
            "are no clients: add [clients.NAME] tables, listen on 127.0.0.1, or set "
            "listener.unsafe_no_clients = true."
        )
    if table.tls.certificate is None and not table.unsafe_no_tls:
        raise ConfigurationError(
            f"listener.bind: on {table.bind} without TLS, others can read messages and secrets: "
            "set listener.tls.certificate, listen on 127.0.0.1, or, where a proxy does TLS, set "
            "listener.unsafe_no_tls = true."
        )


def credentials_path(settings: Settings) -> Path:
    return settings.folder / settings.listener.credentials


def tls_settings(settings: Settings) -> ListenerTls | None:
    """Return the files of TLS; None where the listener speaks plain HTTP."""
    table = settings.listener.tls
    if table.certificate is None:
        return None
    key, authority = (
        None if path is None else settings.folder / path for path in (table.key, table.client_ca)
    )
    return ListenerTls(
        certificate=settings.folder / table.certificate, key=key, client_ca=authority
    )


def _recogniser(settings: Settings) -> tuple[Recogniser, Reread]:
    path = credentials_path(settings)
    certificates = {
        table.certificate.lower(): name
        for name, table in settings.clients.items()
        if table.certificate is not None
    }
    recogniser = Recogniser(_credentials(settings, path), certificates)

    def load() -> None:
        recogniser.credentials = _credentials(settings, path)

    return recogniser, Reread([path], load)


def _credentials(settings: Settings, path: Path) -> Credentials:
    known = read_credentials(path)
    for name in sorted({one.client for one in known} - set(settings.clients)):
        log.warning("%s has a secret, but no table [clients.%s]: it is not let in", name, name)
    return Credentials(known)
