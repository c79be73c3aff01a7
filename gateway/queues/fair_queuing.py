"""Clients take turns: one that has ten thousand requests in a queue holds up no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TypeVar

T = TypeVar("T")


class Turns:
    """Whose turn it is: clients by their names, beginning behind who had the last turn."""

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
    """Return what is taken now, each with its client: one of every client, then the next of each.

    ``waiting`` has the clients in the order of their turns. No more of a client are taken than
    ``shares`` says, where it says something.
    """
    hands = (
        [(client, one) for one in queue[: max(0, shares.get(client, limit))]]
        for client, queue in waiting.items()
    )
    rounds = zip_longest(*hands)
    return [one for turn in rounds for one in turn if one is not None][:limit]
