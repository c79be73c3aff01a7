"""Secrets: where they are read, and when again; their values appear in no text and no repr."""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigurationError

log = logging.getLogger(__name__)

KINDS = ("env", "file", "credential")
HOW = '"env:NAME", "file:PATH" or "credential:NAME"'
LARGEST = 64 << 10
LOOK = 1.0
"""Seconds between two checks whether a file has changed."""

Stamp = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The context of references: the folder of the settings, and the environment."""

    folder: Path
    environment: Mapping[str, str]
    look: float = LOOK


class Secret:
    """A secret, with the key of the setting that refers to it.

    A secret in a file is read again when the file has changed: a rotation needs no restart.
    """

    def __init__(
        self, key: str, value: str, path: Path | None = None, *, look: float = LOOK
    ) -> None:
        self._key = key
        self._value = value
        self._path = path
        self._changed = changes([path] if path else [], look=look)

    def __repr__(self) -> str:
        return f"Secret({self._key})"

    @property
    def is_exposed(self) -> bool:
        """True if every user of the machine may read its file."""
        return self._path is not None and bool(self._path.stat().st_mode & stat.S_IROTH)

    def value(self) -> str:
        """Return the secret; the last known one, with a warning, if its file is unusable."""
        if self._path is not None and self._changed():
            try:
                self._value = _from_file(self._key, self._path)
            except ConfigurationError as error:
                log.warning("%s The last value is kept.", error)
        return self._value


def is_reference(text: str) -> bool:
    """True for a text in the form of a reference to a secret."""
    kind, _, name = text.partition(":")
    return kind in KINDS and bool(name)


def secret(key: str, reference: str, around: Surroundings) -> Secret:
    """Read the secret of a setting. Raises ConfigurationError, with the cure and never a value."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        return Secret(key, _from_environment(key, name, around.environment))
    path = around.folder / name if kind == "file" else _credential(key, name, around.environment)
    return Secret(key, _from_file(key, path), path, look=around.look)


def changes(
    paths: Sequence[Path], clock: Callable[[], float] = time.monotonic, *, look: float = LOOK
) -> Callable[[], bool]:
    """A function that tells whether files have changed since it was last called.

    It looks every ``look`` seconds at most.
    """
    seen = _stamps(paths)
    looked = clock()

    def changed() -> bool:
        nonlocal seen, looked
        if clock() - looked < look:
            return False
        looked, before, seen = clock(), seen, _stamps(paths)
        return seen != before

    return changed


def _stamps(paths: Sequence[Path]) -> list[Stamp]:
    return [_stamp(path) for path in paths]


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _from_environment(key: str, name: str, environment: Mapping[str, str]) -> str:
    if name not in environment:
        raise ConfigurationError(
            f"{key}: the environment has no variable {name}: set it for this process."
        )
    return _usable(key, environment[name])


def _credential(key: str, name: str, environment: Mapping[str, str]) -> Path:
    """Return the file of a credential that systemd hands over (systemd.exec, Credentials)."""
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if not folder or os.sep in name:
        raise ConfigurationError(
            f"{key}: there is no credential {name}: start this process by systemd, with "
            f"LoadCredential={name}:PATH in its unit."
        )
    return Path(folder) / name


def _from_file(key: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ConfigurationError(f"{key}: its file is too large for a secret: name another.")
        return _usable(key, data.decode("utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"{key}: {path} cannot be read ({error.strerror}): make it, or give access to it."
        ) from error
    except UnicodeDecodeError:
        # The cause would contain the bytes.
        raise ConfigurationError(
            f"{key}: its file is not text in UTF-8: write it in UTF-8."
        ) from None


def _usable(key: str, text: str) -> str:
    """Return a secret without the line break that editors add."""
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ConfigurationError(f"{key}: what it names is empty: write the secret there.")
    if not text.isprintable():
        raise ConfigurationError(
            f"{key}: what it names holds a line break or a control character: "
            "a secret is one line of text."
        )
    return text
