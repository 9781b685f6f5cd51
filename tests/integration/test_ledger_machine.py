"""Any order of anything that may happen to documents: the invariants hold and all of them end."""

from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from docmill.adapters.postgres.audit import PostgresAudit
from docmill.adapters.postgres.connection import Row
from docmill.adapters.postgres.dispatch import Dispatched
from docmill.domain.document import LIVE, State
from docmill.domain.errors import LostClaim
from docmill.domain.task import Claim, Failure, Outcome
from tests.stack.ledger import TENANT, Desk, desk, product

FAILURES = [
    Outcome.PERMANENT,
    Outcome.TRANSIENT,
    Outcome.DEADLINE,
    Outcome.CRASH,
    Outcome.DEPENDENCY,
    Outcome.RELEASED,
]


class Life(RuleBasedStateMachine):
    """Callers, workers, zombies, reapers and dispatchers take turns on one ledger."""

    desk: ClassVar[Desk]
    claims = Bundle("claims")
    zombies = Bundle("zombies")

    @initialize()
    def empty(self) -> None:
        self.desk.do("TRUNCATE document, blob, worker CASCADE")
        self.desk.do("UPDATE pool_clock SET task_seconds = 0.01")

    @rule()
    def upload(self) -> None:
        self.desk.accept()

    @rule(target=claims)
    def claim(self) -> Claim | None:
        picked = self.desk.pick()
        return self.desk.claim(picked[0]) if picked else None

    @rule(target=zombies, claim=consumes(claims), pages=st.integers(0, 4), text=st.integers(0, 2))
    def commit(self, claim: Claim | None, pages: int, text: int) -> Claim | None:
        if claim is not None:
            made = product(claim, pages=pages, text=min(text, pages))
            self._unless_lost(lambda: self.desk.ledger.commit(claim, made))
        return claim

    @rule(target=zombies, claim=consumes(claims), outcome=st.sampled_from(FAILURES))
    def fail(self, claim: Claim | None, outcome: Outcome) -> Claim | None:
        if claim is not None:
            failure = Failure(outcome=outcome, code="test")
            self._unless_lost(lambda: self.desk.ledger.fail(claim, failure))
        return claim

    @rule(claim=zombies)
    def commit_too_late(self, claim: Claim | None) -> None:
        if claim is not None:
            self._unless_lost(lambda: self.desk.ledger.commit(claim, product(claim)))

    @rule()
    def lose_every_lease(self) -> None:
        self.desk.do("UPDATE task SET lease_until = now() - interval '1 s' WHERE state = 'running'")
        self.desk.dispatch.reap()

    @rule()
    def let_time_pass(self) -> None:
        self.desk.do("UPDATE task SET due_at = now() WHERE state = 'scheduled'")
        self.desk.dispatch.promote()

    @rule(target=claims, take=st.integers(0, 3))
    def hint_again(self, take: int) -> Claim | None:
        again = self._hinted_again()
        return self.desk.claim(again[take]) if take < len(again) else None

    @rule(index=st.integers(0, 10))
    def cancel(self, index: int) -> None:
        if document := self._document(index):
            self.desk.lifecycle.cancel(TENANT, document["id"], by="test")

    @rule(index=st.integers(0, 10))
    def retry(self, index: int) -> None:
        if document := self._document(index):
            self.desk.lifecycle.retry(TENANT, document["id"], by="test")

    @rule(index=st.integers(0, 10))
    def expire(self, index: int) -> None:
        if document := self._document(index):
            self.desk.expire(document["id"])

    @rule(index=st.integers(0, 10))
    def erase(self, index: int) -> None:
        if document := self._document(index):
            self.desk.lifecycle.erase(TENANT, document["id"], by="test")

    @invariant()
    def nothing_is_violated(self) -> None:
        assert PostgresAudit(self.desk.database).all_violations() == []

    def teardown(self) -> None:
        """Whatever happened, everything that is live still comes to its end."""
        for _ in range(50):
            self.lose_every_lease()
            self.let_time_pass()
            self.desk.dispatch.sweep()
            for dispatched in self._hinted_again():
                claim = self.desk.claim(dispatched)
                self.desk.ledger.commit(claim, product(claim))
            self.desk.work_off()
            live = [row for row in self._documents() if State(row["state"]) in LIVE]
            if not live:
                return
        raise AssertionError(f"left hanging: {live}")

    def _hinted_again(self) -> list[Dispatched]:
        self.desk.dispatch.unhint_all()
        return self.desk.dispatch.rehint()

    def _documents(self) -> list[Row]:
        return self.desk.do("SELECT id, state FROM document ORDER BY id")

    def _document(self, index: int) -> Row | None:
        rows = self._documents()
        return rows[index % len(rows)] if rows else None

    def _unless_lost(self, act: Callable[[], None]) -> None:
        try:
            act()
        except LostClaim:
            return


@pytest.fixture
def life(database_url: str) -> Iterator[type[Life]]:
    with desk(database_url) as made:
        yield type("Life", (Life,), {"desk": made})


def test_any_life_ends_with_every_invariant_intact(life: type[Life]) -> None:
    run_state_machine_as_test(
        life,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes here
            suppress_health_check=list(HealthCheck),
        ),
    )
