"""A kind of queue: the form of its addresses, what its queues can do, and how one is opened.

The built-in kinds are in ``gateway.queues.builtin``; a package adds its own by the entry point
``gateway.queues``, named like the scheme of its addresses.
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
    """What the queue at an address can do, known without opening it.

    The contract suite, ``gateway.testing.queue_contract``, holds a queue to these values.
    """

    reach: Reach
    callers: str
    """Who may put requests into it, and as whom: the start-up summary says it."""
    is_durable: bool = True
    """Whether an accepted request outlives every program that has the queue open."""
    is_fair: bool = True
    """Whether it does fair queuing between clients itself."""
    leases_run_out: bool = True
    """Whether leases expire, even if their holder is still alive."""
    counts_exactly: bool = True
    """Whether ``status`` counts rather than estimates."""
    keeps_replies: bool = True
    """Whether a reply outlives the program that waits for it."""
    quarantine: str = ""
    """For how long requests are kept in quarantine; empty: as ``quarantine`` in the settings."""
    is_provisioned: bool = False
    """Whether it is on AWS, where ``provision`` creates what it needs and ``check`` examines it."""
    is_paid: bool = False
    """Whether each look at it costs money."""
    has_soapjms: bool = False
    """Whether other programs send into it by the rules of SOAP/JMS."""
    unsafe: tuple[str, ...] = ()
    """The unsafe options in its address."""
    files: Path | None = None
    """A folder beside it where programs may keep files; None where it has no such place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of queue. Both functions get an address, the folder that relative paths are taken
    from, and the options; both raise ConfigurationError with the cure.
    """

    form: str
    """The form of its addresses, for error messages."""
    abilities: Callable[[str, Path, QueueOptions], Abilities]
    """Opens nothing, and makes no request."""
    open: Callable[[str, Path, QueueOptions], Awaitable[AdministeredQueue]]
