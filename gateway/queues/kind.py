"""A kind of queue: how its addresses are written, what a queue of it can do, and how it is opened.

Those of this program are in ``gateway.queues.builtin``; a package brings one of its own by the
entry point ``gateway.queues``, named like the scheme of its addresses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from gateway.queue import AdministeredQueue
from gateway.queues.options import QueueOptions


class Reach(IntEnum):
    """How far apart the programs may be that share a queue."""

    PROCESS = 1
    MACHINE = 2
    NETWORK = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What the queue at an address can do, told without opening it.

    The contract suite, ``gateway.testing.queue_contract``, holds a queue to what is told here.
    """

    reach: Reach
    callers: str
    """Who may put requests into it, and as whom: the start-up summary says it."""
    is_durable: bool = True
    """Whether an accepted request outlives every program that has the queue open."""
    is_fair: bool = True
    """Whether it has an order of its own, in which clients take turns."""
    leases_run_out: bool = True
    """Whether a request that its holder does not extend goes to another while the holder lives."""
    counts_exactly: bool = True
    """Whether ``status`` counts, rather than estimates."""
    keeps_replies: bool = True
    """Whether a reply outlives the program that waits for it."""
    quarantine: str = ""
    """For how long requests are kept aside; empty: as long as ``quarantine`` in the settings says.
    """
    is_provisioned: bool = False
    """Whether it is on AWS, where ``provision`` makes what it needs and ``check`` looks at it."""
    is_paid: bool = False
    """Whether each look at it costs money."""
    has_soapjms: bool = False
    """Whether programs of others send into it by the rules of SOAP/JMS."""
    unsafe: tuple[str, ...] = ()
    """What its address allows although it is not safe."""
    files: Path | None = None
    """A folder beside it where programs may keep files; None where it has no such place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of queue. Both functions get an address, the folder that relative paths are taken
    from, and the options; both raise ConfigurationError with the cure.
    """

    form: str
    """How its addresses are written, for whoever got one wrong."""
    abilities: Callable[[str, Path, QueueOptions], Abilities]
    """Opens nothing, and asks nobody."""
    open: Callable[[str, Path, QueueOptions], Awaitable[AdministeredQueue]]
