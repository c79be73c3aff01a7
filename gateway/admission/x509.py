"""What a certificate says of itself, as far as WS-Security needs it (RFC 5280, section 4.1).

For certificates that the settings name: what a message holds is compared with these, byte by byte,
and never read.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_UTC_TIME = 0x17
_KEY_ID = bytes.fromhex("0603551d0e")
"""The extension SubjectKeyIdentifier, as an object identifier in DER."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate; times in seconds since the epoch."""

    der: bytes
    serial: int
    not_before: float
    not_after: float
    key_id: bytes
    """Its SubjectKeyIdentifier; where it has none, the SHA-1 of its key (RFC 5280, 4.2.1.2)."""

    @property
    def thumbprint(self) -> bytes:
        """Return the SHA-1 that WS-Security 1.1 names certificates by: a name, and no proof."""
        return hashlib.sha1(self.der, usedforsecurity=False).digest()

    def is_valid(self, now: float) -> bool:
        return self.not_before <= now <= self.not_after


@dataclass(frozen=True, slots=True)
class _Value:
    tag: int
    content: bytes
    whole: bytes


def certificates(pem: str) -> list[Certificate]:
    """Return every certificate of a text in PEM. Raises ValueError for what is none."""
    return [_certificate(ssl.PEM_cert_to_DER_cert(one)) for one in _PEM.findall(pem)]


def _certificate(der: bytes) -> Certificate:
    try:
        (outer,) = _values(der)
        signed, *_ = _values(outer.content)
        fields = [one for one in _values(signed.content) if one.tag != _VERSION]
        serial, _, _, validity, _, key = fields[:6]
        not_before, not_after = map(_seconds, _values(validity.content))
        extensions = next((one for one in fields[6:] if one.tag == _EXTENSIONS), None)
        return Certificate(
            der=der,
            serial=int.from_bytes(serial.content, signed=True),
            not_before=not_before,
            not_after=not_after,
            key_id=(_key_id(extensions) if extensions else b"") or _hash_of_key(key),
        )
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError("it is no certificate") from error


def _values(data: bytes) -> Iterator[_Value]:
    """Yield the values that stand one behind another (X.690, section 8.1)."""
    at = 0
    while at < len(data):
        length, begin = data[at + 1], at + 2
        if length & 0x80:
            begin += length & 0x7F
            length = int.from_bytes(data[at + 2 : begin])
        end = begin + length
        if end > len(data):
            raise ValueError("it is cut off")
        yield _Value(data[at], data[begin:end], data[at:end])
        at = end


def _seconds(time: _Value) -> float:
    """Return a time; years of two digits are those up to 2049 (RFC 5280, section 4.1.2.5.1)."""
    text = time.content.decode("ascii")
    if time.tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    moment = datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ")
    return moment.replace(tzinfo=datetime.UTC).timestamp()


def _key_id(extensions: _Value) -> bytes:
    (listed,) = _values(extensions.content)
    for extension in _values(listed.content):
        name, *_, value = _values(extension.content)
        if name.whole == _KEY_ID:
            (inner,) = _values(value.content)
            return inner.content
    return b""


def _hash_of_key(key: _Value) -> bytes:
    _, bits = _values(key.content)
    return hashlib.sha1(bits.content[1:], usedforsecurity=False).digest()
