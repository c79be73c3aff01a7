"""The corpus of attacks: ``tests/attacks``, whose README says how its files are written."""

from __future__ import annotations

import gzip
import json
import random
import re
from dataclasses import dataclass
from typing import Any

import wsse
from deployment import ROOT

CORPUS = ROOT / "tests" / "attacks"
SECURED = "secured"
"""The service that asks its callers for WS-Security; else it is the warehouse."""
_REPEATED = re.compile(rb"@@(\d+)\*(.*?)@@", re.DOTALL)
_NOISE = 600_000
"""Bytes of noise in the place of ``@@noise@@``, written as twice as many hexadecimal digits."""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """A message that should not pass, and what should become of it."""

    file: str
    attack: str
    verdict: str
    """Codes of its fault, by ``|``; ``passes`` for what is harmless, and reaches the service."""
    reason: str = ""
    """The reason code that its operator sees; empty for what passes."""
    says: str = ""
    """Words of the fault's text, a regular expression."""
    seen: str = ""
    """Where the attack is known from."""
    service: str = "warehouse"
    content_type: str = "text/xml; charset=utf-8"
    soap_action: str = ""
    encode: str = "utf-8"
    gzip: int = 0
    """How many times it is packed."""
    content_encoding: str = ""
    queue_only: bool = False
    """No HTTP library sends it."""
    why: str = ""
    """What the operator is told of the cause, a regular expression: the caller is not."""
    age: float = 0.0
    """How many seconds ago it was made, where it is signed."""
    twice: bool = False
    """It passes, and is an attack when it comes again."""

    @property
    def body(self) -> bytes:
        data = _REPEATED.sub(_repeated, (CORPUS / self.file).read_bytes())
        noise = random.Random(7).randbytes(_NOISE).hex().encode() if b"@@noise@@" in data else b""
        data = data.replace(b"@@noise@@", noise)
        if self.service == SECURED:
            data = wsse.made(data, self.age)
        if self.encode != "utf-8":
            data = data.decode().encode(self.encode)
        for _ in range(self.gzip):
            data = gzip.compress(data, mtime=0)
        return data

    @property
    def encoding(self) -> str:
        """The content encoding that goes with it."""
        return self.content_encoding or ("gzip" if self.gzip else "")


def _repeated(match: re.Match[bytes]) -> bytes:
    times, text = int(match[1]), match[2]
    if b"#" not in text.replace(b'"#1"', b""):
        return text * times
    return b"".join(text.replace(b"#", b"%d" % n) for n in range(times))


def read() -> list[Attack]:
    """Return all attacks, by the table beside them."""
    table: list[dict[str, Any]] = json.loads((CORPUS / "verdicts.json").read_text("utf-8"))
    return [Attack(**row) for row in table]


def files() -> set[str]:
    """Return the names of the files that are messages."""
    return {path.name for path in CORPUS.iterdir() if path.suffix in (".xml", ".mime")}


ALL = read()
INNOCENT = next(one for one in ALL if one.file == "innocent.xml")
