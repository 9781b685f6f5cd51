"""From the call that cancels to the dead child, on a stack of its own with the usual times.

    make cancelling [ARGS="--rounds 30"]

Each round uploads small print, which takes seconds to read, waits until every slot reads, and
cancels: a document, a batch, a tenant, in turn; what waits behind is cancelled with the latter two.
Prints the times and exits 1 when the 99th percentile is over two seconds.
"""

import argparse
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Final

import httpx
import psutil

from deploy.local.stack import Stack
from docmill.adapters.postgres.lifecycle import PostgresLifecycle
from docmill.ops.logging import configure
from docmill.testing.passage import prose
from docmill.testing.pictures import Sheet, encoded, printed
from tests.stack.flow import Inspector, caller, inspector
from tests.stack.wait import until
from tests.stack.whole import whole_stack

PROMISE: Final = 2.0  # seconds
SLOTS: Final = 2
WORK: Final = 0.1  # seconds of processor time
BEHIND: Final = 6  # documents that are waiting or queued
WAYS: Final = ("document", "batch", "tenant")


@dataclass(frozen=True, slots=True)
class Round:
    """Documents that are being read and documents that wait, of one tenant and in one batch."""

    tenant: str
    batch: str
    documents: Sequence[str]


def small_print(seed: int) -> bytes:
    """A page of several seconds."""
    page = printed([prose(seed, 9000)], Sheet(dpi=300, points=6))
    return encoded(page, "PNG", dpi=(300, 300))


def begun(
    stack: Stack, inspect: Inspector, client: httpx.Client, tenant: str, pages: Sequence[bytes]
) -> Round:
    """Upload until every slot of the OCR worker reads and others wait."""
    batch = str(client.post("/v1/batches", json={}).raise_for_status().json()["id"])
    documents = [
        str(
            client
            .post("/v1/documents", params={"batch": batch}, content=page)
            .raise_for_status()
            .json()["id"]
        )
        for page in pages
    ]
    until(lambda: inspect.running() == SLOTS)
    idle = children(stack)
    until(lambda: _busier(idle, children(stack)) == SLOTS)
    return Round(tenant, batch, documents)


def children(stack: Stack) -> dict[int, float]:
    """The children of the OCR worker and the processor time each has taken."""
    worker = psutil.Process(stack.services["ocr"].process.pid)
    return {each.pid: each.cpu_times().user for each in worker.children(recursive=True)}


def _busier(before: Mapping[int, float], now: Mapping[int, float]) -> int:
    """Count who has worked since: its file is fetched, and its page is being read."""
    return sum(now[pid] > before.get(pid, now[pid]) + WORK for pid in now)


def dead_after(call: Callable[[], object], alive: Iterable[int], many: int) -> list[float]:
    """Call, and tell for each of the first `many` children to die how long that took."""
    left = set(alive)
    took: list[float] = []
    began = time.monotonic()
    call()

    def look() -> bool:
        gone = {pid for pid in left if not psutil.pid_exists(pid)}
        left.difference_update(gone)
        took.extend([time.monotonic() - began] * len(gone))
        return len(took) >= many

    until(look, within=30, every=0.005)
    return took


def cancels(
    inspect: Inspector, client: httpx.Client, this: Round
) -> Mapping[str, tuple[Callable[[], object], int]]:
    """How each way is called, and how many children it ends."""
    running = inspect.rows(
        "SELECT document_id::text AS id FROM task WHERE state = 'running' AND stage = 'recognise'"
    )
    lifecycle = PostgresLifecycle(inspect.database)
    post = partial(client.post)
    return {
        "document": (partial(post, f"/v1/documents/{running[0]['id']}/cancel"), 1),
        "batch": (partial(post, f"/v1/batches/{this.batch}/cancel"), SLOTS),
        "tenant": (partial(lifecycle.cancel_tenant, this.tenant, by="loadtest"), SLOTS),
    }


def measure(stack: Stack, inspect: Inspector, rounds: int) -> dict[str, list[float]]:
    """Cancel round by round, each way in turn."""
    took: dict[str, list[float]] = defaultdict(list)
    key = stack.make_tenant("patient")
    stack.admin("tenant", "set", "patient", "--max-storage-bytes", str(10**10))
    pages = [small_print(seed) for seed in range(SLOTS + BEHIND)]
    with caller(stack, key) as client:
        for number in range(rounds):
            way = WAYS[number % len(WAYS)]
            this = begun(stack, inspect, client.http, "patient", pages)
            call, many = cancels(inspect, client.http, this)[way]
            took[way] += dead_after(call, children(stack), many)
            if way == "document":  # the only way that leaves others, who are not to wait here
                PostgresLifecycle(inspect.database).cancel_tenant("patient", by="loadtest")
            _check_over(inspect)
    return took


def _check_over(inspect: Inspector) -> None:
    open_tasks = (
        "SELECT count(*) FROM task WHERE stage <> 'thumbnail'"
        " AND state IN ('scheduled', 'ready', 'queued', 'running')"
    )
    if inspect.count(open_tasks):
        raise SystemExit("something cancelled is still to be done")


def p99(values: Sequence[float]) -> float:
    """The 99th percentile, by the nearest rank."""
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]


def main() -> int:
    """Measure, print, and exit 1 when the promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    how = parser.parse_args()
    configure("cancelling", "WARNING")
    with whole_stack(DOCMILL_SLOTS=str(SLOTS)) as stack, inspector(stack) as inspect:
        took = measure(stack, inspect, how.rounds)
        inspect.assert_invariants()
    print(f"{'cancelled':10} {'children':>8} {'p50 s':>6} {'p99 s':>6}")
    every = [each for values in took.values() for each in values]
    for way, values in [*took.items(), ("any", every)]:
        print(f"{way:10} {len(values):8} {median(values):6.2f} {p99(values):6.2f}")
    return 0 if p99(every) <= PROMISE else 1


if __name__ == "__main__":
    sys.exit(main())
