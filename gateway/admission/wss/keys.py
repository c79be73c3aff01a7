"""The certificates that callers may sign with, from the settings; read again when they change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import ConfigurationError, NotSecured
from gateway.secrets.reference import LOOK, changes

if TYPE_CHECKING:
    from gateway.admission.wss.x509 import TrustedSigner

log = logging.getLogger(__name__)

INSTALL = "install it with: pip install 'soap-queue-gateway[wss]'"
LARGEST = 1 << 20
"""Bytes of a file of certificates, at most."""

Matches = Callable[["TrustedSigner"], bool]
"""Tells whether a certificate is the one that a message names."""


class Signers:
    """The certificates in some files; read again when a file has changed, if it is usable.

    A file may have several: the next certificate beside the current one.
    """

    def __init__(self, files: Sequence[Path], *, look: float = LOOK) -> None:
        """Raises ConfigurationError, also where cryptography is not installed."""
        self._files = files
        self._changed = changes(files, look=look)
        self._known = {file: _signers(file) for file in files}

    def matching(self, matches: Matches, now: float) -> Iterator[TrustedSigner]:
        """Yield the matching certificates. Raises NotSecured if there is none, or none is valid."""
        found = [one for one in self._current() if matches(one)]
        if not found:
            raise NotSecured("it is signed with a certificate that is not in the settings")
        valid = [one for one in found if one.is_valid(now)]
        if not valid:
            raise NotSecured(f"the certificate in {found[0].file.name} is not valid at this time")
        yield from valid

    def expired(self, now: float) -> list[str]:
        """Return the names of the files with a certificate that is not valid at a time."""
        return [one.file.name for one in self._current() if not one.is_valid(now)]

    def _current(self) -> Sequence[TrustedSigner]:
        for file in self._files if self._changed() else ():
            try:
                self._known[file] = _signers(file)
            except ConfigurationError as error:
                log.warning("%s The last ones of this file are kept.", error)
        return [signer for signers in self._known.values() for signer in signers]


def _signers(file: Path) -> Sequence[TrustedSigner]:
    try:
        from gateway.admission.wss.x509 import read_signers
    except ImportError as error:
        raise ConfigurationError(
            f"wss.certificates: signatures need cryptography, which is not installed: {INSTALL}."
        ) from error
    try:
        with file.open("rb") as opened:
            return read_signers(file, opened.read(LARGEST))
    except OSError as error:
        raise ConfigurationError(
            f"wss.certificates: {file} cannot be read ({error.strerror}): "
            "make it, or give access to it."
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            f"wss.certificates: {file} holds no certificate that can be used: it must be PEM, its "
            "key RSA of at least 2048 bits, or of an elliptic curve."
        ) from error
