"""All benchmarks: ``python contrib/bench/run.py [--quick] [--save]``; README.md explains them."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import machine
import report
from idle import idle
from memory import backlog, large_reply
from speed import WAYS, Effort, rates, single

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / ".bench"
WHOLE = Effort(rounds=7, seconds=5.0, single_calls=300, fsyncs=100)
QUICK = Effort(rounds=2, seconds=2.0, single_calls=100, fsyncs=50)
WAITING = 10_000
IDLE_SECONDS = {True: 5.0, False: 20.0}


def main() -> None:
    """Measure, print, and with ``--save`` write results.md."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with _folder(options.folder) as folder:
        if machine.file_system(folder) in machine.IN_MEMORY:
            sys.exit(f"{folder} is in memory, where an fsync costs nothing: choose --folder")
        lines = list(_sections(folder, QUICK if options.quick else WHOLE, options.quick))
    if options.save:
        (HERE / "results.md").write_text("\n".join(["# Results", "", *lines]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--save", action="store_true", help="write the tables to results.md")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the queue files are")
    return parser.parse_args()


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """Make the folder; remove it where nothing else is in it."""
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.rmdir()


def _sections(folder: Path, effort: Effort, quick: bool) -> Iterator[str]:
    """Measure section by section; print each line when it is there, and yield it."""
    heads = [f"- {name}: {value}" for name, value in machine.described(folder)]
    heads.append(
        f"- rounds: {effort.rounds} of {effort.seconds:g} s, {'quick' if quick else 'whole'}"
    )
    yield from _printed("What was measured on", heads)
    pairs = {}
    for way in WAYS:
        print(f"measuring: {way.name}", file=sys.stderr)
        pairs[way] = rates(way, effort, folder)
    yield from _printed("Calls a second, 1 KB, 32 at once", report.rate_table(pairs))
    yield from _printed("CPU for a call, in microseconds", report.cpu_table(pairs))
    singles = [single(operation, effort, folder) for operation in ("Echo", "EchoOnce")]
    yield from _printed("One caller, in milliseconds", report.single_table(singles))
    footprint = report.footprint_table(
        idle(IDLE_SECONDS[quick], folder), backlog(WAITING, folder), large_reply(folder)
    )
    yield from _printed("At rest, and in memory", footprint)


def _printed(title: str, lines: Sequence[str]) -> list[str]:
    section = [f"## {title}", "", *lines, ""]
    print("\n".join(section), flush=True)
    return section


if __name__ == "__main__":
    main()
