"""Copies of contracts read from a web server, for when that server is down."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from gateway.contract.documents.reader import Read
from gateway.errors import ContractError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Copies:
    """The folder for copies of a contract's documents, and the name of its service."""

    folder: Path
    service: str


def keeping(read: Read, copies: Copies) -> Read:
    """Return a reader that keeps a copy of each document, and falls back on it.

    A gateway must be able to start while the service is down: that is what the queue is for.
    """

    def read_or_recall(location: str) -> bytes:
        copy = copies.folder / hashlib.sha256(location.encode()).hexdigest()
        try:
            data = read(location)
        except ContractError:
            if not copy.is_file():
                raise
            # Without the error, which names the server: gateway check shows it.
            log.warning(
                "%s: the server of its contract does not answer; using the copy of its last answer",
                copies.service,
            )
            return copy.read_bytes()
        _keep(data, copy)
        return data

    return read_or_recall


def _keep(data: bytes, copy: Path) -> None:
    unseen = copy.with_name(f".{copy.name}.{os.getpid()}")
    try:
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unseen.write_bytes(data)
        unseen.rename(copy)  # whole, or not at all
    except OSError as error:
        log.warning("no copy of a contract can be kept: %s", error)
