"""Logging in to a service by a header of HTTP: Basic (RFC 7617), or a bearer token (RFC 6750)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from gateway.secrets.reference import Secret

Login = Callable[[], Mapping[str, str]]
"""Returns the headers that a call gets, with the secrets as they are now."""

UNSUPPORTED = ("NTLM", "Negotiate", "Kerberos", "Digest")
"""Schemes that need more than one message, and so a connection of their own for each caller."""


def nobody() -> Mapping[str, str]:
    """Log in nowhere."""
    return {}


def basic(username: str, password: Secret) -> Login:
    """Return what logs in by name and password."""

    def headers() -> Mapping[str, str]:
        pair = f"{username}:{password.value()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}

    return headers


def bearer(token: Secret) -> Login:
    """Return what logs in by a token."""
    return lambda: {"Authorization": f"Bearer {token.value()}"}


def refused_login(status: int, challenges: list[str]) -> str:
    """Return what an operator has to do about a status of 401 or 407; empty for any other."""
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
