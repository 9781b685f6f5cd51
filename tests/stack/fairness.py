"""What fairness promises, each put to the real dispatcher on a shop floor and told as a figure."""

import math
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from docmill.adapters.postgres.tenants import Tenants
from docmill.domain.document import Priority
from docmill.domain.task import Pool, Stage
from tests.stack.floor import Floor
from tests.stack.ledger import Desk, product

_WINDOW: Final = 4  # of a pool without workers
SLOTS: Final = {Pool.VALIDATOR: 2, Pool.OCR: 8, Pool.THUMBNAILER: 4, Pool.NOTIFIER: 2}


def p95(values: Sequence[float]) -> float:
    """The 95th percentile, by the nearest rank: of ten values the largest."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def jain(shares: Sequence[float]) -> float:
    """Jain's index: 1 when all have the same, 1/n when one has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0


# ── a flood ─────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Flood:
    """How long a tenant's documents took alone and behind another's flood, in floor seconds."""

    alone: Sequence[float]
    behind: Sequence[float]

    @property
    def ratio(self) -> float:
        return p95(self.behind) / p95(self.alone)


def flood(alone: Desk, flooded: Desk, *, pages: int, after: float, documents: int = 10) -> Flood:
    """Let one tenant bring so many pages, and another a few documents a while later."""
    floor = Floor(flooded, SLOTS)
    flooded.tenant("flood")
    for _ in range(pages // 100):
        floor.upload("flood", pages=100)
    floor.run(after)
    return Flood(_few(Floor(alone, SLOTS), documents), _few(floor, documents))


def _few(floor: Floor, documents: int) -> list[float]:
    floor.desk.tenant("few")
    mine = [floor.upload("few") for _ in range(documents)]
    floor.run(3600, until=lambda: all(each in floor.ended for each in mine))
    return floor.waits(mine)


# ── shares ──────────────────────────────────────────────────────────────────────────────────────
def shared_out(
    desk: Desk,
    weights: Mapping[str, float],
    *,
    seconds: float,
    caps: Mapping[str, int] | None = None,
) -> Floor:
    """Let tenants with more pages than there is time for share the OCR slots for a while.

    Every other has its pages in documents of five, the others in documents of twenty.
    """
    floor = Floor(desk, {Pool.OCR: SLOTS[Pool.OCR]})
    most = seconds * SLOTS[Pool.OCR] * 1.5 / sum(weights.values())
    for index, (tenant, weight) in enumerate(weights.items()):
        desk.tenant(tenant, weight=weight, max_running=(caps or {}).get(tenant))
        size = 20 if index % 2 else 5
        for _ in range(math.ceil(most * weight / size)):
            floor.upload(tenant, pages=size)
    floor.validated()
    floor.run(seconds)
    return floor


def shares(floor: Floor) -> dict[str, float]:
    """Tell what each tenant had of all the pages that were read."""
    pages = {
        tenant: tasks for (tenant, stage), tasks in floor.done.items() if stage is Stage.RECOGNISE
    }
    return {tenant: tasks / sum(pages.values()) for tenant, tasks in pages.items()}


# ── a flood of critical work ────────────────────────────────────────────────────────────────────
def patience(desk: Desk, *, step: timedelta = timedelta(seconds=30)) -> timedelta:
    """How long a batch document waits for its turn while its tenant's critical work never ends.

    What waits is aged by hand, a step a round, in which the window is worked off once.
    """
    desk.tenant("busy")
    patient = desk.accept("busy", priority=Priority.BATCH).document
    waited = timedelta()
    while waited < timedelta(hours=2):
        for _ in range(4 * _WINDOW):
            desk.accept("busy", priority=Priority.CRITICAL)
        claims = desk.claims(Pool.VALIDATOR)
        if any(claim.document == patient for claim in claims):
            break
        for claim in claims:
            desk.ledger.commit(claim, product(claim, pages=1, text=1))
        waited += step
        desk.do(
            "UPDATE task SET ready_at = ready_at - %(step)s WHERE state = 'ready'", {"step": step}
        )
    return waited


# ── rates ───────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Rated:
    """Starts within a time that was really waited for; `limit` is what the rate allows in it."""

    started: int
    limit: float


def rated(desk: Desk, *, tenant_rate: float, stage_rate: float, seconds: float) -> dict[str, Rated]:
    """Let three dispatchers pick at once for a limited tenant and, after it, a limited stage."""
    desk.tenant("limited", starts_per_second=tenant_rate)
    _more(desk, ["limited", "free"], int(2 * seconds * tenant_rate))
    started, took = _three(desk, seconds)
    told = {"tenant": Rated(started["limited"], tenant_rate * (took + 1))}
    _more(desk, ["one", "another"], int(2 * seconds * stage_rate))
    Tenants(desk.database).limit_stage(Stage.VALIDATE, stage_rate)
    started, took = _three(desk, seconds)
    return told | {"stage": Rated(started.total(), stage_rate * (took + 1))}


def _more(desk: Desk, tenants: Sequence[str], documents: int) -> None:
    for tenant in tenants:
        desk.tenant(tenant)
        for _ in range(documents):
            desk.accept(tenant)


def _three(desk: Desk, seconds: float) -> tuple[Counter[str], float]:
    began = time.monotonic()
    started: Counter[str] = Counter()
    lock = threading.Lock()

    def dispatch(_: int) -> None:
        while time.monotonic() < began + seconds:
            for claim in desk.claims(Pool.VALIDATOR):
                with lock:
                    started[claim.tenant] += 1
                desk.ledger.commit(claim, product(claim, pages=1, text=1))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(dispatch, range(3)))
    return started, time.monotonic() - began
