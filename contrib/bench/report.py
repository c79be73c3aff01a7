"""The tables of a run: the same text for the terminal and for results.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from machine import cores, percentile
from memory import Backlog, LargeReply
from speed import FSYNCS, Pair, Run, Single, Way

RATIO_GOAL = 0.25
ABOVE_GOAL = 6e-3
IDLE_GOAL = 1.0
BACKLOG_GOAL = 150 << 20
LARGE_GOAL = 200 << 20
PARTS = ("client", "listen", "serve", "up", "backend")

RATE_COLUMNS = ("way", "direct/s", "through/s", "ratio: min", "median", "max", "goal >= 0.25")
CPU_COLUMNS = ("way", *PARTS, "sum", "of all cores", "others had")
SINGLE_COLUMNS = (
    *("operation", "direct p50", "p99", "through p50", "p99", "fsync p50", "fsyncs"),
    *("above direct and fsyncs", "goal <= 6 ms"),
)


def rate_table(measured: Mapping[Way, Sequence[Pair]]) -> list[str]:
    """Return the table of rates: medians, and the ratios of the rounds."""
    rows = []
    for way, pairs in measured.items():
        ratios = [pair.ratio for pair in pairs]
        middle = statistics.median(ratios)
        rows.append(
            (
                way.name,
                f"{statistics.median(pair.direct.rate for pair in pairs):.0f}",
                f"{statistics.median(pair.through.rate for pair in pairs):.0f}",
                f"{min(ratios):.3f}",
                f"{middle:.3f}",
                f"{max(ratios):.3f}",
                verdict(middle >= RATIO_GOAL),
            )
        )
    return table(RATE_COLUMNS, rows)


def cpu_table(measured: Mapping[Way, Sequence[Pair]]) -> list[str]:
    """Return the table of CPU for a call, in microseconds: medians of the rounds."""
    rows = [_cpu_row("direct", [pair.direct for pairs in measured.values() for pair in pairs])]
    rows += [
        _cpu_row(way.name, [pair.through for pair in pairs]) for way, pairs in measured.items()
    ]
    return table(CPU_COLUMNS, rows)


def _cpu_row(name: str, runs: Sequence[Run]) -> Sequence[str]:
    whole = statistics.median(sum(run.cpu.values()) for run in runs)
    used = statistics.median(sum(run.cpu.values()) * run.rate for run in runs) / cores()
    others = statistics.median(run.others for run in runs)
    known = runs[0].cpu
    parts = [
        f"{1e6 * statistics.median(run.cpu[part] for run in runs):.0f}" if part in known else ""
        for part in PARTS
    ]
    return (name, *parts, f"{1e6 * whole:.0f}", f"{100 * used:.0f} %", f"{100 * others:.0f} %")


def single_table(measured: Iterable[Single]) -> list[str]:
    """Return the table of one caller, in milliseconds."""
    rows = []
    for one in measured:
        beyond = one.beyond_fsyncs()
        quantiles = [
            f"{1000 * percentile(values, percent):.2f}"
            for values in (one.direct, one.through)
            for percent in (50, 99)
        ]
        fsync = f"{1000 * percentile(one.fsyncs, 50):.2f}"
        last = (f"{1000 * beyond:.2f}", verdict(beyond <= ABOVE_GOAL))
        rows.append((one.operation, *quantiles, fsync, str(FSYNCS[one.operation]), *last))
    return table(SINGLE_COLUMNS, rows)


def footprint_table(idle: Mapping[str, float], backlog: Backlog, large: LargeReply) -> list[str]:
    """Return the table of what is used beside the calls."""
    rows = [
        (f"idle, {name}", f"{used:.2f} % of a core", "< 1 %", verdict(used < IDLE_GOAL))
        for name, used in idle.items()
    ]
    for what, peak in (("held back", backlog.held), ("drained", backlog.drained)):
        more = peak - backlog.start
        row = f"{backlog.waiting} waiting, {what}: serve above its start"
        rows.append((row, megabytes(more), "<= 150 MiB", verdict(more <= BACKLOG_GOAL)))
    for name, more in large.more.items():
        row = f"a reply of {megabytes(large.size)} passes: {name} above before"
        rows.append((row, megabytes(more), "<= 200 MiB", verdict(more <= LARGE_GOAL)))
    rows.append(("the same reply, all the way", f"{large.seconds:.2f} s", "", ""))
    rows.append((f"{backlog.waiting} filled in, pipelined", f"{backlog.fill_rate:.0f}/s", "", ""))
    rows.append((f"{backlog.waiting} drained", f"{backlog.drain_rate:.0f}/s", "", ""))
    return table(("what", "measured", "goal", "kept"), rows)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a Markdown table that a terminal shows straight as well."""
    cells = [tuple(columns), *map(tuple, rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def verdict(is_kept: bool) -> str:
    return "yes" if is_kept else "NO"


def megabytes(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"
