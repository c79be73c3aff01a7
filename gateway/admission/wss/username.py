"""UsernameToken: a user and a password that proves it (Username Token Profile).

The digest is SHA-1, by the profile. It is not broken for this use, where nobody chooses both
inputs; but a weak password can be guessed from it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gateway.admission.wss.header import (
    USERNAME_PROFILE,
    WSU,
    Moments,
    decoded,
    moment,
    parts_of,
    text,
)
from gateway.errors import NotSecured
from gateway.secrets.reference import Secret
from gateway.soap.envelope import WSSE, Element

DIGEST, TEXT = "digest", "text"
_TYPES = {
    f"{USERNAME_PROFILE}#PasswordDigest": DIGEST,
    f"{USERNAME_PROFILE}#PasswordText": TEXT,
    "": TEXT,
}
_NAMES = {
    f"{{{WSSE}}}Username": "user",
    f"{{{WSSE}}}Password": "password",
    f"{{{WSSE}}}Nonce": "nonce",
    f"{{{WSU}}}Created": "created",
}
LONGEST_NONCE = 128
_NOBODY = hashlib.sha256(b"nobody").hexdigest()
"""Compared with where there is no such user, so that both cases take the same time."""


@dataclass(frozen=True, slots=True)
class UsernameToken:
    """A token as it is written, not verified yet."""

    user: str
    password: str
    kind: str
    nonce: bytes
    created: str


@dataclass(frozen=True, slots=True)
class ShownUser:
    """The verified user of a token."""

    user: str
    moments: Moments | None
    """None where the token has no time, as one with the password as text may."""
    nonce: bytes


def verified(element: Element, users: Mapping[str, Secret], kinds: Collection[str]) -> ShownUser:
    """Verify a UsernameToken. Raises NotSecured."""
    token = _read(element)
    if token.kind not in kinds:
        raise NotSecured("the password is of a type that is not accepted")
    _check_password(token, users.get(token.user))
    made = Moments(moment(token.created)) if token.created else None
    return ShownUser(token.user, made, token.nonce)


def _check_password(token: UsernameToken, secret: Secret | None) -> None:
    known = _NOBODY if secret is None else secret.value()
    matches = _MATCHING[token.kind](token, known)
    if secret is None:
        raise NotSecured("there is no such user")
    if not matches:
        raise NotSecured(f"the password is wrong, for the user {token.user!r}")


def _read(element: Element) -> UsernameToken:
    parts = parts_of(element, _NAMES)
    user, password = parts.get("user"), parts.get("password")
    if user is None or password is None:
        raise NotSecured("the UsernameToken has no Username, or no Password")
    kind = _TYPES.get(password.get("Type", ""), "unknown")
    nonce, created = _fresh(parts)
    if kind == DIGEST and not (nonce and created):
        raise NotSecured("the UsernameToken has a digest, and no Nonce or no Created")
    return UsernameToken(text(user), _exact(password), kind, nonce, created)


def _fresh(parts: Mapping[str, Element]) -> tuple[bytes, str]:
    """Return what makes a token unique: its nonce and time, each empty where it is missing."""
    nonce, created = parts.get("nonce"), parts.get("created")
    number = b"" if nonce is None else decoded(nonce)
    if len(number) > LONGEST_NONCE:
        raise NotSecured("the Nonce is too long")
    return number, "" if created is None else text(created)


def _exact(password: Element) -> str:
    """Return a password with its blanks, which are part of it."""
    text(password)
    return password.text or ""


def _is_digest(token: UsernameToken, known: str) -> bool:
    made = hashlib.sha1(
        token.nonce + token.created.encode() + known.encode(), usedforsecurity=False
    ).digest()
    given = "".join(token.password.split()).encode()
    return hmac.compare_digest(given, base64.b64encode(made))


def _is_text(token: UsernameToken, known: str) -> bool:
    """Compare by hashes, so that timing does not tell the length of the password."""
    given, right = (hashlib.sha256(one.encode()).digest() for one in (token.password, known))
    return hmac.compare_digest(given, right)


_MATCHING = {DIGEST: _is_digest, TEXT: _is_text}
