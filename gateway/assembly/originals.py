"""The folder for the originals of faults that were rewritten."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.assembly.contracts import files_beside
from gateway.backends.redact.kept_faults import Keep, KeptFaults, kept_nowhere
from gateway.settings import Settings

log = logging.getLogger(__name__)

DAY = 86400.0


def kept_faults(settings: Settings) -> KeptFaults | None:
    """The folder of originals; None where the settings keep none."""
    table = settings.quarantine
    if table.faults is False:
        return None
    beside = files_beside(settings)
    usual = settings.folder / "gateway-faults" if beside is None else beside / "faults"
    folder = settings.folder / table.faults if isinstance(table.faults, str) else usual
    return KeptFaults(folder, DAY * table.days)


def hindrance(folder: Path) -> str:
    """Return why files cannot be kept in a folder, with the cure; empty where they can."""
    place = next(one for one in (folder, *folder.parents) if one.exists())
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        return ""
    what = "cannot be written to" if place.is_dir() else "is not a folder"
    return (
        f"the originals of faults that are rewritten cannot be kept: {place} {what}: set "
        "quarantine.faults to a folder that this user may write to, or to false"
    )


@contextlib.asynccontextmanager
async def keeping_faults(settings: Settings) -> AsyncIterator[Keep]:
    """Keep originals, within the bounds of the settings, until the block ends."""
    kept = kept_faults(settings)
    if kept is None:
        yield kept_nowhere
        return
    if why := hindrance(kept.folder):
        log.warning("%s", why)
    tending = asyncio.create_task(kept.tend())
    try:
        yield kept.keep
    finally:
        tending.cancel()
        await asyncio.wait([tending])
