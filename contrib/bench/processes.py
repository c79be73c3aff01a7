"""The processes that are measured: started, watched through /proc, and always stopped."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
TICK = 1 / os.sysconf("SC_CLK_TCK")
STOPPING = 40.0
"""Seconds that a process may take to stop: a daemon lets what it began finish."""


class Process:
    """A running process and its children."""

    def __init__(self, popen: subprocess.Popen[str], log: Path | None = None) -> None:
        self.popen = popen
        self._log = log

    def cpu(self) -> float:
        """Return the seconds of CPU it has used, with its children's, to 1/100 s."""
        return sum(_cpu(pid) for pid in _family(self.popen.pid))

    def resident(self) -> int:
        """Return the bytes it holds in memory now."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """Return the most bytes it held in memory since ``forget_peak``."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        """Begin to watch for a new peak (proc(5), clear_refs)."""
        Path(f"/proc/{self.popen.pid}/clear_refs").write_text("5")

    def check_alive(self) -> None:
        """Raise RuntimeError, with the end of its log, where the process is gone."""
        if self.popen.poll() is not None:
            log = self._log.read_text("utf-8", "replace")[-2000:] if self._log else ""
            raise RuntimeError(f"{self.popen.args!r} ended with {self.popen.returncode}\n{log}")

    def stop(self) -> None:
        self.popen.terminate()
        try:
            self.popen.wait(STOPPING)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.popen.pid}/status").read_text().splitlines():
            key, _, value = line.partition(":")
            if key == name:
                return int(value.split()[0]) * 1024
        raise RuntimeError(f"no {name} of process {self.popen.pid}")


@contextlib.contextmanager
def gateway(command: Sequence[str], settings: Path, level: str) -> Iterator[Process]:
    """Run a command of the gateway as a user would; its log is beside the settings."""
    log = settings.with_name(f"{command[0]}.log")
    arguments = ["-P", "-m", "gateway", *command, "-c", str(settings), "--log-level", level]
    with log.open("w") as output:
        popen = subprocess.Popen(
            [sys.executable, *arguments], stdout=output, stderr=output, text=True
        )
    process = Process(popen, log)
    try:
        yield process
        process.check_alive()
    finally:
        process.stop()


@contextlib.contextmanager
def script(name: str, *arguments: str) -> Iterator[Process]:
    """Run a script of this folder, with pipes to its input and from its output."""
    popen = subprocess.Popen(
        [sys.executable, str(HERE / name), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with popen:
        process = Process(popen)
        try:
            yield process
        finally:
            process.stop()


def _cpu(pid: int) -> float:
    """Return utime + stime (proc(5), fields 14 and 15); 0 for a process that has just gone."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) * TICK if fields else 0.0


def _family(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    family = [pid]
    for member in family:
        family += parents.get(member, ())
    return family


def _stat(pid: int) -> list[str]:
    """Return the fields after the name of the process, which may itself hold spaces."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
