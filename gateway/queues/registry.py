"""From the address of a queue, as settings and programs write it, to its kind.

Nothing else looks at the scheme of an address, except ``queues.aws.address``, which parses those of
AWS for programs that need the bucket or the queue itself.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.queue import AdministeredQueue
from gateway.queues.builtin import BUILTIN
from gateway.queues.kind import Abilities, Kind
from gateway.queues.options import QueueOptions

GROUP = "gateway.queues"
"""The entry points by which packages add kinds."""
USUAL = QueueOptions()


async def open_queue(
    address: str, folder: Path, options: QueueOptions = USUAL
) -> AdministeredQueue:
    """Open the queue at an address; relative paths are taken from ``folder``.

    Raises ConfigurationError with the cure.
    """
    return await kind_of(address).open(address, folder, options)


def abilities_of(address: str, folder: Path = Path(), options: QueueOptions = USUAL) -> Abilities:
    """Return what the queue at an address can do, without opening it.

    Raises ConfigurationError with the cure.
    """
    try:
        return kind_of(address).abilities(address, folder, options)
    except ConfigurationError:
        raise
    except Exception as error:  # code of others
        raise ConfigurationError(
            f"queue: the kind of {address.partition(':')[0]}: queues cannot tell what they can do "
            f"({type(error).__name__}: {error}): repair the package that brings it."
        ) from error


def kind_of(address: str) -> Kind:
    """Return the kind of queue that has such addresses. Raises ConfigurationError."""
    scheme, colon, _ = address.partition(":")
    if colon and scheme in BUILTIN:
        return BUILTIN[scheme]
    found = entry_points(group=GROUP)
    brought = [one for one in found if colon and one.name == scheme]
    if len(brought) > 1:
        packages = ", ".join(sorted(_package(one) for one in brought))
        raise ConfigurationError(
            f"queue: {len(brought)} packages bring {scheme}: queues: {packages}: keep one of them."
        )
    if brought:
        return _brought_by(brought[0])
    others = found.names
    forms = [one.form for one in BUILTIN.values()]
    installed = f"; installed beside it: {', '.join(sorted(others))}" if others else ""
    raise ConfigurationError(
        f"queue: {address!r} is not a queue this program knows: use {', '.join(forms[:-1])}, or "
        f"{forms[-1]}{installed}."
    )


def _brought_by(point: EntryPoint) -> Kind:
    """Return the kind that another package has. Raises ConfigurationError."""
    package = _package(point)
    try:
        kind = point.load()
    except Exception as error:  # code of others, which may do anything on import
        raise ConfigurationError(
            f"queue: the package {package} brings {point.name}: queues, but cannot be loaded "
            f"({type(error).__name__}: {error}): repair it, or install another version."
        ) from error
    if not isinstance(kind, Kind):
        raise ConfigurationError(
            f"queue: the package {package} brings {point.name}: queues, but {point.value} is not "
            "a gateway.queues.kind.Kind: install another version of it."
        )
    return kind


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value
