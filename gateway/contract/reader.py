"""Reads the documents of a contract, from one folder and named hosts, and from nowhere else."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

import requests

from gateway.errors import ContractError, OutOfBounds

Read = Callable[[str], bytes]
"""Returns the document at an absolute location. Raises ContractError, with the cure."""

MEMORY = "http://documents.invalid/"
"""Where documents that were handed over in memory seem to be; RFC 2606 keeps .invalid unused."""
MAX_DOCUMENT = 32 * 2**20
CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 60.0
_PORTS = {"http": "80", "https": "443"}
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?([/?#][!-\[\]-~]*)?", re.IGNORECASE)
_CHUNK = 2**16


def absolute(location: str, base: str) -> str:
    """Return where a reference leads, as seen from the document that holds it.

    Paths become real paths, with every symbolic link followed: what is checked is what is opened.
    """
    location = location.strip()
    if _is_web(location):
        return location
    if _is_web(base):
        return urljoin(base, location)
    return _real_path(location, os.path.dirname(base))


def from_folder(folder: Path, fetch: Read) -> Read:
    """Return a reader of the files below a folder, and of what ``fetch`` reads from the web."""
    top = folder.resolve()

    def read(location: str) -> bytes:
        return fetch(location) if _is_web(location) else _read_file(Path(location), top)

    return read


def from_hosts(hosts: frozenset[str]) -> Read:
    """Return a reader of what some hosts serve."""
    allowed = frozenset(host.lower() for host in hosts)
    return lambda location: _fetch(location, allowed)


def from_memory(documents: Mapping[str, bytes]) -> Read:
    """Return a reader of documents by their names; it opens nothing."""
    by_location = {urljoin(MEMORY, name): data for name, data in documents.items()}

    def read(location: str) -> bytes:
        try:
            return by_location[location]
        except KeyError:
            raise ContractError(f"{shown(location)} is not among the documents; add it") from None

    return read


def shown(location: str) -> str:
    """Return a location as its operator knows it."""
    return location.removeprefix(MEMORY)


def _is_web(location: str) -> bool:
    return location[:8].lower().startswith(("http://", "https://"))


def _real_path(location: str, folder: str) -> str:
    if location[:5].lower() == "file:":
        parts = urlsplit(location)
        if parts.netloc not in ("", "localhost"):
            raise ContractError(
                f"{location} is on another machine; save it in the contract's folder"
            )
        location = url2pathname(parts.path)
    elif "://" in location:
        raise ContractError(f"{location} cannot be read; save it in the contract's folder")
    path = os.path.join(folder, location)
    # A schemaLocation is a URI: a blank in a file's name is %20 there, in careful documents.
    return os.path.realpath(
        path if os.path.exists(path) else os.path.join(folder, unquote(location))
    )


def _read_file(path: Path, top: Path) -> bytes:
    real = path.resolve()
    if not real.is_relative_to(top):
        raise OutOfBounds(f"{path} is outside of the contract's folder {top}; move it there")
    try:
        if not real.is_file():
            raise ContractError(f"{path} is not there, or is no file; save it there")
        if real.stat().st_size > MAX_DOCUMENT:
            raise ContractError(f"{path} is larger than {MAX_DOCUMENT} bytes; split it")
        return real.read_bytes()
    except OSError as error:
        raise ContractError(
            f"{path} cannot be read ({error.strerror}); give access to it"
        ) from error


def _fetch(url: str, hosts: frozenset[str]) -> bytes:
    _check_host(url, hosts)
    session = requests.Session()
    # Neither a proxy nor a .netrc of the environment has a say in where a contract comes from.
    session.trust_env = False
    try:
        with (
            session,
            session.get(
                url,
                allow_redirects=False,
                stream=True,
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                headers={"Accept-Encoding": "identity"},
            ) as response,
        ):
            return _content(response, url)
    except requests.RequestException as error:
        raise ContractError(
            f"{url} does not answer; start what serves it, or save the document as a file"
        ) from error


def _check_host(url: str, hosts: frozenset[str]) -> None:
    """Refuse any host but the named ones; a name without a port means its scheme's own port."""
    # What two libraries could read as two different hosts is refused, whatever it names.
    if not _PLAIN_URL.fullmatch(url):
        raise ContractError(f"{url!r} is no address that a contract can be read from; correct it")
    scheme, _, rest = url.partition("://")
    host = re.split(r"[/?#]", rest)[0].lower()
    name, _, port = host.partition(":")
    default = _PORTS[scheme.lower()]
    names = {name, f"{name}:{default}"} if port in ("", default) else {host}
    if not names & hosts:
        raise OutOfBounds(
            f"{url} is on a host that is not named for contracts; save the document in the "
            f"contract's folder and change the reference, or name the host {host}"
        )


def _content(response: requests.Response, url: str) -> bytes:
    if response.status_code != 200:
        answer = "a redirect" if response.is_redirect else f"status {response.status_code}"
        raise ContractError(f"{url} answers with {answer}; name the document's own address")
    content = bytearray()
    for chunk in response.iter_content(_CHUNK):
        content += chunk
        if len(content) > MAX_DOCUMENT:
            raise ContractError(f"{url} is larger than {MAX_DOCUMENT} bytes; save and split it")
    return bytes(content)
