"""What the system knows of a connection, and no library asks it for."""

from __future__ import annotations

import asyncio
import select

NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
"""What OpenSSL makes of an answer that is none of TLS; the second since OpenSSL 3.2."""


def has_unread(transport: asyncio.BaseTransport | None) -> bool:
    """Tell whether something has come that was not read yet: bytes, or the end."""
    if transport is None:
        return True
    waiting = select.poll()
    waiting.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(waiting.poll(0))
