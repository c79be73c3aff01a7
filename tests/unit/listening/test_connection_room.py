"""How many connections there may be, and which one makes room for another."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from wire import Wire

from gateway.listening.connection_room import LOOKS, Room, Slot, address_of, neighbourhood
from gateway.observe.events import ConnectionEnded, Events, Trouble

HERE, THERE, ELSEWHERE = "198.51.100.1", "198.51.100.2", "198.51.100.3"


class Caller:
    """A connection in a room: its end there, and that of its caller."""

    def __init__(self, room: Room, address: str) -> None:
        self.far, near = socket.socketpair()
        self._near = near
        self.wire = Wire(address, socket=near)
        self.slot = room.enter(self.wire)
        if self.slot is not None:
            self.wire.set_protocol(Kept(room, self.slot))

    @property
    def place(self) -> Slot:
        assert self.slot is not None
        return self.slot

    @property
    def is_ended(self) -> bool:
        return self.wire.ended.is_set()

    def close(self) -> None:
        self.far.close()
        self._near.close()


class Kept:
    """What leaves the room with its connection."""

    def __init__(self, room: Room, slot: Slot) -> None:
        self._room = room
        self._slot = slot

    def connection_lost(self, error: BaseException | None) -> None:
        self._room.leave(self._slot)


@pytest.fixture
def ended(events: Events) -> list[tuple[Trouble, str]]:
    """Each connection that is told to be ended: why, and from where it came."""
    told: list[tuple[Trouble, str]] = []
    events.subscribe(ConnectionEnded, lambda event: told.append((event.trouble, event.peer)))
    return told


@pytest.fixture
def enter() -> Iterator[Callable[[Room, str], Caller]]:
    callers: list[Caller] = []

    def enter(room: Room, address: str = HERE) -> Caller:
        callers.append(Caller(room, address))
        return callers[-1]

    yield enter
    for caller in callers:
        caller.close()


@pytest.fixture
def room_of(events: Events) -> Callable[..., Room]:
    return lambda places, share=1000: Room(places, share, events)


async def test_there_is_room_until_all_places_are_taken(room_of, enter, ended, caplog):
    room = room_of(3)
    callers = [enter(room) for _ in range(3)]
    for caller in callers:
        room.work(caller.place)
    late = enter(room, THERE)
    assert late.slot is None
    assert ended == [(Trouble.TOO_MANY, THERE)]
    assert not any(caller.is_ended for caller in callers)
    assert caplog.messages == ["all 3 connections are in use"]


async def test_the_log_says_once_that_all_are_in_use_until_there_is_room_again(
    room_of, enter, caplog
):
    room = room_of(1)
    first = enter(room)
    room.work(first.place)
    for _ in range(3):
        assert enter(room).slot is None
    assert len(caplog.messages) == 1
    room.leave(first.place)
    room.work(enter(room).place)
    assert enter(room).slot is None
    assert len(caplog.messages) == 2


async def test_a_place_that_was_left_is_free(room_of, enter, ended):
    room = room_of(1)
    for _ in range(3):
        caller = enter(room)
        room.work(caller.place)
        assert room.leave(caller.place)
    assert ended == []


async def test_the_connection_that_has_been_idle_longest_makes_room(room_of, enter, ended):
    room = room_of(3)
    first, second, third = (enter(room, address) for address in (HERE, THERE, ELSEWHERE))
    assert enter(room, HERE).slot is not None
    assert [one.is_ended for one in (first, second, third)] == [True, False, False]
    assert ended == [(Trouble.MADE_ROOM, HERE)]


async def test_a_connection_by_which_something_is_asked_makes_no_room(room_of, enter, ended):
    room = room_of(2)
    first, second = enter(room), enter(room)
    room.work(first.place)
    enter(room)
    assert (first.is_ended, second.is_ended) == (False, True)


async def test_idle_begins_anew_with_the_end_of_each_answer(room_of, enter):
    room = room_of(2)
    first, second = enter(room), enter(room)
    room.work(first.place)
    room.rest(first.place)
    enter(room)
    assert (first.is_ended, second.is_ended) == (False, True)


async def test_a_connection_on_which_a_request_has_come_that_is_not_read_yet_makes_no_room(
    room_of, enter
):
    room = room_of(2)
    first, second = enter(room), enter(room)
    first.far.send(b"POST")
    enter(room)
    assert (first.is_ended, second.is_ended) == (False, True)


async def test_only_so_many_are_looked_at_for_one_that_is_idle(room_of, enter, ended):
    room = room_of(LOOKS + 1)
    for _ in range(LOOKS):
        enter(room).far.send(b"POST")
    last = enter(room)
    assert enter(room).slot is None
    assert not last.is_ended
    assert ended == [(Trouble.TOO_MANY, HERE)]


async def test_one_that_made_room_has_left_and_leaves_once(room_of, enter):
    room = room_of(1)
    first = enter(room)
    assert enter(room).slot is not None
    assert not room.leave(first.place)


async def test_what_is_told_of_a_connection_that_has_left_changes_nothing(room_of, enter):
    room = room_of(1)
    first = enter(room)
    room.leave(first.place)
    room.rest(first.place)
    room.work(first.place)
    second = enter(room)
    room.work(second.place)
    assert enter(room).slot is None
    assert not first.is_ended


# An address and its share


async def test_in_a_crowd_an_address_with_its_share_makes_room_for_itself_alone(
    room_of, enter, ended
):
    room = room_of(10, share=4)
    others = [enter(room, THERE) for _ in range(3)]
    many = [enter(room) for _ in range(6)]
    assert enter(room).slot is not None
    assert [one.is_ended for one in (*others, *many)] == [False] * 3 + [True] + [False] * 5
    assert ended == [(Trouble.MADE_ROOM, HERE)]


async def test_in_a_crowd_an_address_with_its_share_at_work_comes_in_no_more(room_of, enter, ended):
    room = room_of(10, share=4)
    other = enter(room, THERE)
    for _ in range(8):
        room.work(enter(room).place)
    assert enter(room).slot is None
    assert not other.is_ended
    assert ended == [(Trouble.TOO_MANY, HERE)]
    assert enter(room, ELSEWHERE).slot is not None


async def test_an_address_below_its_share_comes_in_while_there_is_a_place(room_of, enter):
    room = room_of(10, share=4)
    for _ in range(9):
        room.work(enter(room).place)
    assert enter(room, THERE).slot is not None


async def test_where_there_is_no_crowd_an_address_may_have_more_than_its_share(room_of, enter):
    room = room_of(10, share=1)
    assert all(enter(room).slot for _ in range(9))
    assert enter(room, THERE).slot is not None


async def test_who_leaves_is_not_counted_for_its_address_any_more(room_of, enter):
    room = room_of(10, share=2)
    many = [enter(room) for _ in range(9)]
    for one in many:
        room.work(one.place)
    for one in many[1:]:
        room.leave(one.place)
    for _ in range(8):
        room.work(enter(room, THERE).place)
    assert enter(room).slot is not None


async def test_a_network_of_ipv6_has_one_share(room_of, enter):
    room = room_of(10, share=2)
    for n in range(9):
        room.work(enter(room, f"2001:db8:1:2::{n}").place)
    assert enter(room, "2001:db8:1:2:ffff::1").slot is None
    assert enter(room, "2001:db8:1:3::1").slot is not None


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_a_network_of_ipv6_is_one_address(address: str, counts_as: str):
    assert neighbourhood(address) == counts_as


def test_a_connection_without_an_address_has_none():
    assert address_of(None) == ""
    assert address_of(Wire(HERE)) == HERE
    unix = Wire()
    unix._extra["peername"] = "/run/socket"
    assert address_of(unix) == ""
