"""However many dispatchers pick at once, no cap and no rate is ever exceeded."""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from docmill.adapters.postgres.tenants import Tenants
from docmill.domain.document import Priority
from docmill.domain.fairness import window
from docmill.domain.task import Claim, Pool, Stage
from docmill.ports import Beat
from tests.stack.ledger import Desk, desk, product
from tests.stack.properties import tried
from tests.stack.template import Shelf

POOLS: Final = (Pool.VALIDATOR, Pool.OCR)
OUT: Final = """
SELECT tenant_id AS tenant, pool, count(*) AS tasks FROM task
 WHERE state IN ('queued', 'running') GROUP BY 1, 2"""


# ── caps ────────────────────────────────────────────────────────────────────────────────────────
def staffed(ledger: Desk, slots: int) -> int:
    """Have so many slots in each pool, whose tasks take a second; return the window."""
    ledger.do("UPDATE pool_clock SET task_seconds = 1")
    for pool in POOLS:
        ledger.ledger.beat(
            Beat(worker=pool, pool=pool, slots=slots, build="t", languages=["eng"], memory=0)
        )
    return window(slots, tick_seconds=ledger.tick.total_seconds(), task_seconds=1)


def waiting(ledger: Desk, caps: Sequence[int | None], critical: Sequence[bool]) -> None:
    """Let each tenant have more to do than there is room for."""
    for number, cap in enumerate(caps):
        ledger.tenant(f"t{number}", max_running=cap)
        for urgent in critical:
            priority = Priority.CRITICAL if urgent else Priority.DEFAULT
            ledger.accept(f"t{number}", priority=priority)


def picked_at_once(ledger: Desk, dispatchers: int, done: Sequence[Claim]) -> list[Claim]:
    """Let all dispatchers pick while what is done is committed; claim what they picked."""
    gate = threading.Barrier(dispatchers + 1)

    def pick(_: int) -> list[Claim]:
        gate.wait(timeout=30)
        return ledger.claims(*POOLS)

    with ThreadPoolExecutor(dispatchers) as threads:
        picks = [threads.submit(pick, number) for number in range(dispatchers)]
        gate.wait(timeout=30)
        for claim in done:
            ledger.ledger.commit(claim, product(claim, pages=2))
        return [claim for each in picks for claim in each.result()]


@tried(8)
@given(
    caps=st.lists(st.none() | st.integers(1, 4), min_size=1, max_size=4),
    critical=st.lists(st.booleans(), min_size=3, max_size=6),
    dispatchers=st.integers(2, 4),
    slots=st.integers(2, 8),
    done=st.lists(st.integers(0, 6), min_size=2, max_size=5),
)
def test_no_tenant_has_more_out_than_its_cap_and_no_pool_more_than_its_window(
    databases: Shelf,
    caps: list[int | None],
    critical: list[bool],
    dispatchers: int,
    slots: int,
    done: list[int],
) -> None:
    with databases.lent() as url, desk(url) as ledger:
        room = staffed(ledger, slots)
        waiting(ledger, caps, critical)
        held: list[Claim] = []
        for count in (0, *done):
            ended, held = held[:count], held[count:]
            held += picked_at_once(ledger, dispatchers, ended)
            out = ledger.do(OUT)
            assert {
                (row["tenant"], row["pool"]): row["tasks"]
                for row in out
                if row["tasks"] > (caps[int(row["tenant"][1:])] or room)
            } == {}
            assert all(sum(row["tasks"] for row in out if row["pool"] == p) <= room for p in POOLS)
        assert ledger.do("SELECT token FROM attempt")


# ── rates ───────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Start:
    """Tasks that one pick started, some time between its call and its return."""

    began: float
    ended: float
    tenants: Counter[str]
    stages: Counter[Stage]


def started(ledger: Desk, dispatchers: int, seconds: float) -> list[Start]:
    """Let so many dispatchers pick, claim and commit for a while."""
    end = time.monotonic() + seconds
    starts: list[Start] = []

    def dispatch(_: int) -> None:
        while time.monotonic() < end:
            for pool in POOLS:
                began = time.monotonic()
                picked = ledger.pick(pool)
                ended = time.monotonic()
                claims = [ledger.claim(each) for each in picked]
                tenants = Counter(claim.tenant for claim in claims)
                starts.append(
                    Start(began, ended, tenants, Counter(claim.stage for claim in claims))
                )
                for claim in claims:
                    ledger.ledger.commit(claim, product(claim, pages=2))

    with ThreadPoolExecutor(dispatchers) as threads:
        list(threads.map(dispatch, range(dispatchers)))
    return [start for start in starts if start.tenants]


def over(rate: float, starts: Iterable[tuple[Start, int]]) -> list[tuple[float, int]]:
    """The stretches of time, between any two picks, in which more was started than the rate."""
    found = []
    marked = [(start, count) for start, count in starts if count]
    for first, _ in marked:
        for last, _ in marked:
            within = [n for s, n in marked if s.began >= first.began and s.ended <= last.ended]
            took = last.ended - first.began
            if within and sum(within) > rate * took + max(1, rate):
                found.append((took, sum(within)))
    return found


@tried(4)
@given(
    rates=st.lists(st.none() | st.integers(1, 12), min_size=1, max_size=3),
    stage_rate=st.none() | st.integers(2, 15),
    dispatchers=st.integers(2, 4),
)
def test_no_tenant_and_no_stage_starts_more_than_its_rate_in_any_stretch_of_time(
    databases: Shelf, rates: list[int | None], stage_rate: int | None, dispatchers: int
) -> None:
    with databases.lent() as url, desk(url) as ledger:
        for number, rate in enumerate(rates):
            ledger.tenant(f"t{number}", starts_per_second=rate)
            for _ in range(12):
                ledger.accept(f"t{number}")
        Tenants(ledger.database).limit_stage(Stage.VALIDATE, stage_rate)
        starts = started(ledger, dispatchers, seconds=1.2)
        assert starts
        limited = {f"t{number}": rate for number, rate in enumerate(rates) if rate}
        for tenant, rate in limited.items():
            assert over(rate, [(each, each.tenants[tenant]) for each in starts]) == []
        if stage_rate:
            assert over(stage_rate, [(each, each.stages[Stage.VALIDATE]) for each in starts]) == []
