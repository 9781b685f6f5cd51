"""What metrics cost: their processor time as a share of each service's, under a load.

    python -m loadtests.metrics_cost [--documents 60] [--requests 2000]

Wall-clock comparisons of two runs drown a percent in noise. Instead every update that a run made is
counted (a counter's value, a histogram's count; byte and word counters are one update each time
and counted with the histogram beside them), multiplied by what one update costs, measured here in
processor time, and a scrape every 15 s is added at its measured cost. The sum is divided by the
processor time that the service and its children used.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import psutil
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.service import NAMES
from deploy.local.stack import Stack
from docmill.testing.documents import dense_page
from tests.stack.flow import caller
from tests.stack.whole import whole_stack

LIMIT = 0.01
SCRAPE_EVERY = 15.0  # seconds
LUMPS = ("_bytes", "_words", "_rows")  # counters that rise by more than one at a time
TRIES = 100_000


@dataclass(frozen=True)
class Cost:
    """One service's figures over the run."""

    updates: float
    seconds: float  # of processor time, the service and its children
    metrics_seconds: float

    @property
    def share(self) -> float:
        return self.metrics_seconds / self.seconds


def cpu_of(work: Callable[[], object], tries: int) -> float:
    """Return the processor seconds of one call."""
    began = time.process_time()
    for _ in range(tries):
        work()
    return (time.process_time() - began) / tries


def update_cost() -> float:
    """Return the dearer of the two kinds of update, with its labels looked up."""
    registry = CollectorRegistry()
    counter = Counter("c", "c", ["a", "b"], registry=registry)
    histogram = Histogram("h", "h", ["a", "b"], registry=registry)
    return max(
        cpu_of(lambda: counter.labels("x", "y").inc(), TRIES),
        cpu_of(lambda: histogram.labels("x", "y").observe(0.3), TRIES),
    )


def updates(text: str) -> float:
    """Count the updates behind a service's metrics."""
    total = 0.0
    for family in text_string_to_metric_families(text):
        if not family.name.startswith("docmill_") or family.name.endswith(LUMPS):
            continue
        counted = {"counter": "_total", "histogram": "_count"}.get(family.type)
        if counted:
            total += sum(each.value for each in family.samples if each.name.endswith(counted))
    return total


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process, of those it started, and of those that ended."""
    first = psutil.Process(pid)
    times = [each.cpu_times() for each in (first, *first.children(recursive=True))]
    return float(sum(t.user + t.system + t.children_user + t.children_system for t in times))


def scrape_cost(stack: Stack, name: str) -> float:
    """Return the processor time of one scrape, health server and all."""
    service = stack.services[name]
    pid = service.process.pid or 0
    with httpx.Client(base_url=service.health) as http:
        before = cpu_seconds(pid)
        for _ in range(50):
            http.get("/metrics").raise_for_status()
        return (cpu_seconds(pid) - before) / 50


def load(stack: Stack, documents: int, requests: int) -> None:
    with caller(stack) as client:
        sent = [client.upload(dense_page(seed), f"{seed}.png") for seed in range(documents)]
        for _ in range(requests):
            client.http.get("/v1/usage").raise_for_status()
        client.ended(sent, within=600)


def measured(stack: Stack, name: str, one: float, lasted: float, before: float) -> Cost:
    service = stack.services[name]
    seconds = cpu_seconds(service.process.pid or 0) - before
    made = updates(httpx.get(f"{service.health}/metrics").text)
    scrapes = lasted / SCRAPE_EVERY * scrape_cost(stack, name)
    return Cost(made, seconds + scrapes, made * one + scrapes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--requests", type=int, default=2000)
    asked = parser.parse_args()
    one = update_cost()
    with whole_stack() as stack:
        pids = {name: stack.services[name].process.pid or 0 for name in NAMES}
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        began = time.monotonic()
        load(stack, asked.documents, asked.requests)
        lasted = time.monotonic() - began
        found = {name: measured(stack, name, one, lasted, before[name]) for name in NAMES}
    print(f"one update: {one * 1e6:.1f} microseconds of processor time; the run: {lasted:.0f} s")
    for name, cost in found.items():
        print(
            f"{name:12} {cost.updates:8.0f} updates  {cost.seconds:8.2f} s CPU"
            f"  metrics {cost.metrics_seconds * 1000:7.1f} ms = {cost.share:.3%}"
        )
    every = Cost(
        sum(cost.updates for cost in found.values()),
        sum(cost.seconds for cost in found.values()),
        sum(cost.metrics_seconds for cost in found.values()),
    )
    print(f"{'together':12} {every.share:.3%} of the processor time (limit {LIMIT:.0%})")
    return 0 if every.share <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
