"""The tables of ``bucket.py``: the same text for the terminal and for results-bucket.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bucket_calls import GATEWAYS, Idle, Run, Scaling
from cloud import CONCURRENCY, LATENCY
from machine import percentile
from prices import FLOOR, PRICES, SQS, SQS_ALONE
from report import table, verdict

COSTS = {
    ("plain S3", "Echo"): 18.0,
    ("plain S3", "EchoOnce"): 18.0,
    ("doorbell", "Echo"): 12.0,
    ("doorbell", "EchoOnce"): 17.0,
    ("SQS, replies in S3", "Echo"): 8.0,
    ("SQS, replies in S3", "EchoOnce"): 13.0,
}
"""Goals, in dollars for a million calls, the client's share included."""
CPU = {"plain S3": 3.0, "doorbell": 3.0, "SQS, replies in S3": 2.0, "SQS FIFO": 2.0}
"""Goals, in milliseconds for a call, of all gateways."""
IDLE = {"doorbell": 0.30}
"""Goals, in dollars a month."""
IN_TIME = 0.95
RATIO = 3.5
OPERATIONS = {"Echo": "repeatable", "EchoOnce": "at most once"}
S3 = tuple(PRICES)


def price_list() -> list[str]:
    """Return the prices that everything is reckoned with."""
    rows = [(kind, f"{price:.2f}") for kind, price in PRICES.items()]
    rows += [("any of SQS", f"{SQS:.2f}"), ("the same, idle", f"{SQS_ALONE:.2f}")]
    return table(("request", "$ for a million"), rows)


def request_table(runs: Iterable[Run]) -> list[str]:
    """Return the requests for a call, of each side."""
    rows: list[Sequence[str]] = []
    for run in runs:
        name = (run.kind, OPERATIONS[run.operation])
        rows.append((*name, "gateways", *_requests(run.gateways, run.calls)))
        rows.append((*name, "client", *_requests(run.client, run.calls)))
    return table(("queue", "calls", "whose", "of S3", "of SQS"), rows)


def _requests(counts: Mapping[str, int], calls: int) -> tuple[str, str]:
    """Return the requests for a call, by kind: those of S3, those of SQS."""
    told = {kind: f"{kind} {number / calls:.2f}" for kind, number in sorted(counts.items())}
    of_s3 = ", ".join(text for kind, text in told.items() if kind in S3)
    return of_s3, ", ".join(text for kind, text in told.items() if kind not in S3)


def cost_table(runs: Iterable[Run]) -> list[str]:
    """Return the dollars for a million calls."""
    rows = []
    for run in runs:
        gateways, client = run.cost()
        whole = gateways + client
        goal = COSTS.get((run.kind, run.operation))
        kept = ("", "") if goal is None else (f"<= {goal:g}", verdict(whole <= goal))
        floor = f"{FLOOR:.2f}" if "SQS" not in run.kind else ""
        costs = (f"{gateways:.2f}", f"{client:.2f}", f"{whole:.2f}", floor)
        rows.append((run.kind, OPERATIONS[run.operation], *costs, *kept))
    columns = ("queue", "calls", "gateways $", "client $", "sum", "floor", "goal", "kept")
    return table(columns, rows)


def idle_table(measured: Iterable[Idle]) -> list[str]:
    """Return what one gateway with nothing to do asks, and what it costs in a month."""
    rows = []
    for one in measured:
        goal = IDLE.get(one.kind)
        cost = one.cost()
        kept = ("", "") if goal is None else (f"<= {goal:.2f}", verdict(cost <= goal))
        requests = ", ".join(f"{kind} {n}" for kind, n in sorted(one.requests.items()))
        rows.append((one.kind, f"{one.seconds:.0f}", requests, f"{cost:.2f}", *kept))
    return table(("queue", "seconds", "requests", "$ a month", "goal", "kept"), rows)


def cpu_table(runs: Iterable[Run]) -> list[str]:
    """Return the milliseconds of CPU for a call."""
    rows = []
    for run in runs:
        spent = 1000 * run.cpu / run.calls
        rate, client = f"{run.calls / run.seconds:.0f}", f"{1000 * run.client_cpu / run.calls:.2f}"
        goal = CPU[run.kind]
        kept = (f"<= {goal:g}", verdict(spent <= goal))
        rows.append((run.kind, OPERATIONS[run.operation], rate, client, f"{spent:.2f}", *kept))
    return table(("queue", "calls", "calls/s", "client", "gateways", "goal", "kept"), rows)


def latency_table(runs: Iterable[Run]) -> list[str]:
    """Return end-to-end latencies, and how soon replies are seen after they were stored."""
    rows = []
    for run in runs:
        whole = [f"{1000 * percentile([r.whole for r in run.replies], p):.0f}" for p in _PERCENTS]
        late = [f"{percentile([r.late for r in run.replies], p) / run.trip:.1f}" for p in _PERCENTS]
        share = run.in_time()
        ending = (f"{100 * share:.0f} %", verdict(share >= IN_TIME))
        name = (run.kind, OPERATIONS[run.operation], f"{run.callers}")
        rows.append((*name, *whole, f"{1000 * run.trip:.0f}", *late, *ending))
    columns = ("queue", "calls", "callers", "ms p50", "p95", "p99", "trip")
    return table((*columns, "trips late p50", "p95", "p99", "in time", ">= 95 %"), rows)


_PERCENTS = (50, 95, 99)


def scaling_table(measured: Iterable[Scaling]) -> list[str]:
    """Return how many times the calls of one gateway some carry out."""
    columns = ("queue", "one: calls/s", f"{GATEWAYS}: calls/s", "ratio", "goal >= 3.5")
    rows = [
        (
            one.kind,
            f"{one.one:.1f}",
            f"{one.many:.1f}",
            f"{one.ratio:.2f}",
            verdict(one.ratio >= RATIO),
        )
        for one in measured
    ]
    return table(columns, rows)


def conditions() -> Iterator[str]:
    """Yield what was the same for all measurements."""
    yield f"- each request to the cloud is delayed by {1000 * LATENCY:.0f} ms"
    yield f"- {GATEWAYS} gateways of {CONCURRENCY} concurrent calls each, one client process"
