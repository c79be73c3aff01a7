"""Room for connections: when all are in use, the one that has been idle longest makes room.

So idle connections of one caller do not keep others out.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import Counter, OrderedDict, defaultdict
from dataclasses import dataclass
from itertools import islice

from gateway.observe.events import ConnectionEnded, Events, Trouble
from gateway.sockets import has_unread

log = logging.getLogger(__name__)

CROWDED = 0.9
"""The part of all connections in use above which an address is limited to its share."""
LOOKS = 16
"""Idle connections, at most, that are checked for one without unread data."""
NETWORK = 64
"""Prefix of an IPv6 address that counts as one address: providers assign whole networks."""


def address_of(transport: asyncio.BaseTransport | None) -> str:
    """Return the address of a connection's peer; empty where it is not known."""
    place = None if transport is None else transport.get_extra_info("peername")
    return str(place[0]) if isinstance(place, tuple) else ""


def neighbourhood(address: str) -> str:
    """Return the key for all addresses of one caller: in IPv6, the network."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, NETWORK), strict=False))


@dataclass(eq=False, frozen=True, slots=True)
class Slot:
    """The place of a connection, from when it is made until it is lost."""

    transport: asyncio.Transport
    address: str


class Room:
    """Knows which connections there are, and which of them are idle."""

    def __init__(self, places: int, share: int, events: Events) -> None:
        """``share`` is how many an address may have however many there are in all."""
        self._places = places
        self._share = share
        self._events = events
        self._taken: set[Slot] = set()
        self._count: Counter[str] = Counter()
        self._idle: defaultdict[str | None, OrderedDict[Slot, None]] = defaultdict(OrderedDict)
        """Idle connections of each address, and of all under None: the longest idle first."""
        self._is_full = False

    def enter(self, transport: asyncio.Transport) -> Slot | None:
        """Return a place for a new connection, which is idle; None where there is no room."""
        peer = address_of(transport)
        place = Slot(transport, neighbourhood(peer))
        if not self._has_room_for(place.address):
            self._events.tell(ConnectionEnded(Trouble.TOO_MANY, peer))
            return None
        self._taken.add(place)
        self._count[place.address] += 1
        self.rest(place)
        return place

    def work(self, place: Slot) -> None:
        """Note that a request came by a connection."""
        if place in self._taken:
            for idle in self._idle_with(place):
                idle.pop(place, None)

    def rest(self, place: Slot) -> None:
        """Note that a connection is idle again."""
        if place in self._taken:
            for idle in self._idle_with(place):
                idle[place] = None

    def leave(self, place: Slot) -> bool:
        """Note that a connection has ended; tell whether it had its place until now."""
        if place not in self._taken:
            return False
        self.work(place)
        self._taken.remove(place)
        self._count[place.address] -= 1
        if not self._count[place.address]:
            del self._count[place.address], self._idle[place.address]
        return True

    def _idle_with(self, place: Slot) -> tuple[OrderedDict[Slot, None], ...]:
        return self._idle[None], self._idle[place.address]

    def _has_room_for(self, address: str) -> bool:
        count = len(self._taken)
        is_full = count >= self._places
        if is_full and not self._is_full:
            log.warning("all %d connections are in use", self._places)
        self._is_full = is_full
        if count >= CROWDED * self._places and self._count[address] >= self._share:
            return self._make_room(self._idle[address])
        return not is_full or self._make_room(self._idle[None])

    def _make_room(self, idle: OrderedDict[Slot, None]) -> bool:
        """End the connection that has been idle longest, and has no unread request."""
        for place in islice(idle, LOOKS):
            if not has_unread(place.transport):
                peer = address_of(place.transport)
                self._events.tell(ConnectionEnded(Trouble.MADE_ROOM, peer))
                self.leave(place)
                place.transport.abort()
                return True
        return False
