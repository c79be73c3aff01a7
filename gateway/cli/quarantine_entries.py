"""The entries of a quarantine, as the command chooses and shows them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from gateway.errors import ConfigurationError
from gateway.message import Message, to_properties
from gateway.queue import Quarantine, Quarantined

_AGE = re.compile(r"(\d{1,9})(s|min|h|d)")
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
HEAD = ("ID", "SINCE", "CLIENT", "SERVICE", "BYTES", "REASON")
NONE = "nothing is in quarantine"


def seconds(age: str) -> float:
    """Return an age as a person writes it, in seconds. Raises ConfigurationError."""
    found = _AGE.fullmatch(age)
    if found is None:
        raise ConfigurationError(f"--older-than: {age!r} is no age: write 90s, 15min, 12h or 7d.")
    return float(found[1]) * _UNITS[found[2]]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are wanted; what is empty asks for nothing."""

    service: str = ""
    sender: str = ""
    reason: str = ""
    age: float | None = None

    def __call__(self, entry: Quarantined, now: float) -> bool:
        """Tell whether an entry is wanted, at a time by the queue's clock."""
        is_old = self.age is None or (entry.since is not None and now - entry.since > self.age)
        return (
            self.service in ("", entry.service)
            and self.sender in ("", entry.sender)
            and self.reason.casefold() in entry.reason.casefold()
            and is_old
        )


async def chosen(
    quarantine: Quarantine, ids: Sequence[str] | None, sender: str
) -> list[Quarantined]:
    """Return the entries of ids, in their order; of None, all. Before anything is done to one.

    Raises ConfigurationError where an id has no entry, or several clients have one of it.
    """
    # One id is asked for alone, which some queues answer faster; more are picked out of all.
    sought = ids[0] if ids is not None and len(ids) == 1 else ""
    found: dict[str, list[Quarantined]] = {}
    async for entry in quarantine.entries(sought):
        if sender in ("", entry.sender):
            found.setdefault(entry.id, []).append(entry)
    if ids is None:
        return [entry for entries in found.values() for entry in entries]
    return [_only(id, found.get(id, [])) for id in ids]


def _only(id: str, entries: Sequence[Quarantined]) -> Quarantined:
    if not entries:
        raise ConfigurationError(
            f"{plain(id)} is not in quarantine: gateway quarantine list shows what is."
        )
    if len(entries) > 1:
        senders = ", ".join(sorted(plain(entry.sender) for entry in entries))
        raise ConfigurationError(
            f"{plain(id)} is an id of several clients ({senders}): name one with --sender."
        )
    return entries[0]


@dataclass(frozen=True, slots=True)
class Shown:
    """How entries are shown: to a program as JSON, to a person as text."""

    as_json: bool

    def lines(self, entries: Sequence[Quarantined]) -> Iterator[str]:
        """Yield the lines of a list."""
        if self.as_json:
            yield from (json.dumps(_values(entry)) for entry in entries)
            return
        if not entries:
            yield NONE
            return
        rows = [HEAD, *(_cells(entry) for entry in entries)]
        widths = [max(len(row[n]) for row in rows) for n in range(len(HEAD) - 1)]
        for row in rows:
            yield "  ".join(
                [*(f"{cell:{n}}" for cell, n in zip(row, widths, strict=False)), row[-1]]
            )

    def whole(self, entry: Quarantined, message: Message) -> str:
        """Return all about an entry but its content."""
        values = {**_values(entry), "properties": to_properties(message)}
        if self.as_json:
            return json.dumps(values)
        lines = {**values, **to_properties(message)}
        del lines["properties"]
        return "\n".join(
            f"{name:24}{plain(str(value))}"
            for name, value in lines.items()
            if value not in ("", None)
        )


def _values(entry: Quarantined) -> dict[str, object]:
    values = {name: value for name, value in asdict(entry).items() if name != "place"}
    return {**values, "code": entry.code, "since": _moment(entry.since)}


def _moment(since: float | None) -> str | None:
    if since is None:
        return None
    return datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _cells(entry: Quarantined) -> tuple[str, ...]:
    since = "?" if entry.since is None else time.strftime("%F %T", time.localtime(entry.since))
    return (
        plain(entry.id),
        since,
        plain(entry.sender) or "?",
        plain(entry.service) or "-",
        str(entry.size),
        plain(entry.reason),
    )


def plain(text: str) -> str:
    """Return a text of strangers as a terminal may show it: control characters are written out."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
