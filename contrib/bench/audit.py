"""What a line of the audit log costs: ``python contrib/bench/audit.py [FOLDER]``."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from gateway.message import Message
from gateway.observe.audit import AuditLog, recorded
from gateway.observe.events import Events, Outcome, RequestSettled, Subject

LINES = 20_000
ROUNDS = 5
SIZES = (1 << 10, 64 << 10, 1 << 20)


async def measured(folder: Path, size: int) -> float:
    """Return the microseconds of a line about a request of a size."""
    message = Message(
        body=b"x" * size, content_type="text/xml", sender="shop", target_service="orders"
    )
    count = LINES if size < (1 << 16) else LINES // 20
    log = await AuditLog.open(folder / f"{size}.jsonl")
    events = Events()
    async with recorded(events, log.write):
        began = time.perf_counter()
        for _ in range(count):
            subject = Subject(message, 1, events.clock(), "orders", "PlaceOrder")
            events.precede(RequestSettled(subject, Outcome.REPLY, "", events.clock()))
        took = time.perf_counter() - began
    await log.aclose()
    return 1e6 * took / count


def main() -> None:
    """Print the median of some rounds for each size of a request."""
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for size in SIZES:
        rounds = []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory(dir=place) as folder:
                rounds.append(asyncio.run(measured(Path(folder), size)))
        print(f"{size:>8} bytes: {statistics.median(rounds):7.1f} us a line")


if __name__ == "__main__":
    main()
