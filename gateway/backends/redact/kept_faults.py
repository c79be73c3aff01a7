"""The originals of rewritten faults, kept for the operator alone.

In files of this user, never in the log, which more people read.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway.message import Clock, is_id

log = logging.getLogger(__name__)

MOST = 1000
"""Faults that are kept, about: each process tidies up after EVERY faults."""
EVERY = 100
LONGEST = 64 << 10
"""Bytes of a fault that are kept: a stack trace begins within them."""
TIDYING = 3600.0
"""Seconds between two removals of old files, at most."""
TORN = 600.0
"""Seconds after which an unfinished file is abandoned."""
_CLIENT = re.compile(r"[A-Za-z0-9_-]{0,64}")
_UNSEEN = re.compile(r"\.[0-9a-f]{16}")
_BEGIN = b'{"id": "'
"""The beginning of each file: a file with another one is not ours, whatever its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A fault as the service sent it, and the call that it answered."""

    id: str
    client: str
    service: str
    operation: str
    since: float
    """When it came, in seconds since the epoch by this machine's clock."""
    rewritten: tuple[str, ...]
    """The parts that its caller did not get."""
    content_type: str
    size: int
    """Bytes of the whole envelope."""
    body: bytes
    """The envelope; up to LONGEST bytes of it are kept."""


Keep = Callable[[Original], bool]
"""Keeps an original; tells whether the operator can find it."""


def kept_nowhere(original: Original) -> bool:
    """Keep nothing."""
    return False


class KeptFaults:
    """A folder of originals, in files that only this user can read; the oldest are removed."""

    def __init__(self, folder: Path, age: float, clock: Clock = time.time) -> None:
        """``age`` is in seconds: older originals are removed."""
        self.folder = folder
        self._age = age
        self._clock = clock
        self._written = 0
        self._must_tidy = asyncio.Event()
        self._is_failing = False

    def keep(self, original: Original) -> bool:
        """Keep an original; tell whether it is kept. A failure is logged once.

        Blocks while a file of up to about LONGEST bytes is written, without a sync: the caller's
        fault says whether the original is there.
        """
        if not _is_name(original.id, original.client):
            return False
        try:
            self._write(original)
        except OSError as error:
            if not self._is_failing:
                log.error("originals of faults cannot be kept now: %s", error.strerror)
            self._is_failing = True
            return False
        self._is_failing = False
        self._written += 1
        if self._written % EVERY == 0:
            self._must_tidy.set()
        return True

    def _write(self, original: Original) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unseen = self.folder / f".{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            with open(os.open(unseen, flags, 0o600), "w", encoding="utf-8") as file:
                json.dump(_values(original), file)
            unseen.rename(self.folder / f"{original.id}.{original.client}")  # whole, or not at all
        except OSError:
            unseen.unlink(missing_ok=True)
            raise

    def find(self, id: str) -> list[Original]:
        """Return the originals under an id: clients may have the same one. Raises OSError."""
        if not is_id(id):
            return []
        try:
            names = sorted(one for one in os.listdir(self.folder) if one.startswith(f"{id}."))
        except FileNotFoundError:
            return []
        found = [_read(self.folder / name) for name in names]
        oldest = self._clock() - self._age
        return [one for one in found if one is not None and one.since >= oldest]

    async def tend(self) -> None:
        """Remove old and surplus files periodically, until cancelled."""
        while True:
            self._must_tidy.clear()
            await asyncio.to_thread(self.tidy)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TIDYING):
                    await self._must_tidy.wait()

    def tidy(self) -> None:
        """Remove old and surplus files, the oldest first, but only files of this class.

        Others may keep their files in the same folder.
        """
        now = self._clock()
        for n, (written, path) in enumerate(sorted(_written(self.folder), reverse=True)):
            age = TORN if _UNSEEN.fullmatch(path.name) else self._age
            if n >= MOST or now - written > age:
                with contextlib.suppress(OSError):  # gone already, or not removable: go on
                    _remove(path)


def _written(folder: Path) -> list[tuple[float, Path]]:
    """Return the files with a name of ours, and when each was written."""
    found: list[tuple[float, Path]] = []
    try:
        ours = [one for one in folder.iterdir() if _is_ours(one.name)]
    except OSError:  # there may be no folder yet
        return []
    for path in ours:
        with contextlib.suppress(OSError):  # another process removes them too
            found.append((path.lstat().st_mtime, path))
    return found


def _remove(path: Path) -> None:
    """Remove a file if it begins like ours. Raises OSError."""
    with path.open("rb") as file:
        begin = file.read(len(_BEGIN))
    if _BEGIN.startswith(begin):  # an unfinished one may have less of it
        path.unlink()


def _is_ours(name: str) -> bool:
    """Tell by its name whether a file may be ours."""
    id, dot, client = name.partition(".")
    return _UNSEEN.fullmatch(name) is not None or (bool(dot) and _is_name(id, client))


def _is_name(id: str, client: str) -> bool:
    """Tell whether an id and a client can form a file's name; the client may be empty."""
    return is_id(id) and _CLIENT.fullmatch(client) is not None


def _values(original: Original) -> dict[str, Any]:
    body = base64.b64encode(original.body[:LONGEST]).decode()
    return {**asdict(original), "body": body}


def _read(path: Path) -> Original | None:
    """Return the original in a file; None if it is gone, or not ours."""
    try:
        values = json.loads(path.read_bytes())
        body, rewritten = base64.b64decode(values["body"]), tuple(values["rewritten"])
        return Original(**{**values, "body": body, "rewritten": rewritten})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
