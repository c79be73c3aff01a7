"""Benchmarks of the queues on S3 and SQS: ``python contrib/bench/bucket.py``; see README.md."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import bucket_report as report
import machine
from borrowed import Cloud
from bucket_calls import CALLERS, Effort, Run, Scaling, busy, idle, scaling
from cloud import KINDS, cloud
from processes import HERE

WHOLE = Effort(calls=1000, alone=60, slow_rounds=12, idle=260.0)
QUICK = Effort(calls=250, alone=30, slow_rounds=8, idle=66.0)
RESULTS = HERE / "results-bucket.md"


def main() -> None:
    """Measure, print, and with ``--save`` write results-bucket.md."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    kinds = [options.kind] if options.kind else list(KINDS)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        lines = list(_sections(kinds, QUICK if options.quick else WHOLE, folder))
    if options.save:
        RESULTS.write_text("\n".join(["# Results on S3 and SQS", "", *lines]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer calls")
    parser.add_argument("--kind", choices=KINDS, help="only this kind of queue")
    parser.add_argument("--save", action="store_true", help=f"write the tables to {RESULTS.name}")
    return parser.parse_args()


def _sections(kinds: Sequence[str], effort: Effort, folder: Path) -> Iterator[str]:
    """Measure; print each section when it is there, and yield its lines."""
    heads = [f"- {name}: {value}" for name, value in machine.described(folder)]
    heads += [f"- {effort.calls} calls by {CALLERS} callers", *report.conditions()]
    yield from _section("What was measured on", heads)
    with cloud(folder) as started:
        runs, scalings = _measured(kinds, effort, started, folder)
        crowded = [run for run in runs if run.callers > 1]
        yield from _section("Prices", report.price_list())
        yield from _section("Requests for a call", report.request_table(crowded))
        yield from _section("Dollars for a million calls", report.cost_table(crowded))
        yield from _section("CPU for a call, in milliseconds", report.cpu_table(crowded))
        yield from _section("How soon replies are there", report.latency_table(runs))
        yield from _section("Gateways beside each other", report.scaling_table(scalings))
        print("measuring: idle", file=sys.stderr)
        at_rest = idle(kinds, effort, started, folder)
        yield from _section("One gateway with nothing to do", report.idle_table(at_rest))


def _measured(
    kinds: Sequence[str], effort: Effort, started: Cloud, folder: Path
) -> tuple[list[Run], list[Scaling]]:
    runs: list[Run] = []
    scalings: list[Scaling] = []
    for kind in kinds:
        print(f"measuring: {kind}", file=sys.stderr)
        runs += busy(kind, effort, started, folder)
        scalings.append(scaling(kind, effort, started, folder))
    return runs, scalings


def _section(title: str, lines: Sequence[str]) -> list[str]:
    section = [f"## {title}", "", *lines, ""]
    print("\n".join(section), flush=True)
    return section


if __name__ == "__main__":
    main()
