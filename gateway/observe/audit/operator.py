"""An operator's actions on the quarantine: recorded before they are done, and after."""

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
"""The kernel's value where nobody logged in: in a container, or in a job of the system's."""


@dataclass(frozen=True, slots=True)
class Operator:
    """The user who runs a command, by the system; environment variables are not used."""

    name: str
    uid: int
    login: str | None = None
    """The user who had logged in, if that is another one: by sudo, or by su."""


def operator(login: Path = _LOGIN) -> Operator:
    """Return the user of this process; ``login`` is the kernel's file with the login's user id."""
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
    """The two lines about an action on an entry: that it begins, and how it ended.

    A crash in between leaves the first alone, but never an action without a line.
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
        """Record that it begins; ``kept`` is the entry's message, ``sent`` what replaces its body.

        Raises QueueUnavailable: then nothing may be done.
        """
        self._values = {
            **self._values,
            "sha256": None if kept is None else hashlib.sha256(kept.body).hexdigest(),
            "sent_sha256": None if sent is None else hashlib.sha256(sent).hexdigest(),
        }
        self._write({**self._values, "verdict": BEGUN})

    def end(self, verdict: str, new_id: str | None = None) -> None:
        """Record how it ended. Raises QueueUnavailable."""
        self._write({**self._values, "verdict": verdict, "new_id": new_id})
