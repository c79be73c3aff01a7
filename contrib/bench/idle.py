"""What a gateway and a listener use while nothing happens."""

from __future__ import annotations

import time
from pathlib import Path

from client import Task
from place import place

SETTLING = 2.0


def idle(seconds: float, folder: Path) -> dict[str, float]:
    """Return the per cent of a core that each daemon uses with nothing to do."""
    with place(folder, level="info") as here:
        here.load.perform(
            Task(url=here.through, operation="Echo", callers=1, calls=10, seconds=30.0)
        )
        time.sleep(SETTLING)
        daemons = {name: here.parts[name] for name in ("serve", "listen")}
        began = time.monotonic()
        before = {name: daemon.cpu() for name, daemon in daemons.items()}
        time.sleep(seconds)
        took = time.monotonic() - began
        return {
            name: 100 * (daemon.cpu() - before[name]) / took for name, daemon in daemons.items()
        }
