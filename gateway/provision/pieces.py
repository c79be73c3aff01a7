"""A plan: each piece of what must be there, looked at, and then made or left as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.errors import ConfigurationError
from gateway.provision.connection import Unsupported


class Action(StrEnum):
    """What is done with a piece."""

    CREATE = "create"
    CHANGE = "change"
    KEEP = "keep"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One thing that must be there."""

    subject: str
    text: str
    read: Callable[[], Any]
    """Returns what is there; None for nothing."""
    merge: Callable[[Any], Any]
    """Returns what must be there, given what is: an equal value where all is well."""
    write: Callable[[Any], None]
    skipped: str = ""
    """Why it is left out; empty where it is not."""
    is_needed: bool = False
    """Whether nothing works without it: then a store that lacks it is an error."""


@dataclass(frozen=True, slots=True)
class Step:
    """A piece, and what is to be done with it."""

    piece: Piece
    action: Action
    text: str

    @property
    def is_change(self) -> bool:
        return self.action in (Action.CREATE, Action.CHANGE)


def look(pieces: Sequence[Piece]) -> list[Step]:
    """Compare what is there with what must be; nothing is changed. Raises ConfigurationError."""
    return [_look(piece) for piece in pieces]


def _look(piece: Piece) -> Step:
    if piece.skipped:
        return Step(piece, Action.SKIP, piece.skipped)
    try:
        found = piece.read()
    except Unsupported as error:
        return _skipped(piece, error)
    if found is not None and piece.merge(found) == found:
        return Step(piece, Action.KEEP, piece.text)
    return Step(piece, Action.CREATE if found is None else Action.CHANGE, piece.text)


def carry_out(step: Step) -> Step:
    """Do a step; return what became of it. Raises ConfigurationError.

    What is there is read again: an earlier step, or somebody else, may have changed it.
    """
    if not step.is_change:
        return step
    piece = step.piece
    try:
        found = piece.read()
        wanted = piece.merge(found)
        if found is None or wanted != found:
            piece.write(wanted)
    except Unsupported as error:
        return _skipped(piece, error)
    return step


def _skipped(piece: Piece, error: Unsupported) -> Step:
    if piece.is_needed:
        raise ConfigurationError(f"{piece.subject}: this store cannot make it: {error}.") from error
    return Step(piece, Action.SKIP, f"this store does not have it: skipped ({error})")
