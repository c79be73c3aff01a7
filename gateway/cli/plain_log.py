"""What a log may say about an error: its type, where it happened, and our own words."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator

from gateway.errors import ConfigurationError, GatewayError, Unquoted


def plain_text(record: logging.LogRecord) -> str:
    """Return the text of a record; of asyncio's its first line: the others show exceptions."""
    text = record.getMessage()
    return text.partition("\n")[0] if record.name == "asyncio" else text


def plain_traceback(error: BaseException) -> str:
    """Return a traceback without the texts of other people's exceptions.

    These quote what they failed on: a piece of a message, a header, the name of a host.
    """
    lines = [line for one in _chain(error) for line in _told(one)]
    return "\n".join(lines)


def _chain(error: BaseException | None) -> list[BaseException]:
    """Return an error and what led to it, the first one first."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.insert(0, error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return chain


def _told(error: BaseException) -> Iterator[str]:
    yield "Traceback (most recent call last):"
    yield from (line.rstrip() for line in traceback.format_tb(error.__traceback__))
    yield _name(error)
    inside = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    yield from (plain_traceback(one) for one in inside)


def _name(error: BaseException) -> str:
    if isinstance(error, Unquoted):
        return str(error)
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    is_ours = isinstance(error, GatewayError) and not isinstance(error, ConfigurationError)
    return f"{kind}: {error}" if is_ours else kind
