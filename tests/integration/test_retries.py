"""What is tried again, how often, and how fast: on the real ledger and dispatcher."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from docmill.adapters.postgres.tenants import Tenants
from docmill.domain.task import Claim, Failure, Outcome, Pool, Stage, TaskLimit
from tests.stack.ledger import TENANT, Desk, desk
from tests.stack.storm import storm


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url, lease=timedelta(minutes=30)) as made:
        yield made


@pytest.fixture
def tenants(ledger: Desk) -> Tenants:
    return Tenants(ledger.database)


def only_claim(ledger: Desk, tenant: str) -> Claim:
    ledger.tenant(tenant)
    ledger.accept(tenant)
    (claim,) = ledger.claims(Pool.VALIDATOR)
    return claim


def tries(ledger: Desk, claim: Claim) -> int:
    """Let the task err until it is dead; tell after how many times."""
    for attempt in range(1, 20):
        ledger.ledger.fail(claim, Failure(outcome=Outcome.TRANSIENT, code="test"))
        ledger.do("UPDATE task SET due_at = now() WHERE state = 'scheduled'")
        ledger.dispatch.promote()
        again = ledger.claims(Pool.VALIDATOR)
        if not again:
            return attempt
        (claim,) = again
    raise AssertionError("it never ended")


def test_the_tries_of_a_task_are_a_setting_a_stages_or_a_tenants(
    ledger: Desk, tenants: Tenants
) -> None:
    assert tries(ledger, only_claim(ledger, TENANT)) == 5
    tenants.limit_tasks(Stage.VALIDATE, TaskLimit(attempts=3))
    tenants.limit_tasks(Stage.RECOGNISE, TaskLimit(attempts=9))
    assert tries(ledger, only_claim(ledger, TENANT)) == 3
    tenants.limit_tasks(Stage.VALIDATE, TaskLimit(attempts=1), tenant=TENANT)
    assert tries(ledger, only_claim(ledger, TENANT)) == 1
    assert tries(ledger, only_claim(ledger, "other")) == 3
    tenants.limit_tasks(Stage.VALIDATE, TaskLimit(), tenant=TENANT)
    assert tries(ledger, only_claim(ledger, TENANT)) == 3


def test_each_limit_is_a_tenants_own_or_its_stages(ledger: Desk, tenants: Tenants) -> None:
    minute, second = timedelta(minutes=1), timedelta(seconds=1)
    tenants.limit_tasks(Stage.VALIDATE, TaskLimit(attempts=3, deadline=minute))
    tenants.limit_tasks(Stage.VALIDATE, TaskLimit(deadline=second), tenant=TENANT)
    assert only_claim(ledger, TENANT).limit == TaskLimit(attempts=3, deadline=second)
    assert only_claim(ledger, "other").limit == TaskLimit(attempts=3, deadline=minute)


def test_a_storm_of_retries_is_as_fast_as_the_slots_and_exhausts_nobody(ledger: Desk) -> None:
    found = storm(ledger, tasks=300)
    assert (found.done, found.dead, found.spent) == (300, 0, 0)
    assert found.most_out <= found.window
    assert found.rate <= found.may + 16  # a second has both its ends
    least, most = found.waited
    assert 2.5 <= least < 4
    assert 6 < most <= 7.5
