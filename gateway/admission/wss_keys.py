"""The certificates that callers may sign with, and whether a signature is by the key of one.

The home of xmlsec on this side: it is asked about bytes and a key, and about nothing else. It
follows no reference and picks no key or algorithm by what a message says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gateway.admission.x509 import Certificate, certificates
from gateway.errors import ConfigurationError, NotSecured
from gateway.secret import changes

log = logging.getLogger(__name__)

INSTALL = "install it with: pip install 'soap-queue-gateway[wss]'"
LARGEST = 1 << 20
"""Bytes of a file of certificates, at most."""

Verify = Callable[[bytes, str, bytes], bool]
"""Tells whether a signature is right: of these bytes, by an algorithm, with this value."""
Matches = Callable[[Certificate], bool]
"""Tells whether a certificate is the one that a message names."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate that callers may sign with, and the file that it is in."""

    file: Path
    certificate: Certificate
    verify: Verify


class Signers:
    """The certificates of some files; read again when the files have changed, if they are of use.

    A file may hold several, the next one beside the one that is used now.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        """Raises ConfigurationError, also where xmlsec is not there."""
        self._files = files
        self._changed = changes(files)
        self._known = _read(files)

    def matching(self, matches: Matches, now: float) -> Iterator[Signer]:
        """Yield those that a message may mean. Raises NotSecured where none is, or is valid."""
        found = [one for one in self._current() if matches(one.certificate)]
        if not found:
            raise NotSecured("it is signed with a certificate that is not in the settings")
        valid = [one for one in found if one.certificate.is_valid(now)]
        if not valid:
            raise NotSecured(f"the certificate in {found[0].file.name} is not valid at this time")
        yield from valid

    def expired(self, now: float) -> list[str]:
        """Return the names of the files with a certificate that is not valid at a time."""
        return [one.file.name for one in self._current() if not one.certificate.is_valid(now)]

    def _current(self) -> Sequence[Signer]:
        if self._changed():
            try:
                self._known = _read(self._files)
            except ConfigurationError as error:
                log.warning("%s The last ones are kept.", error)
        return self._known


def _read(files: Sequence[Path]) -> list[Signer]:
    return [
        Signer(file, certificate, _verifier(certificate, file))
        for file in files
        for certificate in _certificates(file)
    ]


def _certificates(file: Path) -> list[Certificate]:
    try:
        with file.open("rb") as opened:
            found = certificates(opened.read(LARGEST).decode("ascii", "replace"))
    except OSError as error:
        raise ConfigurationError(
            f"wss.certificates: {file} cannot be read ({error.strerror}): "
            "make it, or give access to it."
        ) from error
    except ValueError as error:
        raise _useless(file) from error
    if not found:
        raise _useless(file)
    return found


def _useless(file: Path) -> ConfigurationError:
    return ConfigurationError(
        f"wss.certificates: {file} holds no certificate that can be used: it must be PEM, its key "
        "RSA or of an elliptic curve."
    )


def _verifier(certificate: Certificate, file: Path) -> Verify:
    """Return what verifies with the key of a certificate. Raises ConfigurationError."""
    try:
        import xmlsec
    except ImportError as error:
        raise ConfigurationError(
            f"wss.certificates: signatures need xmlsec, which is not there: {INSTALL}."
        ) from error
    library = cast(Any, xmlsec)  # its stubs do not have what it has
    algorithms = library.Transform
    try:
        key = library.Key.from_memory(certificate.der, library.KeyFormat.CERT_DER)
    except (xmlsec.Error, xmlsec.InternalError) as error:
        raise _useless(file) from error

    def verify(data: bytes, algorithm: str, value: bytes) -> bool:
        context = xmlsec.SignatureContext()
        context.key = key
        try:
            context.verify_binary(data, getattr(algorithms, algorithm), value)
        except (xmlsec.Error, xmlsec.InternalError):
            return False  # another key, or a key for another algorithm
        return True

    return verify
