"""An operator's acts on entries of the quarantine, each with its lines in the audit log."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import typer

from gateway import assembly
from gateway.cli.streams import plain
from gateway.errors import EntryGone, QueueUnavailable, Refused
from gateway.message import Message
from gateway.observe.audit.chain import Write, nowhere
from gateway.observe.audit.operator import FAILED, Act, operator
from gateway.queue import AdministeredQueue, Quarantine, Quarantined
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Deed:
    """The act of a command on each entry."""

    name: str
    done: str
    """What the audit log has for its success."""
    do: Callable[[Quarantine, Quarantined], Awaitable[str | None]]
    """Returns the new id, where it makes one. Raises Refused, EntryGone."""
    say: Callable[[Quarantined, str | None], str]
    """Returns what the operator is told."""
    envelope: bytes | None = None
    """What is sent in the place of what is kept."""


@contextlib.asynccontextmanager
async def written_down(settings: Settings, queue: AdministeredQueue) -> AsyncIterator[Write]:
    """Open the operator's own audit log, where there is to be one. Raises ConfigurationError.

    A file that is root's would end the start of a gateway that is not: so each user has one.
    """
    whose = f"operator-{operator().uid}"
    async with assembly.opened_audit(settings, queue, whose) as write:
        yield write


async def do_each(
    quarantine: Quarantine, entries: Sequence[Quarantined], deed: Deed, write: Write
) -> None:
    """Do something with each entry, and say so; one that cannot be done holds up no other.

    Raises QueueUnavailable, also where an act cannot be written down: then it is not done.
    """
    failed = False
    for entry in entries:
        try:
            typer.echo(deed.say(entry, await _do(quarantine, entry, deed, write)))
        except (Refused, EntryGone) as error:
            failed = True
            typer.echo(f"error: {plain(entry.id)}: {error}", err=True)
    if failed:
        raise typer.Exit(1)


async def check_once(quarantine: Quarantine, entry: Quarantined, repeats: assembly.Repeats) -> None:
    """Refuse to send again what may have been carried out, unless it is repeatable.

    Raises Refused, EntryGone, QueueUnavailable.
    """
    if not entry.is_perhaps_done:
        return
    why = repeats.hindrance(await quarantine.read(entry))
    if why:
        raise Refused(
            f"it may have been carried out ({plain(entry.code)}), and {plain(why)}: find out "
            "whether it was; then drop it, or add --perhaps-twice to send it again."
        )


async def _do(quarantine: Quarantine, entry: Quarantined, deed: Deed, write: Write) -> str | None:
    if write is nowhere:
        return await deed.do(quarantine, entry)
    act = Act(write, operator(), deed.name, entry)
    act.begin(await _kept(quarantine, entry), deed.envelope)
    try:
        new_id = await deed.do(quarantine, entry)
    except BaseException:
        with contextlib.suppress(QueueUnavailable):  # that it was begun is there
            act.end(FAILED)
        raise
    act.end(deed.done, new_id)
    return new_id


async def _kept(quarantine: Quarantine, entry: Quarantined) -> Message | None:
    """The content of an entry; None where it cannot be read, which does not hinder a drop."""
    try:
        return await quarantine.read(entry) if entry.is_request else None
    except Refused:
        return None
