"""The audit: counts violations of the invariants; repairing them is a person's decision."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from docmill.adapters.postgres.audit import PostgresAudit, Violation
from docmill.ops.logging import logger
from docmill.ops.metrics import Invariant
from docmill.ports import Blobs
from docmill_scheduler.job import Done, Permit

log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Checks I1 to I6 on what changed lately, and a sample of the stored objects."""

    audit: PostgresAudit
    blobs: Blobs
    now: Callable[[], datetime]
    window: timedelta
    sample: int

    def __call__(self, permit: Permit) -> Done:
        """Look, record, and say loudly what was found."""
        since = self.now() - self.window
        found: list[Violation] = []
        for invariant in Invariant:
            permit.check()
            found += self.audit.violations(invariant, since=since)
        permit.check()
        found += self.audit.store_violations(self.blobs, sample=self.sample)
        counts = self.audit.record(found)
        for violation in found[:100]:
            log.error(
                "invariant_violated",
                invariant=violation.invariant,
                document=violation.document,
                detail=violation.detail,
            )
        return Done(len(found), {invariant.value: count for invariant, count in counts.items()})
