"""Batches that nobody completed: whose last worker died, or whose cancel broke off."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from docmill.adapters.postgres.batches import BatchState, PostgresBatches
from docmill.adapters.postgres.lifecycle import PostgresLifecycle
from docmill.domain.errors import DatabaseBusy
from docmill.domain.identifier import FIRST
from docmill.ops.logging import logger
from docmill_scheduler.job import Done, Permit

log = logger(__name__)
LIMIT: Final = 100


@dataclass(frozen=True, slots=True)
class CompleteBatches:
    """Ends the live documents of cancelled batches, and completes what has none."""

    batches: PostgresBatches
    lifecycle: PostgresLifecycle

    def __call__(self, permit: Permit) -> Done:
        """Go over all of them once; what somebody else holds is for the next run."""
        done, after = 0, FIRST
        while some := self.batches.completable(LIMIT, after=after):
            done += sum(self._ended(*each, permit) for each in some)
            after = some[-1][0]
        return Done(done)

    def _ended(self, batch: UUID, state: BatchState, permit: Permit) -> bool:
        try:
            return self._end(batch, state, permit)
        except DatabaseBusy as error:
            log.warning("batch_not_ended", batch=batch, error=str(error))
            return False

    def _end(self, batch: UUID, state: BatchState, permit: Permit) -> bool:
        live = self.batches.live_members(batch) if state is BatchState.CANCELLED else []
        for tenant, document in live:
            permit.check()
            self.lifecycle.cancel(tenant, document, by="scheduler")
        permit.check()
        return self.batches.complete(batch) or bool(live)  # the last cancel completes it
