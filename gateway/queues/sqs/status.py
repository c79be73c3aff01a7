"""How many requests are in a queue that uses SQS, whose counts are approximate."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from gateway.errors import QueueUnavailable
from gateway.queue import QueueStatus
from gateway.queues.aws.sqs import SqsClient
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.status import list_all, oldest, quarantined_in
from gateway.queues.bucket.store import S3Store

VISIBLE = "ApproximateNumberOfMessages"
DELAYED = "ApproximateNumberOfMessagesDelayed"
IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"
REDRIVE = "RedrivePolicy"
TOKENS = 1
"""Messages of a doorbell other than rings: the token of the sweep."""


@dataclass(frozen=True, slots=True)
class _Counts:
    """The counts of a queue; ``dead_letters`` is the name of its dead-letter queue, or empty."""

    waiting: int
    in_flight: int
    dead_letters: str


async def sqs_status(
    client: SqsClient, url: str, store: S3Store | None, keys: Keys | None
) -> QueueStatus:
    """Count the messages of a queue, and those in quarantine: in the bucket and the dead letters.

    Only CloudWatch knows the age of the oldest. Raises QueueUnavailable.
    """
    counts = await _count(client, url)
    aside = await _dead_letters(client, counts.dead_letters)
    if store is not None and keys is not None:
        aside = (aside or 0) + await quarantined_in(store, keys)
    return QueueStatus(
        waiting=counts.waiting,
        in_flight=counts.in_flight,
        oldest=None,
        quarantined=aside,
        is_exact=False,
    )


async def doorbell_status(client: SqsClient, url: str, store: S3Store, keys: Keys) -> QueueStatus:
    """Count the requests of a bucket; those in flight by the rings that gateways hold."""
    listed, quarantined, counts = await asyncio.gather(
        list_all(store, keys.requests), quarantined_in(store, keys), _count(client, url)
    )
    in_flight = min(len(listed), max(0, counts.in_flight - TOKENS))
    return QueueStatus(
        waiting=len(listed) - in_flight,
        in_flight=in_flight,
        oldest=oldest(store, listed),
        quarantined=quarantined,
        is_exact=False,
    )


async def _count(client: SqsClient, url: str) -> _Counts:
    found = await client.attributes(url)
    try:
        target = json.loads(found.get(REDRIVE, "{}")).get("deadLetterTargetArn", "")
        waiting = int(found[VISIBLE]) + int(found.get(DELAYED, 0))
        return _Counts(waiting, int(found[IN_FLIGHT]), str(target).rpartition(":")[2])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise QueueUnavailable("SQS does not say how many messages the queue has") from error


async def _dead_letters(client: SqsClient, name: str) -> int | None:
    """Count a dead-letter queue; None where there is none, or it may not be seen."""
    if not name:
        return None
    try:
        counts = await _count(client, await client.queue_url(name))
    except QueueUnavailable:
        return None
    return counts.waiting + counts.in_flight
