"""Finds where the chains of an audit log break, and says so in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError
from gateway.observe.audit.chain import Link, hashed, parsed


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """A finding at a line of a file; ``is_break`` unless it is for information only."""

    path: Path
    line: int
    text: str
    is_break: bool = True


@dataclass
class Verification:
    """The result of reading files. ``wanted`` is the hash of a line that should be in them."""

    wanted: str = ""
    findings: list[AuditFinding] = field(default_factory=list)
    lines: int = 0
    chains: dict[str, Link] = field(default_factory=dict)
    """The last line of each chain."""
    is_wanted_here: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether no chain breaks, and the wanted line is there."""
        is_here = self.is_wanted_here or not self.wanted
        return is_here and not any(one.is_break for one in self.findings)


def verify(paths: Sequence[Path], wanted: str = "") -> Verification:
    """Read files, the parts of a chain in their order. Raises ConfigurationError."""
    found = Verification(wanted)
    for path in paths:
        _File(path, found).read()
    return found


class _File:
    """One file, as it is read line by line."""

    def __init__(self, path: Path, found: Verification) -> None:
        self._path = path
        self._found = found
        self._torn: list[tuple[int, bytes]] = []
        """Unreadable lines, until the next readable one, which may account for them."""
        self._last: Link | None = None
        self._event = ""

    def read(self) -> None:
        number = 0
        for number, line in enumerate(_lines(self._path), 1):
            self._found.lines += 1
            said = parsed(line) if line.endswith(b"\n") else None
            if said is None:
                self._torn.append((number, line.removesuffix(b"\n")))
            else:
                self._judge_torn(said)
                if self._follows(number, said):
                    self._take(said, hashed(line.removesuffix(b"\n")))
        self._end(number)

    def _take(self, said: dict[str, Any], hash: str) -> None:
        self._last = Link(said["chain"], said["n"], hash)
        self._event = said["event"]
        self._found.chains[said["chain"]] = self._last
        self._found.is_wanted_here |= hash == self._found.wanted

    def _judge_torn(self, said: dict[str, Any]) -> None:
        """Judge unreadable lines by the readable one that follows them."""
        is_known = bool(self._torn) and said.get("torn_sha256") == hashed(self._torn[-1][1])
        for number, _ in self._torn:
            if is_known:
                self._tell(number, "was not written whole, as the next line says", is_break=False)
            else:
                self._tell(number, "is no line of an audit log: it was changed, or cut off")
        self._torn.clear()

    def _follows(self, number: int, said: dict[str, Any]) -> bool:
        """Judge whether a line follows the one before it; tell whether the next may follow it."""
        chain, n = said["chain"], said["n"]
        if self._last is not None and chain != self._last.chain and said["event"] != "continued":
            self._tell(number, "begins another chain: what was here is gone")
        last = self._found.chains.get(chain)
        if last is not None:
            broken = _broken(last, n, said["prev"])
            if broken:
                self._tell(number, broken)
        elif n > 1:
            text = f"is number {n} of its chain: what is before it is not in these files"
            self._tell(number, text, is_break=False)
        return last is None or n > last.number

    def _end(self, number: int) -> None:
        for line, _ in self._torn:
            text = "is no whole line, and nothing follows it: it was cut off, or changed"
            self._tell(line, text)
        if self._event not in ("stop", "") and not self._torn:
            text = "is the last, and no stop: its process runs, was killed, or the end is cut off"
            self._tell(number, text, is_break=False)

    def _tell(self, line: int, text: str, *, is_break: bool = True) -> None:
        self._found.findings.append(AuditFinding(self._path, line, text, is_break))


def _broken(last: Link, n: int, prev: str) -> str:
    """Return why a line does not follow another; empty where it does."""
    if n > last.number + 1:
        first = last.number + 1
        lost = f"number {first} was" if first == n - 1 else f"numbers {first} to {n - 1} were"
        return f"is number {n}, after {last.number}: {lost} removed"
    if n <= last.number:
        return f"is number {n}, after {last.number}: it was inserted, or moved"
    if prev != last.hash:
        return f"does not carry the hash of the line before it: number {last.number} was changed"
    return ""


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
