"""Fair queuing: a client with ten thousand requests in a queue does not hold up others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TypeVar

T = TypeVar("T")


class Turns:
    """The order of clients: by their names, beginning behind the one that had the last turn."""

    def __init__(self) -> None:
        self.last = ""

    def order(self, clients: Iterable[str]) -> list[str]:
        return sorted(clients, key=lambda client: (client <= self.last, client))

    def note(self, client: str) -> None:
        """Note that a client had its turn."""
        self.last = client


def deal(
    waiting: Mapping[str, Sequence[T]], limit: int, shares: Mapping[str, int]
) -> list[tuple[str, T]]:
    """Return up to ``limit`` items with their clients: one of every client, then the next of each.

    ``waiting`` has the clients in the order of their turns. ``shares`` has the most items for a
    client; clients that are not in it have no limit.
    """
    hands = (
        [(client, one) for one in queue[: max(0, shares.get(client, limit))]]
        for client, queue in waiting.items()
    )
    rounds = zip_longest(*hands)
    return [one for turn in rounds for one in turn if one is not None][:limit]
