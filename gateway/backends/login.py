"""Authentication to a service by an HTTP header: Basic (RFC 7617), or a bearer token (RFC 6750)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from gateway.secrets.reference import Secret

Login = Callable[[], Mapping[str, str]]
"""Returns the headers for a call, with the current secrets."""

UNSUPPORTED = ("NTLM", "Negotiate", "Kerberos", "Digest")
"""Schemes that need more than one message, and so a separate connection for each caller."""


def nobody() -> Mapping[str, str]:
    """Send no credentials."""
    return {}


def basic(username: str, password: Secret) -> Login:
    """Return a login by name and password."""

    def headers() -> Mapping[str, str]:
        pair = f"{username}:{password.value()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}

    return headers


def bearer(token: Secret) -> Login:
    """Return a login by a token."""
    return lambda: {"Authorization": f"Bearer {token.value()}"}


def refused_login(status: int, challenges: list[str]) -> str:
    """Return the cure for a status of 401 or 407, for the operator; empty for any other."""
    if status not in (401, 407):
        return ""
    schemes = {one.split()[0].lower() for one in challenges if one.strip()}
    asked = [one for one in UNSUPPORTED if one.lower() in schemes]
    if not asked or "basic" in schemes:
        return "it does not accept the login: see [services.NAME.backend]"
    return (
        f"it asks for {' or '.join(asked)}, which is not supported: have it accept Basic over "
        "https, or put a proxy in between that logs in"
    )
