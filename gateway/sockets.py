"""Facts about a connection that no library offers."""

from __future__ import annotations

import asyncio
import select

NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
"""OpenSSL's reasons for an answer that is not TLS; the second since OpenSSL 3.2."""


def has_unread(transport: asyncio.BaseTransport | None) -> bool:
    """Tell whether unread bytes, or the end of the stream, have arrived."""
    if transport is None:
        return True
    waiting = select.poll()
    waiting.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(waiting.poll(0))
