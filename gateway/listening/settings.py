"""``[listener]``: where HTTP comes in, for whom, and how long everything may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from gateway.limits import Seconds

Connections = Annotated[int, Interval(ge=1, le=100000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """Where to listen, for whom, and for how long; times in seconds."""

    bind: str = "127.0.0.1:8800"
    url: str | None = None
    """The address that clients use, where it is not the one they connect to (a reverse proxy)."""
    wait: Seconds = 60.0
    """How long a caller is kept waiting for a reply."""
    hosts: tuple[str, ...] = ()
    """Names of the listener, without ports, beside those in ``bind`` and ``url``."""
    origins: tuple[str, ...] = ()
    """Whose pages may call."""
    connections: Connections = 1000
    connections_per_address: Connections = 100
    """How many an address may have without regard to how many there are altogether."""
    head_timeout: Seconds = 10.0
    """In which each connection must have sent a head."""
    body_timeout: Seconds = 30.0
    """How long the body of a request may take, once its head is there."""
    reply_timeout: Seconds = 300.0
    """In which an answer must have been read."""

    @property
    def host(self) -> str:
        return self.bind.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.bind.rpartition(":")[2])
