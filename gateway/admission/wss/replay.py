"""Replay detection: a token or a signature that comes again in another request is a replay.

A queue may hand out a request more than once, and the gateway admits the listener's requests again:
the same request may use the same token any number of times.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from gateway.errors import NotSecured
from gateway.message import Message

log = logging.getLogger(__name__)

MOST = 200_000
"""Tokens that are remembered, at about 300 bytes each."""
LONGEST_WAIT = 24 * 3600.0
"""Seconds for which a token is remembered after it is too old to be accepted: a request that came
in time may wait that long in a queue."""
EARLY = 3600.0
"""Seconds before which a token should not be dropped for lack of room; and between two warnings."""

REPLAYED = (
    "it was shown before, by another request: a replay; or the same call twice within a second:"
    " then write milliseconds in Created, or sign a wsa:MessageID"
)


class Memory:
    """The tokens that one process has seen. Thread-safe."""

    def __init__(
        self,
        fresh: float = 0.0,
        *,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``fresh`` is for how many seconds a token is accepted, at most."""
        self._kept = fresh + LONGEST_WAIT
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._warned = -EARLY

    def note(self, tokens: Sequence[bytes], message: Message) -> None:
        """Note the tokens of a request. Raises NotSecured if another request had one of them."""
        owner = _owner(message)
        with self._lock:
            if any(self._seen.get(one, (0.0, owner))[1] != owner for one in tokens):
                raise NotSecured(REPLAYED)
            now = self._clock()
            for one in tokens:
                self._seen.setdefault(one, (now, owner))
            self._forget(now)

    def _forget(self, now: float) -> None:
        while self._seen:
            since, _ = next(iter(self._seen.values()))
            if len(self._seen) <= self._most and now - since < self._kept:
                return
            self._seen.popitem(last=False)
            if now - since < EARLY and now - self._warned >= EARLY:
                self._warned = now
                log.warning(
                    "WS-Security: over %d tokens came in an hour; the oldest of them"
                    " could be shown again",
                    self._most,
                )


def _owner(message: Message) -> bytes:
    """Return the identity of a request: a hash of its sender, id, service and body."""
    named = f"{message.sender}\n{message.id}\n{message.target_service}\n".encode()
    return hashlib.sha256(named + hashlib.sha256(message.body).digest()).digest()
