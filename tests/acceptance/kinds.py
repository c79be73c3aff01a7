"""An address of each kind of queue that a fleet of machines can share."""

from __future__ import annotations

import clouds
import pytest
import servers

KINDS = {
    "s3 of ministack": "s3://{bucket}/orders?endpoint_url={s3}",
    "s3 of minio": "s3://{bucket}/orders?endpoint_url={s3}",
    "doorbell of ministack": "s3://{bucket}/orders?doorbell={queue}&endpoint_url={s3}",
    "sqs of ministack": "sqs://{queue}?replies=s3://{bucket}/orders&endpoint_url={s3}",
}
BARE = {"bare sqs of ministack": "sqs://{queue}?unsafe_duplicates=true&endpoint_url={s3}"}
"""Without a bucket: replies go to the queues of those who ask, and nothing remembers a request."""


def address(kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Start the server of a kind, set its credentials, and return the address of a new queue."""
    cloud = clouds.started(kind.partition(" of ")[2], request)
    for name, value in servers.environment(cloud).items():
        monkeypatch.setenv(name, value)
    places = {"s3": cloud.s3, "bucket": servers.fresh_bucket(cloud)}
    if cloud.sqs:
        places["queue"] = servers.fresh_queue(cloud).rpartition("/")[2]
    return (KINDS | BARE)[kind].format(**places)
