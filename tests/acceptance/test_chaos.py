"""A few gateways on one queue, a few faults: no promise is broken. ``chaos`` has the large runs."""

from __future__ import annotations

from dataclasses import replace

import clouds
import kinds
import pytest
from chaos import LOOKS, Fault, Plan, collected, crowded, failures, run, sent
from history import Look, rewritten
from test_crashes import request as request_of

from gateway.client.remote import Remote, RemoteSettings
from gateway.errors import QueueAway, Unsure
from gateway.message import Message
from gateway.queue import Collected, State
from gateway.queues.memory import MemoryQueue

DONE = Look("done", "1")
CLAIMED = Look("claimed", "2")


FAULTS = (Fault.KILL, Fault.KILL, Fault.PAUSE, Fault.STOP)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", kinds.KINDS)
async def test_gateways_killed_paused_and_stopped_break_no_promise(
    kind, request, tmp_path, monkeypatch
):
    cloud = clouds.started(kind.partition(" of ")[2], request)
    for seed in (1, 2, 3, 4):
        address = kinds.address(kind, request, monkeypatch)
        folder = tmp_path / str(seed)
        folder.mkdir()
        plan = Plan(gateways=2, calls=60, rate=8, delay=1.0, faults=FAULTS, seed=seed)
        outcome = await run(folder, address, cloud, plan)
        assert outcome.violations == []
        if outcome.unknown + outcome.repeated:
            return
    pytest.fail("no fault of any run hit a call at work: they proved nothing")


@pytest.mark.timeout(900)
async def test_what_is_taken_ahead_of_a_crowd_is_carried_out_once(request, tmp_path, monkeypatch):
    cloud = clouds.started("ministack", request)
    for seed in (1, 2, 3):  # on a busy machine the crowd may be served before anybody waits behind
        address = kinds.address("doorbell of ministack", request, monkeypatch)
        folder = tmp_path / str(seed)
        folder.mkdir()
        plan = replace(crowded(200, seed=seed), concurrency=4, delay=0.5, faults=(), lease=6.0)
        outcome = await run(folder, address, cloud, plan)
        assert outcome.violations == []
        if outcome.ahead:
            return
    pytest.fail("nothing of any run was taken ahead of its turn: they proved nothing")


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


class Mute(MemoryQueue):
    """Does not answer the first few times that it is asked for something."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def send(self, message: Message) -> None:
        await super().send(message)
        self._answer(Unsure)

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        self._answer(QueueAway)
        return await super().collect(sender, id, wait)

    def _answer(self, error: type[Exception]) -> None:
        self.times -= 1
        if self.times >= 0:
            raise error("no answer")


async def test_a_caller_whose_queue_does_not_answer_sends_and_looks_again():
    key, _, message = request_of(1)
    queue = Mute(1)
    remote = Remote(queue, RemoteSettings(sender="local"))
    await sent(remote, message)
    queue.times = LOOKS - 1
    assert (await collected(remote, message.id, 0, "local")).state is State.PENDING
    assert queue.times == -1
    assert (await queue.status()).waiting == 1, key


async def test_a_caller_whose_queue_never_answers_has_an_end_all_the_same():
    _, _, message = request_of(1)
    remote = Remote(Mute(10 * LOOKS), RemoteSettings(sender="local"))
    await sent(remote, message)
    assert (await collected(remote, message.id, 0, "local")).state is State.PENDING


def test_an_error_of_the_run_itself_is_a_line_of_its_report():
    assert failures([None, ValueError("odd")]) == ["the run itself failed: ValueError('odd')"]
