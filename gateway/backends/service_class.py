"""The interface of a class that carries out the operations of a contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.message import Message
from gateway.soap.envelope import Element

REQUEST: ContextVar[Message] = ContextVar("request")
"""The message that the running code has to answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of an operation: the Body element and the header blocks of its reply."""

    body: Element | None
    headers: Sequence[Element] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultAnswer:
    """The fault of an operation; its code is that of SOAP 1.1, as in ``Client.Late``."""

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
    """Converts the Body's element and the header blocks to values. Raises ValueError."""
    carry_out: Callable[[Any, Any], Answer | FaultAnswer]
    """Calls a method of an instance of the class with these values. Its exceptions pass through."""


class ServedClass(Protocol):
    """A class; one instance, made without arguments, serves all calls."""

    __namespace__: str
    """The contract's namespace; the codes of its faults are in it."""
    __served__: Callable[[], Sequence[ServedOperation]]
