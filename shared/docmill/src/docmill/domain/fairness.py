"""Start-time fair queueing over tenants: who is served next (Goyal, Vin and Cheng 1996).

Each tenant has a virtual time; serving it raises that by cost / weight. The lowest goes first, so
over time each backlogged tenant gets service in proportion to its weight. A tenant that becomes
backlogged starts at the clock V, the start tag of the last pick: idling saves nothing up.
"""

import heapq
import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """A ready task at the head of its tenant's line."""

    task: int
    cost: float
    buckets: tuple[str, ...] = ()  # each must have a token for it


@dataclass(slots=True)
class Line:
    """One backlogged tenant: its virtual time, weight and ready tasks in its own order."""

    tenant: str
    vtime: float
    weight: float
    tasks: deque[Candidate]


@dataclass(frozen=True, slots=True)
class Picked:
    """Which tasks go out, each tenant's new virtual time, and the clock."""

    tasks: Sequence[int]
    vtimes: dict[str, float]
    clock: float


def pick(
    lines: Iterable[Line], *, free: int, clock: float, tokens: Mapping[str, int] | None = None
) -> Picked:
    """Pick at most `free` tasks, lowest virtual time first; ties go by tenant, so it is total.

    `tokens` is what the buckets hold that matter: who finds one empty is passed over, uncharged.
    """
    left = Counter(tokens or {})
    heap = [(line.vtime, line.tenant, line) for line in lines if line.tasks]
    heapq.heapify(heap)
    tasks: list[int] = []
    vtimes: dict[str, float] = {}
    while heap and len(tasks) < free:
        start, tenant, line = heapq.heappop(heap)
        candidate = line.tasks.popleft()
        if all(left[bucket] > 0 for bucket in candidate.buckets):
            left.subtract(candidate.buckets)
            tasks.append(candidate.task)
            clock = max(clock, start)
            line.vtime = start + candidate.cost / line.weight
            vtimes[tenant] = line.vtime
        if line.tasks:
            heapq.heappush(heap, (line.vtime, tenant, line))
    return Picked(tasks, vtimes, clock)


def window(slots: int, *, tick_seconds: float, task_seconds: float) -> int:
    """Return how many tasks of a pool may be queued or running, so that no slot waits a tick.

    Beside one a slot: what the pool finishes in two ticks, at least a spare two. What is queued
    stands in front of whoever comes next, so it is no more than that.
    """
    finished = math.ceil(2 * slots * tick_seconds / max(task_seconds, 1e-6))
    return slots + min(max(finished, min(slots, 2)), 15 * slots)
