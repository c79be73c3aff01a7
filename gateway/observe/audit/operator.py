"""What an operator does to what is in quarantine: written down before it is done, and after."""

from __future__ import annotations

import hashlib
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from gateway.message import Message
from gateway.observe.audit.chain import Values, Write
from gateway.queue import Quarantined

BEGUN, FAILED = "begun", "failed"
_LOGIN = Path("/proc/self/loginuid")
_UNSET = (1 << 32) - 1
"""What the kernel has where nobody logged in: in a container, or in a job of the system's."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs a command, as the system knows it: no variable of the environment is asked."""

    name: str
    uid: int
    login: str | None = None
    """Who had logged in, where that is another one: by sudo, or by su."""


def operator(login: Path = _LOGIN) -> Operator:
    """Return whose process this is; ``login`` is the file where the kernel says who logged in."""
    uid, first = os.getuid(), _login(login)
    if first is None or first == uid:
        return Operator(_name(uid), uid)
    return Operator(_name(uid), uid, _name(first))


def _login(path: Path) -> int | None:
    try:
        uid = int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None
    return None if uid == _UNSET else uid


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class Act:
    """The lines of one act on one entry: that it is begun, and how it ended.

    A crash in between leaves the first alone, and never an act without a line.
    """

    def __init__(self, write: Write, who: Operator, name: str, entry: Quarantined) -> None:
        """``name`` is the command's."""
        self._write = write
        self._values: Values = {
            "event": "operator",
            "operator": who.name,
            "uid": who.uid,
            "login": who.login,
            "act": name,
            "client": entry.sender,
            "service": entry.service,
            "id": entry.id,
            "size": entry.size,
            "code": entry.code,
        }

    def begin(self, kept: Message | None, sent: bytes | None) -> None:
        """Say that it is begun; ``kept`` is what the entry holds, ``sent`` what goes in its place.

        Raises QueueUnavailable: then nothing is to be done.
        """
        self._values = {
            **self._values,
            "sha256": None if kept is None else hashlib.sha256(kept.body).hexdigest(),
            "sent_sha256": None if sent is None else hashlib.sha256(sent).hexdigest(),
        }
        self._write({**self._values, "verdict": BEGUN})

    def end(self, verdict: str, new_id: str | None = None) -> None:
        """Say how it ended. Raises QueueUnavailable."""
        self._write({**self._values, "verdict": verdict, "new_id": new_id})
