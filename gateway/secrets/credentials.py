"""The clients' secrets for the listener: made here, and stored as hashes in a file.

A secret has 256 random bits, so it cannot be guessed from its hash, however fast that is to
compute: SHA-256 takes a microsecond for each call. Slow hashes (scrypt, PBKDF2) protect passwords
chosen by people, and would cost 50 ms and 16 MB for each call, even a stranger's.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigurationError

HEAD = """\
# Made by gateway client: whom the listener lets in. The hashes of secrets, never the secrets.
"""
_LINE = re.compile(r"([A-Za-z0-9_-]{1,64}) sha256:([0-9a-f]{64}) (\d{4}-\d\d-\d\d)")
_SELECTOR = 8
"""Bytes of a hash for the look-up. Nobody can choose them, or learn a secret from them."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One secret of a client, by its hash."""

    client: str
    digest: bytes
    made: str
    """The day on which it was made."""

    @property
    def mark(self) -> str:
        """A short name for people; it is not secret."""
        return self.digest.hex()[:8]


class Credentials:
    """Finds the client of a secret."""

    def __init__(self, known: Iterable[Credential]) -> None:
        self._known = {one.digest[:_SELECTOR]: one for one in known}

    def client_of(self, secret: str) -> str | None:
        """Return the client of a secret; None if it is unknown. Hashes are compared in constant
        time."""
        digest = hash_of(secret)
        found = self._known.get(digest[:_SELECTOR])
        is_same = hmac.compare_digest(digest, b"" if found is None else found.digest)
        return found.client if found is not None and is_same else None


def new_secret() -> str:
    """Return a new secret: 43 characters that fit into a header, a URL, and a shell."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def credential(client: str, secret: str) -> Credential:
    return Credential(client, hash_of(secret), time.strftime("%Y-%m-%d", time.gmtime()))


def read_credentials(path: Path) -> list[Credential]:
    """Read a file of credentials; none where it is missing. Raises ConfigurationError."""
    try:
        mode = path.stat().st_mode
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path}: is not a file of credentials: gateway client add makes one."
        ) from error
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigurationError(
            f"{path}: users other than its owner can write to it, and let anybody in: "
            f"chmod 600 {path}"
        )
    return [
        _credential(path, *line) for line in enumerate(text.splitlines(), 1) if _counts(line[1])
    ]


def _counts(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _credential(path: Path, number: int, line: str) -> Credential:
    found = _LINE.fullmatch(line.strip())
    if found is None:
        # Without the line: somebody may have written a secret into it.
        raise ConfigurationError(
            f"{path}: line {number} is not a credential: remove it, and make one with "
            "gateway client."
        )
    return Credential(found[1], bytes.fromhex(found[2]), found[3])


@contextlib.contextmanager
def changing(path: Path) -> Iterator[list[Credential]]:
    """Yield the content of a file, to be changed; then write it, whole or not at all.

    One at a time: a second caller waits. Raises ConfigurationError.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}.") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        known = read_credentials(path)
        yield known
        _write(path, known)
    finally:
        os.close(folder)


def _write(path: Path, known: Iterable[Credential]) -> None:
    lines = [f"{one.client} sha256:{one.digest.hex()} {one.made}\n" for one in known]
    new = path.with_name(f"{path.name}.new")
    try:
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(file, "w", encoding="utf-8") as opened:
            opened.write(HEAD + "".join(lines))
            opened.flush()
            os.fsync(file)
        new.replace(path)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}.") from error
