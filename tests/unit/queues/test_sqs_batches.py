"""What is asked for one by one, and carried out in batches."""

from __future__ import annotations

import asyncio

from gateway.queues.aws.sqs_batches import Batches


async def test_what_is_asked_for_in_one_moment_leaves_together():
    batches: list[list[int]] = []

    async def carry(items):
        batches.append(list(items))
        return [f"did {item}" for item in items]

    gathering = Batches(carry)
    assert await asyncio.gather(*map(gathering.add, range(12))) == [f"did {n}" for n in range(12)]
    assert [len(batch) for batch in batches] == [10, 2]


async def test_a_batch_that_hangs_holds_up_no_other_for_long():
    hanging = asyncio.Event()

    async def carry(items):
        if items[0] == "hangs":
            await hanging.wait()
        return ["done" for _ in items]

    gathering = Batches(carry)
    stuck = asyncio.create_task(gathering.add("hangs"))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(240):
        assert await gathering.add("goes on") == "done"
    assert not stuck.done()
    hanging.set()
    assert await stuck == "done"
