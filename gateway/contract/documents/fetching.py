"""Fetches documents of contracts, from allowed hosts only."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NameResolutionError

from gateway.errors import ContractError, OfAnotherHost
from gateway.sockets import NO_TLS

MAX_DOCUMENT = 32 * 2**20
CONNECT_TIMEOUT, READ_TIMEOUT, TOTAL_TIMEOUT = 10.0, 60.0, 120.0
"""Seconds to connect, to wait for the next bytes, and for a whole document."""
_PORTS = {"http": "80", "https": "443"}
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?([/?#][!-\[\]-~]*)?", re.IGNORECASE)
_CHUNK = 2**16


class ServerTls(Protocol):
    """The TLS settings for a server."""

    @property
    def name(self) -> str | None:
        """The name in its certificate; None for its host."""
        ...

    def context(self) -> ssl.SSLContext:
        """The TLS context that verifies the server, and shows our certificate."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How one server is accessed: with which headers and TLS settings.

    Headers and certificates are sent to that server only, to no other that a contract names.
    """

    host: str
    """Host and port, as the address of its WSDL has them."""
    headers: Callable[[], Mapping[str, str]]
    tls: Callable[[], ServerTls | None]


class _Verified(HTTPAdapter):
    """Uses a service's TLS settings: its authority, its name, and our certificate."""

    def __init__(self, context: ssl.SSLContext, name: str | None) -> None:
        self._context = context
        self._name = name
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        options["ssl_context"] = self._context
        if self._name:
            options |= {"server_hostname": self._name, "assert_hostname": self._name}
        super().init_poolmanager(*arguments, **options)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the context as it is: requests would add its own authorities."""
        conn.cert_reqs = "CERT_REQUIRED"


def from_web(access: Access | None = None) -> Callable[[str], bytes]:
    """Return a reader of documents on the web; ``access`` is used with its own host alone."""
    return lambda url: _fetch(url, access if access and _place(url) == access.host else None)


def allowing(hosts: frozenset[str], read: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """Return a reader that refuses any host but the named ones, before anything else is done."""
    allowed = frozenset(host.lower() for host in hosts)

    def read_allowed(url: str) -> bytes:
        _check_host(url, allowed)
        return read(url)

    return read_allowed


def _place(url: str) -> str:
    return re.split(r"[/?#]", url.partition("://")[2])[0].lower()


def _check_host(url: str, hosts: frozenset[str]) -> None:
    """Refuse any host but the named ones; a name without a port means its scheme's own port."""
    # An address that two libraries could read as different hosts is refused; it is not repeated
    # where it may hold a password.
    if not _PLAIN_URL.fullmatch(url):
        told = repr(url) if "@" not in url else "an address with an @ in it"
        raise ContractError(
            f"{told} is not an address that a contract can be read from; correct it"
        )
    host = _place(url)
    name, _, port = host.partition(":")
    default = _PORTS[url.partition("://")[0].lower()]
    names = {name, f"{name}:{default}"} if port in ("", default) else {host}
    if not names & hosts:
        raise OfAnotherHost(
            f"{url} is on a host that is not named for contracts; save the document in the "
            f"contract's folder and change the reference, or name the host {host}"
        )


def _fetch(url: str, access: Access | None) -> bytes:
    """Fetch a document within a limit for the whole: a server may send a byte a minute."""
    outcome: list[bytes | ContractError] = []
    done = threading.Event()
    session, headers = _session(access)

    def run() -> None:
        try:
            outcome.append(_request(session, url, headers))
        except ContractError as error:
            outcome.append(error)
        finally:
            done.set()

    # A blocking read cannot be stopped from outside: if it takes too long, it is left behind.
    threading.Thread(target=run, name="fetch-contract", daemon=True).start()
    if not done.wait(TOTAL_TIMEOUT) or not outcome:
        raise ContractError(
            f"{url} does not come within {TOTAL_TIMEOUT:g} s; save the document as a file"
        )
    if isinstance(outcome[0], ContractError):
        raise outcome[0]
    return outcome[0]


def _session(access: Access | None) -> tuple[requests.Session, Mapping[str, str]]:
    """Return a session, and the request headers. Raises ConfigurationError."""
    session = requests.Session()
    # No proxy and no .netrc of the environment may affect where a contract comes from.
    session.trust_env = False
    tls = access.tls() if access else None
    if tls is not None:
        session.mount("https://", _Verified(tls.context(), tls.name))
    return session, {"Accept-Encoding": "identity", **(access.headers() if access else {})}


def _request(session: requests.Session, url: str, headers: Mapping[str, str]) -> bytes:
    try:
        with (
            session,
            session.get(
                url,
                allow_redirects=False,
                stream=True,
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                headers=headers,
            ) as response,
        ):
            return _content(response, url)
    except requests.exceptions.SSLError as error:
        raise ContractError(f"{url} {_tls_cure(error)}") from error
    # urllib3's errors come while the content is read; ValueError: malformed headers.
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        if any(isinstance(one, NameResolutionError | socket.gaierror) for one in _causes(error)):
            raise ContractError(
                f"{url} is on a host whose name is not known here; correct the name, or save the "
                "document as a file"
            ) from error
        raise ContractError(
            f"{url} does not answer; start what serves it, or save the document as a file"
        ) from error


def _tls_cure(error: Exception) -> str:
    """The reason why TLS failed, and the cure: not always a certificate."""
    found = [one for one in _causes(error) if isinstance(one, ssl.SSLError)]
    if any(one.reason in NO_TLS for one in found):
        return (
            "does not speak TLS; write http:// in place of https://, or the port where it speaks it"
        )
    if found and not any(isinstance(one, ssl.SSLCertVerificationError) for one in found):
        return (
            "refuses the TLS handshake; have it take TLS 1.2 or later, and where it wants a "
            "certificate of the gateway, set backend.certificate"
        )
    return (
        "is not trusted; name its authority in backend.ca, or the name in its certificate in "
        "backend.tls_name"
    )


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and all its causes, which requests and urllib3 keep in several places."""
    found: list[BaseException] = []
    left: list[object] = [error]
    while left:
        one = left.pop()
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            left += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return found


def _content(response: requests.Response, url: str) -> bytes:
    if response.status_code != 200:
        answer = "a redirect" if response.is_redirect else f"status {response.status_code}"
        raise ContractError(f"{url} answers with {answer}; {_cure(response.status_code)}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise ContractError(
            f"{url} is compressed, which was not asked for; save the document as a file"
        )
    content = bytearray()
    # Not iter_content, which decompresses.
    for chunk in response.raw.stream(_CHUNK, decode_content=False):
        content += chunk
        if len(content) > MAX_DOCUMENT:
            raise ContractError(f"{url} is larger than {MAX_DOCUMENT} bytes; save and split it")
    return bytes(content)


def _cure(status: int) -> str:
    if status in (401, 403):
        return "log in with [services.NAME.backend], or save the document as a file"
    return "name the document's own address"
