"""Fairness on the real dispatcher and PostgreSQL; the workers and their time are simulated."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import TypeAlias

import pytest

from docmill.adapters.postgres.dispatch import PostgresDispatch
from docmill.domain.task import Pool
from docmill.ports import Beat
from docmill_dispatcher.tick import Grace, Tick
from tests.stack.counted import Counted
from tests.stack.crowd import crowd, wait_again
from tests.stack.fairness import flood, jain, patience, shared_out, shares
from tests.stack.floor import Belt
from tests.stack.ledger import Desk, desk
from tests.stack.template import Shelf

Desks: TypeAlias = Callable[[], Desk]
LEASE = timedelta(minutes=30)  # the floor's time is not PostgreSQL's


@pytest.fixture
def desks(databases: Shelf) -> Iterator[Desks]:
    """Ledgers of the test's own."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(desk(stack.enter_context(databases.lent()), lease=LEASE))


def test_a_few_documents_behind_a_flood_wait_at_most_twice_as_long(desks: Desks) -> None:
    found = flood(desks(), desks(), pages=500, after=2)
    assert found.ratio <= 2


def test_equal_tenants_get_equal_shares(desks: Desks) -> None:
    floor = shared_out(desks(), dict.fromkeys(["a", "b", "c", "d"], 1.0), seconds=8)
    assert jain(list(shares(floor).values())) >= 0.95


def test_a_weight_is_a_share_of_what_there_is(desks: Desks) -> None:
    weights = {"one": 1.0, "two": 2.0, "four": 4.0}
    pages = shares(shared_out(desks(), weights, seconds=12))
    for tenant, weight in weights.items():
        assert pages[tenant] == pytest.approx(weight / 7, rel=0.05, abs=0.012)  # a page is 0.01


def test_a_cap_is_used_up_and_never_passed(desks: Desks) -> None:
    floor = shared_out(desks(), {"capped": 1, "other": 1}, seconds=8, caps={"capped": 2})
    live = floor.out["capped", "ocr"]
    assert max(live) == 2
    assert sum(live) / len(live) >= 0.95 * 2


def test_batch_work_has_its_turn_whatever_critical_work_comes(desks: Desks) -> None:
    assert patience(desks(), step=timedelta(minutes=1)) <= timedelta(minutes=11)


@pytest.mark.slow
def test_a_tick_reads_no_more_for_a_thousand_tenants_than_for_ten(desks: Desks) -> None:
    few = touched_by_ticks(desks(), documents=100, tenants=10)
    many = touched_by_ticks(desks(), documents=5_000, tenants=1_000)
    assert many <= 1.5 * few


def touched_by_ticks(ledger: Desk, *, documents: int, tenants: int) -> int:
    """Count what five ticks read that each find the window empty."""
    crowd(ledger, documents=documents, tenants=tenants)
    ledger.do("UPDATE pool_clock SET task_seconds = 1")
    ledger.ledger.beat(
        Beat(worker="w", pool=Pool.VALIDATOR, slots=4, build="t", languages=[], memory=0)
    )
    counted = Counted(ledger.database.pool)
    published: list[object] = []
    tick = Tick(
        PostgresDispatch(counted, tick=ledger.tick),
        Belt(lambda _, hint: published.append(hint)),
        Grace(timedelta(0)),
    )
    tick()  # the first charges every tenant alike
    wait_again(ledger)
    counted.touched = 0
    for _ in range(5):
        tick()
        assert wait_again(ledger)
    counted.bell.close()
    assert len(published) == 36
    return counted.touched
