"""What happened to each call, and its judge: the invariants of docs/explanation/promise.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

OUTCOME_UNKNOWN = "Server.OutcomeUnknown"
FINAL = ("done", "none")
"""The states of a reply object that hold a reply, or the end of a one-way call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a call ended for its caller: what its reply was about, or the code of its fault."""

    key: str
    repeatable: bool
    replies: tuple[str, ...] = ()
    """The key that each reply seen was about, every time that the reply was collected."""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """The calls, and what the backend's own ledger says was carried out."""

    calls: tuple[Ended, ...]
    executed: Counter[str] = field(default_factory=Counter)
    under_way: int = 0
    """Calls that were at work, at most, at all the faults together."""


def violations(history: History) -> list[str]:
    """Return a line for each invariant that does not hold; none where all do."""
    found = [line for call in history.calls for line in _call(call, history.executed[call.key])]
    found += _overlaps(history)
    unheard = set(history.executed) - {call.key for call in history.calls}
    return found + [f"{key}: carried out, and never sent" for key in sorted(unheard)]


def _call(call: Ended, executions: int) -> Iterable[str]:
    endings = {*call.replies, *call.faults}
    if not endings:
        yield f"{call.key}: lost"
    if len(endings) > 1:
        yield f"{call.key}: ended in more than one way: {sorted(endings)}"
    if any(about != call.key for about in call.replies):
        yield f"{call.key}: got a reply about another request"
    if call.replies and not executions:
        yield f"{call.key}: a reply, and nothing carried out"
    if not call.repeatable and executions > 1:
        yield f"{call.key}: at most once, and carried out {executions} times"
    if call.repeatable and call.faults:
        yield f"{call.key}: repeatable, and yet a fault: {call.faults}"
    if set(call.faults) - {OUTCOME_UNKNOWN}:
        yield f"{call.key}: an unexpected fault: {call.faults}"


def _overlaps(history: History) -> Iterable[str]:
    unknown = sum(OUTCOME_UNKNOWN in call.faults for call in history.calls)
    repeated = sum(count > 1 for count in history.executed.values())
    if unknown + repeated > history.under_way:
        yield f"{unknown} unknown and {repeated} repeated, of {history.under_way} under way"


@dataclass(frozen=True, slots=True)
class Look:
    """What an observer saw of a reply object at a moment; of one that is gone only that."""

    state: str
    etag: str = ""


def rewritten(name: str, looks: Sequence[Look]) -> Iterable[str]:
    """Yield a line for each change of a reply object that should have been its last state."""
    for before, after in pairwise(looks):
        if before.state in FINAL and after != before:
            yield f"{name}: it was {before.state}, and then {after.state}"
    if looks[-1].state not in FINAL:
        yield f"{name}: left behind as {looks[-1].state}"
