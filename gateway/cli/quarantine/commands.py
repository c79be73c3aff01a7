"""``gateway quarantine``: what was refused or failed: look at it, send it again, drop it."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from gateway import assembly
from gateway.cli import streams
from gateway.cli.quarantine.acts import Deed, check_once, do_each, written_down
from gateway.cli.quarantine.entries import Filter, Shown, chosen, operations, seconds
from gateway.cli.running import ConfigOption, run
from gateway.cli.streams import plain
from gateway.errors import ConfigurationError
from gateway.queue import Quarantine, Quarantined
from gateway.settings import Settings, read

DEFAULT = Path("gateway.toml")

app = typer.Typer(
    help="Requests that were refused or failed: look at them, send them again, drop them.",
    no_args_is_help=True,
)

IdArgument = Annotated[str, typer.Argument(help="The id of an entry.", metavar="ID")]
IdsArgument = Annotated[list[str] | None, typer.Argument(help="The ids.", metavar="ID...")]
ClientOption = Annotated[str, typer.Option(help="Of this client only.")]
SenderOption = Annotated[str, typer.Option(hidden=True, help="The former name of --client.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Show one line of JSON for each.")]


@app.command("list")
def list_entries(
    service: Annotated[str, typer.Option(help="Only requests for this service.")] = "",
    client: ClientOption = "",
    sender: SenderOption = "",
    reason: Annotated[str, typer.Option(help="Only where the reason contains this.")] = "",
    older_than: Annotated[str, typer.Option(help="As in 90s, 15min, 12h, 7d.")] = "",
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT,
) -> None:
    """Show what is in quarantine, a line for each entry."""
    wanted = Filter(service, client or sender, reason, seconds(older_than) if older_than else None)

    async def look(quarantine: Quarantine, now: float) -> None:
        every = [one async for one in quarantine.entries()]
        found = [one for one in every if wanted(one, now)]
        asked = await operations(quarantine, found)
        for line in Shown(as_json).lines(found, asked, len(every)):
            typer.echo(line)

    _with_quarantine(read(config), look)


@app.command()
def show(
    id: IdArgument,
    body: Annotated[
        str, typer.Option(help="Write the envelope to this file; - is standard output.")
    ] = "",
    client: ClientOption = "",
    sender: SenderOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT,
) -> None:
    """Show all about an entry but its content; or write its content, byte by byte."""

    async def look(quarantine: Quarantine, now: float) -> None:
        (entry,) = await chosen(quarantine, [id], client or sender)
        message = await quarantine.read(entry)
        if body:
            streams.write_body(message.body, body)
        else:
            typer.echo(Shown(as_json).whole(entry, message))

    _with_quarantine(read(config), look)


@app.command("send-again")
def send_again(
    ids: IdsArgument = None,
    envelope: Annotated[
        Path | None, typer.Option(help="Send this file, a repaired envelope, in its place.")
    ] = None,
    perhaps_twice: Annotated[
        bool,
        typer.Option(
            "--perhaps-twice",
            help="Also requests that may have been carried out, and are not repeatable.",
        ),
    ] = False,
    client: ClientOption = "",
    sender: SenderOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT,
) -> None:
    """Send requests again, each under a new id; the old fault stands.

    What may have been carried out, and is not repeatable, stays where it is, and is told.
    """
    settings = read(config)
    repeats = assembly.Repeats(settings)
    wanted = _named(ids)
    repaired = None if envelope is None else _repaired(envelope, wanted, settings)

    async def send(quarantine: Quarantine, entry: Quarantined) -> str:
        if not perhaps_twice:
            await check_once(quarantine, entry, repeats)
        return await quarantine.send_again(entry, repaired, settings.lifetime)

    def say(entry: Quarantined, new: str | None) -> str:
        told = {"id": entry.id, "client": entry.sender, "sent_again": new}
        return json.dumps(told) if as_json else f"{plain(entry.id)} sent again as {new}"

    async def choose(quarantine: Quarantine) -> list[Quarantined]:
        return await chosen(quarantine, wanted, client or sender)

    _do_with_each(settings, choose, Deed("send-again", "sent-again", send, say, repaired))


@app.command()
def drop(
    ids: IdsArgument = None,
    all_: Annotated[bool, typer.Option("--all", help="Every entry.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    client: ClientOption = "",
    sender: SenderOption = "",
    config: ConfigOption = DEFAULT,
) -> None:
    """Remove entries for good."""
    if all_ == bool(ids):
        raise ConfigurationError("name the ids to drop, or all of them with --all.")

    async def remove(quarantine: Quarantine, entry: Quarantined) -> None:
        await quarantine.drop(entry)

    def say(entry: Quarantined, _: str | None) -> str:
        return f"{plain(entry.id)} dropped"

    async def choose(quarantine: Quarantine) -> list[Quarantined]:
        found = await chosen(quarantine, None if all_ else _named(ids), client or sender)
        if found and not yes:
            _ask(len(found))
        return found

    _do_with_each(read(config), choose, Deed("drop", "dropped", remove, say))


def _with_quarantine(
    settings: Settings, do: Callable[[Quarantine, float], Awaitable[None]]
) -> None:
    """Do something with the quarantine; it is told what time it is by the queue's clock."""

    async def main() -> None:
        async with assembly.opened_queue(settings) as queue:
            await do(queue.quarantine, queue.clock())

    run(main())


def _do_with_each(
    settings: Settings,
    choose: Callable[[Quarantine], Awaitable[Sequence[Quarantined]]],
    deed: Deed,
) -> None:
    """Do something with each entry that is chosen, and write it into the audit log."""

    async def main() -> None:
        async with assembly.opened_queue(settings) as queue:
            entries = await choose(queue.quarantine)
            if entries:
                async with written_down(settings, queue) as write:
                    await do_each(queue.quarantine, entries, deed, write)

    run(main())


def _named(ids: Sequence[str] | None) -> list[str]:
    if not ids:
        raise ConfigurationError("name the ids of entries: gateway quarantine list shows them.")
    return list(dict.fromkeys(ids))


def _repaired(path: Path, ids: Sequence[str], settings: Settings) -> bytes:
    """Read the envelope that takes the place of a request's."""
    if len(ids) != 1:
        raise ConfigurationError("--envelope takes the place of one request: name one id.")
    try:
        envelope = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"--envelope: {path} cannot be read: {error.strerror}.") from error
    if not envelope.strip():
        raise ConfigurationError(f"--envelope: {path} is empty.")
    if len(envelope) > settings.limits.request:
        raise ConfigurationError(
            f"--envelope: {path} has {len(envelope)} bytes, and limits.request accepts "
            f"{settings.limits.request}."
        )
    return envelope


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError("there is no terminal to ask on: add --yes to drop them.")
    what = "this entry" if count == 1 else f"these {count} entries"
    typer.confirm(f"Remove {what} for good?", abort=True)
