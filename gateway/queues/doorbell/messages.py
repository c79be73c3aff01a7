"""The messages in a doorbell's queue: our rings, S3's notifications, and the sweep's token."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from gateway.queues.foreign_text import is_key

MOST_RECORDS = 100
"""Objects in one notification, at most: S3 sends one for each."""
NO_KEYS = "a key in it is not one that an object can have"
TOKEN = json.dumps({"gateway": "sweep"})
"""Its receiver looks for requests that no ring came for."""


@dataclass(frozen=True, slots=True)
class Ring:
    """The keys of waiting requests; ``swept`` where other gateways may be at work on them."""

    keys: tuple[str, ...]
    swept: bool = False
    is_by_store: bool = False
    """It is a notification of S3: the client may have rung as well."""


@dataclass(frozen=True, slots=True)
class Sweeping:
    """The token."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The test message of S3 for a new notification; it is ignored."""


@dataclass(frozen=True, slots=True)
class Stray:
    """A message from elsewhere, and why it is not understood."""

    reason: str


def ring(key: str, *, swept: bool = False, by_store: bool = False) -> str:
    """Return the body of a ring for a request."""
    said = {"gateway": "ring", "key": key, "swept": swept, "by-store": by_store}
    return json.dumps({name: value for name, value in said.items() if value})


def parse(body: str) -> Ring | Sweeping | Trial | Stray:
    """Parse the body of a message. Never raises."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return Stray("it is not JSON")
    if not isinstance(said, dict):
        return Stray("it is not a JSON object")
    if said.get("gateway") == "sweep":
        return Sweeping()
    if said.get("gateway") == "ring" and isinstance(said.get("key"), str):
        if not is_key(said["key"]):
            return Stray(NO_KEYS)
        swept, by_store = (said.get(name) is True for name in ("swept", "by-store"))
        return Ring((said["key"],), swept=swept, is_by_store=by_store)
    if said.get("Event") == "s3:TestEvent":
        return Trial()
    return _notification(said)


def _notification(said: dict[str, Any]) -> Ring | Stray:
    """Return the keys of a notification of S3 (S3 user guide, "Event message structure")."""
    try:
        # Some servers encode the slash, others a space as %20: this decodes all of them.
        keys = [unquote_plus(record["s3"]["object"]["key"]) for record in said["Records"]]
    except (KeyError, TypeError, AttributeError, IndexError):
        keys = []
    if not keys:
        return Stray("it is neither a ring nor a notification of S3")
    if len(keys) > MOST_RECORDS:
        return Stray(f"it is a notification of more than {MOST_RECORDS} objects")
    if not all(map(is_key, keys)):
        return Stray(NO_KEYS)
    return Ring(tuple(keys), is_by_store=True)
