"""What requests cost: list prices of S3 and SQS (us-east-1), in dollars for a million requests."""

from __future__ import annotations

from collections.abc import Mapping

WRITE = 5.0
READ = 0.4
SQS = 0.5
"""Where messages are in groups: of a standard queue 0.40, 0.10 more for these; of FIFO the same."""
SQS_ALONE = 0.4
"""Where there are none, as in an empty standard queue."""
PRICES = {
    "PUT": WRITE,
    "POST": WRITE,
    "LIST": WRITE,
    "GET": READ,
    "HEAD": READ,
    "DELETE": 0.0,
}
"""Of S3, by kind; a copy is a PUT. Whatever is not here is an action of SQS, a batch being one."""
FLOOR = 2 * WRITE + 2 * READ
"""Of a call whose request and reply are objects: each is written once and read once."""
MONTH = 30 * 24 * 3600.0


def dollars(counts: Mapping[str, float], sqs: float = SQS) -> float:
    """Return what so many requests of each kind cost, in millionths of a dollar."""
    return sum(PRICES.get(kind, sqs) * number for kind, number in counts.items())
