"""Certificates that callers sign with, and verification with their keys.

The home of cryptography, which gets bytes and a key only. It follows no reference, and selects no
key and no algorithm by a message.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import (
    Certificate,
    ExtensionNotFound,
    SubjectKeyIdentifier,
    load_pem_x509_certificates,
)

SHORTEST = 2048
"""Bits of an RSA key, at least (NIST SP 800-131A)."""
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA1": hashes.SHA1(),  # noqa: S303  # where the settings say so
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedSigner:
    """A certificate that callers may sign with; times in seconds since the epoch."""

    file: Path
    """The file that it is in."""
    key: RSAPublicKey | EllipticCurvePublicKey
    der: bytes
    serial: int
    not_before: float
    not_after: float
    key_id: bytes
    """Its SubjectKeyIdentifier; where it has none, the SHA-1 of its key (RFC 5280, 4.2.1.2)."""
    thumbprint: bytes
    """The SHA-1 by which WS-Security 1.1 names certificates: a name, not a proof."""

    def is_valid(self, now: float) -> bool:
        return self.not_before <= now <= self.not_after

    def verify(self, data: bytes, algorithm: str, value: bytes) -> bool:
        """Verify a signature of these bytes; ``algorithm`` is like RSA_SHA256."""
        kind, _, name = algorithm.partition("_")
        try:
            if isinstance(self.key, RSAPublicKey) and kind == "RSA":
                self.key.verify(value, data, PKCS1v15(), _HASHES[name])
                return True
            if isinstance(self.key, EllipticCurvePublicKey) and kind == "ECDSA":
                self.key.verify(_in_der(self.key, value), data, ECDSA(_HASHES[name]))
                return True
        except InvalidSignature:
            pass
        return False


def _in_der(key: EllipticCurvePublicKey, value: bytes) -> bytes:
    """Convert a signature to DER, for cryptography: XML has the two numbers concatenated.

    Raises InvalidSignature if the length is wrong (RFC 4050, section 3.3).
    """
    size = (key.key_size + 7) // 8
    if len(value) != 2 * size:
        raise InvalidSignature
    return encode_dss_signature(int.from_bytes(value[:size]), int.from_bytes(value[size:]))


def read_signers(file: Path, pem: bytes) -> Sequence[TrustedSigner]:
    """Return the certificates of a file. Raises ValueError for an unusable one."""
    try:
        return [_signer(file, one) for one in load_pem_x509_certificates(pem)]
    except (UnsupportedAlgorithm, binascii.Error) as error:
        raise ValueError("its key is of another kind") from error


def _signer(file: Path, certificate: Certificate) -> TrustedSigner:
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        raise ValueError("its key is of another kind")
    if isinstance(key, RSAPublicKey) and key.key_size < SHORTEST:
        raise ValueError("its key is too short")
    return TrustedSigner(
        file=file,
        key=key,
        der=certificate.public_bytes(Encoding.DER),
        serial=certificate.serial_number,
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        key_id=_key_id(certificate, key),
        thumbprint=certificate.fingerprint(hashes.SHA1()),  # noqa: S303  # a name
    )


def _key_id(certificate: Certificate, key: RSAPublicKey | EllipticCurvePublicKey) -> bytes:
    try:
        return certificate.extensions.get_extension_for_class(SubjectKeyIdentifier).value.digest
    except ExtensionNotFound:
        return SubjectKeyIdentifier.from_public_key(key).digest
