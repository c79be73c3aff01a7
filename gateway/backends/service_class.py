"""A class that carries out the operations of a contract, as a host of services sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.message import Message
from gateway.soap.envelope import Element

REQUEST: ContextVar[Message] = ContextVar("request")
"""The message that the code which runs is to answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation came to: what goes into the Body and the Header of its reply."""

    body: Element | None
    headers: Sequence[Element] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultAnswer:
    """The fault that an operation came to; its code is that of SOAP 1.1, as in ``Client.Late``."""

    code: str
    text: str
    actor: str = ""
    detail: Sequence[Element] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedOperation:
    """An operation, from the elements of a request to those of its reply."""

    name: str
    body: str
    """The name of the Body's element in Clark notation; empty where the Body is empty."""
    headers: frozenset[str]
    """The names of the header blocks that it understands."""
    read: Callable[[Element, Sequence[Element]], Any]
    """Makes values of the Body's element and the header blocks. Raises ValueError."""
    carry_out: Callable[[Any, Any], Answer | FaultAnswer]
    """Calls a method of an instance of the class with these values. Raises what it raises."""


class ServedClass(Protocol):
    """A class of which one instance, made without arguments, serves all calls."""

    __namespace__: str
    """That of the contract; the codes of its faults are in it."""
    __served__: Callable[[], Sequence[ServedOperation]]
