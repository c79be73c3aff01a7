"""What was measured on: the machine, the versions, and what a write to its disk costs."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("aiohttp", "lxml", "uvloop", "zeep")
IN_MEMORY = ("tmpfs", "ramfs")
PAGE = bytes(4096)


def described(folder: Path) -> list[tuple[str, str]]:
    """Return what a reader needs to compare the numbers with others."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return [
        ("date", time.strftime("%Y-%m-%d", time.gmtime())),
        ("CPU", f"{_first('/proc/cpuinfo', 'model name')}, {cores()} cores"),
        ("memory", f"{int(_first('/proc/meminfo', 'MemTotal').split()[0]) / (1 << 20):.1f} GiB"),
        ("kernel", f"{platform.system()} {platform.release()}"),
        ("queue's file system", file_system(folder)),
        ("Python", f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}"),
        ("libraries", libraries),
    ]


def cores() -> int:
    """Return how many cores this process, and those that it starts, may use."""
    return len(os.sched_getaffinity(0))


def busy_seconds() -> float:
    """Return the seconds of CPU that the machine has used since it started (proc(5), stat)."""
    user, nice, system, _, _, irq, softirq, *_ = Path("/proc/stat").read_text().split()[1:]
    ticks = sum(map(int, (user, nice, system, irq, softirq)))
    return ticks / os.sysconf("SC_CLK_TCK")


def file_system(folder: Path) -> str:
    """Return the type of the file system that holds a folder."""
    place = str(folder.resolve())
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mounted, kind, *_ = line.split()
        holds = mounted == "/" or place == mounted or place.startswith(f"{mounted}/")
        if holds and len(mounted) >= len(best[0]):
            best = (mounted, kind)
    return best[1]


def fsync_costs(folder: Path, times: int) -> list[float]:
    """Return the seconds that each of so many writes of 4 KB took to reach the disk."""
    path = folder / "fsync"
    costs = []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            began = time.perf_counter()
            file.write(PAGE)
            os.fdatasync(file)
            costs.append(time.perf_counter() - began)
    path.unlink()
    return costs


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that so many per cent of the values do not exceed."""
    if percent == 50:
        return statistics.median(values)
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _first(path: str, wanted: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == wanted:
            return value.strip()
    return "unknown"
