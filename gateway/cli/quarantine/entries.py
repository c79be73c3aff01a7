"""The entries of a quarantine, as the command chooses and shows them."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.cli.streams import plain
from gateway.errors import ConfigurationError, EntryGone, QueueUnavailable, Refused
from gateway.limits import Limits
from gateway.message import Message, to_properties
from gateway.queue import Quarantine, Quarantined
from gateway.serving.intake import unpacked
from gateway.soap.envelope import parse
from gateway.soap.jms import is_packed

_AGE = re.compile(r"(\d{1,9})(s|min|h|d)")
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
HEAD = ("ID", "SINCE", "CLIENT", "SERVICE", "OPERATION", "BYTES", "REASON")
NONE = "nothing is in quarantine"
EXPIRES = "gateway-expires"
"""The property of a message that is a time, in seconds since the epoch."""
LOOKED_INTO = 256 << 10
"""Bytes of an entry that is still read to tell its operation; of a packed one, unpacked too."""
AT_ONCE = 20


def seconds(age: str) -> float:
    """Return an age as a person writes it, in seconds. Raises ConfigurationError."""
    found = _AGE.fullmatch(age)
    if found is None:
        raise ConfigurationError(
            f"--older-than: {age!r} is not an age: write 90s, 15min, 12h or 7d."
        )
    return float(found[1]) * _UNITS[found[2]]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are wanted; what is empty asks for nothing."""

    service: str = ""
    client: str = ""
    reason: str = ""
    age: float | None = None

    def __call__(self, entry: Quarantined, now: float) -> bool:
        """True where an entry is wanted, at a time by the queue's clock."""
        is_old = self.age is None or (entry.since is not None and now - entry.since > self.age)
        return (
            self.service in ("", entry.service)
            and self.client in ("", entry.sender)
            and self.reason.casefold() in entry.reason.casefold()
            and is_old
        )


async def chosen(
    quarantine: Quarantine, ids: Sequence[str] | None, client: str
) -> list[Quarantined]:
    """Return the entries of ids, in their order; of None, all. Before anything is done to one.

    Raises ConfigurationError where an id has no entry, or several clients have one of it.
    """
    # One id is asked for alone, which some queues answer faster; more are picked out of all.
    sought = ids[0] if ids is not None and len(ids) == 1 else ""
    found: dict[str, list[Quarantined]] = {}
    async for entry in quarantine.entries(sought):
        if client in ("", entry.sender):
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
        clients = ", ".join(sorted(plain(entry.sender) for entry in entries))
        raise ConfigurationError(
            f"{plain(id)} is an id that several clients have ({clients}): name one with --client."
        )
    return entries[0]


async def operations(quarantine: Quarantine, entries: Sequence[Quarantined]) -> list[str]:
    """The operation of each entry; empty for a large entry, or one that names none.

    It is the name of the element in the Body, which is the operation's in most contracts.
    """
    found: list[str] = []
    for at in range(0, len(entries), AT_ONCE):
        asked = (_operation(quarantine, one) for one in entries[at : at + AT_ONCE])
        found += await asyncio.gather(*asked)
    return found


async def _operation(quarantine: Quarantine, entry: Quarantined) -> str:
    if not entry.is_request or entry.size > LOOKED_INTO:
        return ""
    try:
        return operation_of(await quarantine.read(entry))
    except (Refused, EntryGone, QueueUnavailable):  # of one body: the entries are known already
        return ""


def operation_of(message: Message) -> str:
    """Return the local name of the element in the Body of a request; empty where there is none."""
    try:
        if is_packed(message.content_encoding):
            message = unpacked(message, Limits(request=LOOKED_INTO))
        payload = parse(message).payload
    except Refused:
        return ""
    return "" if payload is None else str(payload.tag).rpartition("}")[2]


@dataclass(frozen=True, slots=True)
class Shown:
    """How entries are shown: to a program as JSON, to a person as text."""

    as_json: bool

    def lines(
        self, entries: Sequence[Quarantined], asked: Sequence[str], count: int
    ) -> Iterator[str]:
        """Yield the lines of a list; ``asked`` has the operation of each entry.

        ``count`` is how many entries there are, wanted or not.
        """
        each = list(zip(entries, asked, strict=True))
        if self.as_json:
            yield from (json.dumps(_values(*one)) for one in each)
            return
        if not entries:
            yield _none_of(count)
            return
        rows = [HEAD, *(_cells(*one) for one in each)]
        widths = [max(len(row[n]) for row in rows) for n in range(len(HEAD) - 1)]
        for row in rows:
            yield "  ".join(
                [*(f"{cell:{n}}" for cell, n in zip(row, widths, strict=False)), row[-1]]
            )

    def whole(self, entry: Quarantined, message: Message) -> str:
        """Return all about an entry but its content."""
        values, properties = _values(entry, operation_of(message)), to_properties(message)
        if self.as_json:
            return json.dumps({**values, "properties": properties})
        if message.expires is not None:
            properties[EXPIRES] = moment(message.expires) or ""
        return "\n".join(
            f"{name:24}{plain(str(value))}"
            for name, value in {**values, **properties}.items()
            if value not in ("", None)
        )


def _none_of(count: int) -> str:
    if count == 0:
        return NONE
    whole = "the one entry" if count == 1 else f"none of the {count} entries"
    return (
        f"{whole} in quarantine {'does not match' if count == 1 else 'matches'} what was asked for"
    )


def _values(entry: Quarantined, operation: str) -> dict[str, object]:
    return {
        "id": entry.id,
        "client": entry.sender,
        "service": entry.service,
        "operation": operation,
        "code": entry.code,
        "reason": entry.reason,
        "since": moment(entry.since),
        "size": entry.size,
        "is_request": entry.is_request,
        "sent_again": entry.sent_again,
    }


def moment(since: float | None) -> str | None:
    """Return a time, in seconds since the epoch, as ISO 8601 has it."""
    if since is None:
        return None
    try:
        told = datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds")
    except (OverflowError, OSError, ValueError):  # of a stranger's message: the year 30000
        return str(since)
    return told.replace("+00:00", "Z")


def _cells(entry: Quarantined, operation: str) -> tuple[str, ...]:
    since = "?" if entry.since is None else time.strftime("%F %T", time.localtime(entry.since))
    return (
        plain(entry.id),
        since,
        plain(entry.sender) or "?",
        plain(entry.service) or "-",
        plain(operation) or "-",
        str(entry.size),
        plain(entry.reason),
    )
