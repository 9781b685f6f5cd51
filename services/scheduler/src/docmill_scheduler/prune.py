"""Pruning: rows past their age, a batch at a time."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from docmill.adapters.postgres.pruning import Kind
from docmill_scheduler.job import Done, Permit

BATCH: Final = 1000


class Rows(Protocol):
    """See PostgresPruning."""

    def prune(self, kind: Kind, *, age: timedelta, limit: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Prune:
    """Deletes rows of the kinds that are older than their ages."""

    rows: Rows
    ages: dict[Kind, timedelta]

    def __call__(self, permit: Permit) -> Done:
        """Delete until nothing is left that is old enough."""
        facts = {kind.value: self._all(kind, age, permit) for kind, age in self.ages.items()}
        return Done(sum(facts.values()), facts if len(facts) > 1 else {})

    def _all(self, kind: Kind, age: timedelta, permit: Permit) -> int:
        total = 0
        while True:
            permit.check()
            deleted = self.rows.prune(kind, age=age, limit=BATCH)
            total += deleted
            if deleted < BATCH:
                return total
