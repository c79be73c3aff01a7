"""A few gateways on one queue, a few faults: no promise is broken. ``chaos`` has the large runs."""

from __future__ import annotations

import clouds
import kinds
import pytest
from chaos import Fault, Plan, run
from history import Look, rewritten

DONE = Look("done", "1")
CLAIMED = Look("claimed", "2")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", kinds.KINDS)
async def test_gateways_killed_paused_and_stopped_break_no_promise(
    kind, request, tmp_path, monkeypatch
):
    address = kinds.address(kind, request, monkeypatch)
    cloud = clouds.started(kind.partition(" of ")[2], request)
    faults = (Fault.KILL, Fault.KILL, Fault.PAUSE, Fault.STOP)
    plan = Plan(gateways=2, calls=60, rate=10, delay=1.0, faults=faults, seed=1)
    outcome = await run(tmp_path, address, cloud, plan)
    assert outcome.violations == []
    assert outcome.unknown + outcome.repeated, "no fault hit a call at work: it proved nothing"


@pytest.mark.parametrize("looks", [[DONE], [CLAIMED, Look("released", "3"), CLAIMED, DONE]])
def test_a_reply_that_stays_passes(looks):
    assert list(rewritten("it", looks)) == []


@pytest.mark.parametrize(
    ("looks", "says"),
    [
        ([DONE, CLAIMED, DONE], "it was done, and then claimed"),
        ([DONE, Look("done", "3")], "it was done, and then done"),
        ([DONE, Look("gone")], "it was done, and then gone"),
        ([CLAIMED], "left behind as claimed"),
    ],
)
def test_a_reply_that_changes_or_never_comes_is_caught(looks, says):
    assert any(says in line for line in rewritten("it", looks))
