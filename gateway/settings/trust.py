"""Who else can write to the settings: whoever can decides what runs, and for whom."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

ROOT = 0


def writers(path: Path) -> list[str]:
    """Return a sentence, with the cure, for each way in which others may write a settings file."""
    file = path.resolve()
    return [*_of(file), *(_of(file.parent) if not _is_sticky(file.parent) else ())]


def _of(place: Path) -> Iterator[str]:
    told = place.stat()
    what = f"{place} can be written by others"
    why = "who can decide there what is run, and where secrets go"
    if told.st_uid not in (ROOT, os.geteuid()):
        yield f"{what}, {_user(told.st_uid)}, {why}: chown it to root, or to the gateway's user"
    if told.st_mode & stat.S_IWOTH:
        yield f"{what}, all users of this machine, {why}: chmod o-w {place}"
    elif told.st_mode & stat.S_IWGRP and not _is_own_group(told):
        yield f"{what}, the group {_group(told.st_gid)}, {why}: chmod g-w {place}"


def _is_sticky(folder: Path) -> bool:
    """True where only the owner of a file can replace it, as in /tmp."""
    return bool(folder.stat().st_mode & stat.S_ISVTX)


def _is_own_group(told: os.stat_result) -> bool:
    """True where a group is the one that a user has alone, or that of root."""
    try:
        group, user = grp.getgrgid(told.st_gid), pwd.getpwuid(told.st_uid)
    except KeyError:
        return False
    is_alone = set(group.gr_mem) <= {user.pw_name}
    return told.st_gid == ROOT or (group.gr_name == user.pw_name and is_alone)


def _user(uid: int) -> str:
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
