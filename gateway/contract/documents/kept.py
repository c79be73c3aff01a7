"""Contracts read from a web server are kept, for the day when that server is down."""

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
    """Where copies of a contract's documents are kept, and which service they are of."""

    folder: Path
    service: str


def keeping(read: Read, copies: Copies) -> Read:
    """Return a reader that keeps a copy of what it read, and falls back on it.

    A gateway must start while the service behind it is down: that is what the queue is for.
    """

    def read_or_recall(location: str) -> bytes:
        copy = copies.folder / hashlib.sha256(location.encode()).hexdigest()
        try:
            data = read(location)
        except ContractError:
            if not copy.is_file():
                raise
            # Without the error, which says where it is: gateway check tells that.
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
