"""Who a caller of the listener is: by its secret, or by the certificate it came with.

Nothing else that a caller says is believed: no header with a name in it, no address.
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
"""What may be asked without saying who asks: it tells nothing."""
NOTHING = "There is nothing at this address: GET / lists the services."
WHO = "Say who you are: with a bearer token, with basic credentials, or with a client certificate."
UNKNOWN = "Nobody is known by these credentials, or by this certificate: ask for a new secret."
CHALLENGE = 'Basic realm="SOAP services", charset="UTF-8", Bearer realm="SOAP services"'


class Unrecognised(Exception):
    """Nobody that is known. The text is for the log, and holds nothing that was sent."""


class Recogniser:
    """Knows clients by their secrets and by the names in their certificates.

    ``certificates`` maps such names, in lower case, to clients.
    """

    def __init__(self, credentials: Credentials, certificates: Mapping[str, str]) -> None:
        self.credentials = credentials
        self._certificates = dict(certificates)

    def recognise(self, request: web.Request) -> str:
        """Return the client that a request is of. Raises Unrecognised.

        Who shows both a secret and a certificate must be the same client by both.
        """
        stated = request.headers.getall("Authorization", ())
        certificate = _certificate(request)
        found = {self._of_secret(one) for one in stated}
        if certificate:
            found.add(self._of_certificate(certificate))
        if not found:
            raise Unrecognised("it does not say who it is")
        if len(found) > 1 or len(stated) > 1:
            raise Unrecognised("it says more than once who it is")
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
                raise Unrecognised("its scheme of authorization is neither Bearer nor Basic")
        if client is None:
            raise Unrecognised("its secret is none that is known")
        return client

    def _of_certificate(self, certificate: Mapping[str, Any]) -> str:
        found = {self._certificates.get(name.lower()) for name in names_of(certificate)} - {None}
        if len(found) != 1:
            raise Unrecognised("its certificate is of no client, or of several")
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
    """Return the certificate of a client that the TLS library has verified; empty without one."""
    transport = request.transport
    return (transport.get_extra_info("peercert") if transport is not None else None) or {}


def names_of(certificate: Mapping[str, Any]) -> set[str]:
    """Return the names in a certificate: the common name, and those beside it."""
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
    """Return what lets nobody in who is no client, and notes which one it is.

    Where there is nothing, nobody is asked who it is: a monitor that looks for another program's
    path is to learn that, and not to be sent for a secret.
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
                raise Unrecognised(f"{client} has a secret, and no table in the settings")
        except Unrecognised as error:
            refused = _not_let_in(request, str(error))
            return refusal(request, refused, 401, {"WWW-Authenticate": CHALLENGE})
        request[CLIENT] = client
        return await handler(request)

    return middleware
