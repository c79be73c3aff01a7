"""Reading files again because somebody asks for it, though none has changed."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from gateway.errors import ConfigurationError
from gateway.listening.tls import Reread, keep_fresh

LONGEST = 60.0


async def test_all_files_are_read_again_and_one_that_is_of_no_use_stops_nothing(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    read: list[str] = []

    def broken() -> None:
        raise ConfigurationError("listener.tls: it is no certificate.")

    rereads = [
        Reread([tmp_path / "broken.pem"], broken),
        Reread([tmp_path / "credentials"], lambda: read.append("credentials")),
    ]
    asked = asyncio.Event()
    keeping = asyncio.create_task(keep_fresh(rereads, asked))
    for times in (1, 2):
        asked.set()
        async with asyncio.timeout(LONGEST):
            while len(read) < times:
                await asyncio.sleep(0.01)
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    assert caplog.text.count("What was read before stays in use.") == 2
    assert caplog.text.count("read again: credentials; secrets, the keys") == 2
