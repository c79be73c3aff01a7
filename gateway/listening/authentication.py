"""Authentication of the listener's callers: by a secret, or by a client certificate.

Nothing else that a caller sends is believed: no header with a name, no address.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.errors import Check, Refused
from gateway.listening.answers import CLIENT, refusal
from gateway.secrets.credentials import Credentials

OPEN = {"/healthz"}
"""Paths that need no authentication: they reveal nothing."""
NOTHING = "There is nothing at this address: GET / lists the services."
WHO = "Say who you are: with a bearer token, with basic credentials, or with a client certificate."
UNKNOWN = "These credentials, or this certificate, belong to no known client: ask for a new secret."
CHALLENGE = 'Basic realm="SOAP services", charset="UTF-8", Bearer realm="SOAP services"'


class Unrecognised(Exception):
    """Not a known client. The text is for the log, and holds nothing that was sent."""


class Recogniser:
    """Authenticates clients by their secrets and by the names in their certificates.

    ``certificates`` maps such names, in lower case, to clients.
    """

    def __init__(self, credentials: Credentials, certificates: Mapping[str, str]) -> None:
        self.credentials = credentials
        self._certificates = dict(certificates)

    def recognise(self, request: web.Request) -> str:
        """Return the client of a request. Raises Unrecognised.

        A secret and a certificate in one request must belong to the same client.
        """
        stated = request.headers.getall("Authorization", ())
        certificate = _certificate(request)
        found = {self._of_secret(one) for one in stated}
        if certificate:
            found.add(self._of_certificate(certificate))
        if not found:
            raise Unrecognised("no credentials")
        if len(found) > 1 or len(stated) > 1:
            raise Unrecognised("more than one set of credentials")
        return found.pop()

    def _of_secret(self, stated: str) -> str:
        scheme, _, rest = stated.strip().partition(" ")
        match scheme.lower():
            case "bearer":
                client = self.credentials.client_of(rest.strip())
            case "basic":
                name, secret = _basic(rest)
                client = self.credentials.client_of(secret)
                client = client if client == name else None
            case _:
                raise Unrecognised("its authorization scheme is neither Bearer nor Basic")
        if client is None:
            raise Unrecognised("unknown secret")
        return client

    def _of_certificate(self, certificate: Mapping[str, Any]) -> str:
        found = {self._certificates.get(name.lower()) for name in names_of(certificate)} - {None}
        if len(found) != 1:
            raise Unrecognised("its certificate belongs to no client, or to several")
        return str(found.pop())


def _basic(text: str) -> tuple[str, str]:
    """Return name and secret (RFC 7617). Raises Unrecognised."""
    try:
        name, _, secret = (
            base64.b64decode(text.strip(), validate=True).decode("utf-8").partition(":")
        )
    except ValueError as error:
        raise Unrecognised("its basic credentials are not base64 of UTF-8") from error
    return name, secret


def _certificate(request: web.Request) -> Mapping[str, Any]:
    """Return the client certificate, verified by the TLS library; empty without one."""
    transport = request.transport
    return (transport.get_extra_info("peercert") if transport is not None else None) or {}


def names_of(certificate: Mapping[str, Any]) -> set[str]:
    """Return the names in a certificate: the common name and the alternative names."""
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    names = {value for key, value in subject if key == "commonName"}
    beside = certificate.get("subjectAltName", ())
    return names | {value for kind, value in beside if kind in ("DNS", "URI", "email")}


def _not_let_in(request: web.Request, reason: str) -> Refused:
    has_said = "Authorization" in request.headers or _certificate(request)
    return Refused(UNKNOWN if has_said else WHO, check=Check.CREDENTIALS, reason=reason)


def recognised(
    recogniser: Recogniser, clients: Mapping[str, Any], services: Collection[str]
) -> Middleware:
    """Return a middleware that authenticates each request, and notes its client.

    A path that does not exist needs no authentication: a monitor that asks for another program's
    path should get a 404, not a request for a secret.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in OPEN or request.match_info.http_exception is not None:
            return await handler(request)
        if request.match_info.get("service") not in (None, *services):
            return refusal(request, Refused(NOTHING, check=Check.SERVICE), 404)
        try:
            client = recogniser.recognise(request)
            if client not in clients:
                raise Unrecognised(f"{client} has a secret, but no table in the settings")
        except Unrecognised as error:
            refused = _not_let_in(request, str(error))
            return refusal(request, refused, 401, {"WWW-Authenticate": CHALLENGE})
        request[CLIENT] = client
        return await handler(request)

    return middleware
