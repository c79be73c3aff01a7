"""A plan of pieces: what is looked at, made, kept, and skipped."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.provision.connection import Unsupported
from gateway.provision.pieces import (
    Action,
    Piece,
    carry_out,
    look,
)


def piece(held: dict[str, Any], wanted: str = "right", **fields: Any) -> Piece:
    """Return a piece whose state is under "it" in a dictionary."""
    return Piece(
        subject="it",
        text="as it must be",
        read=lambda: held.get("it"),
        merge=lambda _: wanted,
        write=lambda value: held.update(it=value),
        **fields,
    )


def unsupported(*_: object) -> None:
    raise Unsupported("not here")


@pytest.mark.parametrize(
    ("held", "action"),
    [({}, Action.CREATE), ({"it": "wrong"}, Action.CHANGE), ({"it": "right"}, Action.KEEP)],
)
def test_a_look_tells_what_is_to_be_done_and_changes_nothing(held, action):
    before = dict(held)
    assert [step.action for step in look([piece(held)])] == [action]
    assert held == before


@pytest.mark.parametrize("held", [{}, {"it": "wrong"}, {"it": "right"}])
def test_what_is_carried_out_is_right_afterwards(held):
    (step,) = look([piece(held)])
    carry_out(step)
    assert held == {"it": "right"}


def test_what_somebody_else_has_put_right_in_between_is_not_written_again():
    held: dict[str, Any] = {}
    written: list[object] = []
    slow = Piece(
        subject="it",
        text="",
        read=lambda: held.get("it"),
        merge=lambda _: "right",
        write=written.append,
    )
    (step,) = look([slow])
    held["it"] = "right"
    carry_out(step)
    assert step.is_change
    assert written == []


def test_what_a_store_lacks_is_skipped_with_its_own_words():
    lacking = Piece(
        subject="it", text="", read=lambda: None, merge=lambda _: "right", write=unsupported
    )
    (step,) = look([lacking])
    done = carry_out(step)
    assert (done.action, "not here" in done.text) == (Action.SKIP, True)


def test_what_nothing_works_without_is_not_skipped():
    needed = Piece(
        subject="it", text="", read=unsupported, merge=str, write=unsupported, is_needed=True
    )
    with pytest.raises(ConfigurationError, match="it: this store cannot make it: not here"):
        look([needed])


def test_a_piece_that_is_left_out_is_not_even_looked_at():
    (step,) = look([piece({}, skipped="for a reason")])
    assert (step.action, step.text) == (Action.SKIP, "for a reason")
    assert not step.is_change
