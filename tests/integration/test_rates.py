"""How many tasks of a tenant or a stage may start a second, and what that leaves to the others."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from docmill.adapters.postgres.tenants import Tenants
from docmill.domain.task import Pool, Stage
from tests.stack.ledger import Desk, desk, flood, product


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        made.do("UPDATE pool_clock SET task_seconds = 1")
        yield made


def picked_by_three(ledger: Desk, seconds: float) -> Counter[str]:
    """Let three dispatchers pick for so long; count the tenants whose tasks were started."""
    until = time.monotonic() + seconds
    started: Counter[str] = Counter()

    def dispatch(_: int) -> None:
        while time.monotonic() < until:
            for claim in ledger.claims(Pool.VALIDATOR):
                started[claim.tenant] += 1
                ledger.ledger.commit(claim, product(claim, pages=1))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(dispatch, range(3)))
    return started


def test_a_tenants_starts_are_limited_across_dispatchers(ledger: Desk) -> None:
    ledger.tenant("limited", starts_per_second=5)
    flood(ledger, "limited", 40)
    flood(ledger, "free", 120)
    began = time.monotonic()
    started = picked_by_three(ledger, 3)
    took = time.monotonic() - began
    assert started["limited"] <= 5 * took + 5
    assert started["limited"] >= 0.8 * 5 * 3
    assert started["free"] > started["limited"]


def test_a_stages_starts_are_limited_over_all_tenants(ledger: Desk) -> None:
    Tenants(ledger.database).limit_stage(Stage.VALIDATE, 4)
    flood(ledger, "a", 30)
    flood(ledger, "b", 30)
    began = time.monotonic()
    started = picked_by_three(ledger, 3)
    assert 0.8 * 4 * 3 <= started.total() <= 4 * (time.monotonic() - began) + 4
    Tenants(ledger.database).limit_stage(Stage.VALIDATE, None)
    assert ledger.pick(Pool.VALIDATOR)


def assembling(ledger: Desk, tenant: str, documents: int = 1) -> None:
    """Have the tenant's documents wait for nothing but their assembly."""
    flood(ledger, tenant, documents)
    while claims := ledger.claims(Pool.VALIDATOR):
        for claim in claims:
            ledger.ledger.commit(claim, product(claim, pages=1, text=1))


def recognising(ledger: Desk, tenant: str, pages: int) -> None:
    """Have pages of the tenant wait to be recognised."""
    flood(ledger, tenant, 1)
    (claim,) = ledger.claims(Pool.VALIDATOR)
    ledger.ledger.commit(claim, product(claim, pages=pages))


def stages_picked(ledger: Desk) -> Counter[str]:
    picked = [each.hint.task for each in ledger.pick(Pool.OCR)]
    return Counter(
        row["stage"]
        for row in ledger.do("SELECT stage FROM task WHERE id = ANY(%(ids)s)", {"ids": picked})
    )


def limited(ledger: Desk, stage: Stage, tokens: int) -> None:
    """Limit the stage to what its bucket holds now."""
    Tenants(ledger.database).limit_stage(stage, 0.0001)
    ledger.do(
        "INSERT INTO bucket (name, tokens, filled_at) VALUES (%(name)s, %(tokens)s, now())",
        {"name": f"stage/{stage}", "tokens": tokens},
    )


def test_who_waits_for_a_limited_stage_takes_nobodys_place(ledger: Desk) -> None:
    for tenant in "abcdefgh":
        assembling(ledger, tenant)
    recognising(ledger, "z", pages=10)
    ledger.do("UPDATE tenant_pool SET vtime = 10 WHERE tenant_id = 'z'")
    limited(ledger, Stage.ASSEMBLE, 0)
    assert stages_picked(ledger) == {"recognise": 4}


def test_a_limited_stage_takes_no_place_of_another_stage(ledger: Desk) -> None:
    assembling(ledger, "a", documents=8)
    recognising(ledger, "a", pages=10)
    limited(ledger, Stage.ASSEMBLE, 1)
    assert stages_picked(ledger) == {"assemble": 1, "recognise": 3}


def test_pools_share_a_tenants_starts(ledger: Desk) -> None:
    ledger.tenant("limited", starts_per_second=2)
    ledger.tenant("other")
    accepted = ledger.accept("limited")
    (claim,) = ledger.claims(Pool.VALIDATOR)
    ledger.ledger.commit(claim, product(claim, pages=10))
    assert claim.document == accepted.document
    assert len(ledger.pick()) <= 2  # pages and the thumbnail, of what one second gives


def test_webhooks_take_no_start(ledger: Desk) -> None:
    ledger.tenant("limited", starts_per_second=0.001)
    Tenants(ledger.database).add_endpoint("limited", "http://127.0.0.1", "whsec_x")
    document = ledger.accept("limited").document
    ledger.lifecycle.cancel("limited", document, by="test")
    ledger.do("UPDATE bucket SET tokens = 0")
    assert len(ledger.pick(Pool.NOTIFIER)) == 1
