"""A process that is stopped while it holds the embedded queue."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Stops in the middle of a commit, as under SIGSTOP, or in a machine that is frozen.
STOPPED = """
import asyncio, signal, sys, threading
from pathlib import Path
from gateway.queues.embedded.queue import SqliteQueue

def stop(connection):
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

async def main():
    queue = await SqliteQueue.open(Path(sys.argv[1]))
    await queue._file.write(stop)

asyncio.run(main())
"""


@contextlib.contextmanager
def stopped(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have a process stop in its turn at a queue file; yield it once it has."""
    process = subprocess.Popen([sys.executable, "-c", STOPPED, path])
    try:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        yield process
    finally:
        process.kill()
        process.wait()
