"""How the jobs stand: what `/readyz` and the metrics say of every one."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from docmill.adapters.postgres.audit import PostgresAudit
from docmill.adapters.postgres.schedule import LastRun, PostgresSchedule
from docmill.ops import metrics
from docmill.ops.health import Facts, Unwell
from docmill_scheduler.cron import effective, following, interval
from docmill_scheduler.job import Job

LEAST_PATIENCE: Final = timedelta(hours=2)


class Standing(StrEnum):
    """How a job stands."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"  # its last run failed, but it is not late yet
    STALE = "stale"  # it has not succeeded for twice its interval, and at least two hours
    OFF = "off"


def standing(job: Job, last: LastRun, *, now: datetime, since: datetime) -> Standing:
    """Judge a job by its last success; of one that never had any, by `since`, when we first looked.

    One that was off or paused for long is late until it has caught its newest slot up, at once.
    """
    if last.paused or not job.enabled:
        return Standing.OFF
    patience = max(2 * interval(effective(job.cron, last.cron), now), LEAST_PATIENCE)
    if now - (last.succeeded_at or since) > patience:
        return Standing.STALE
    return Standing.DEGRADED if last.state == "failed" else Standing.HEALTHY


class Jobs:
    """The probe of all jobs together, whichever replica runs them."""

    def __init__(
        self, jobs: Iterable[Job], schedule: PostgresSchedule, audit: PostgresAudit
    ) -> None:
        self._jobs = list(jobs)
        self._schedule = schedule
        self._audit = audit
        self._since: datetime | None = None

    def show(self) -> None:
        """Set the gauges; raise DatabaseDown."""
        for ask in (self.ask, self.ask_audit):
            with suppress(Unwell):  # what is wrong is in the gauges then
                ask()

    def ask(self) -> Facts:
        """Return every job's standing; raise Unwell when one is not as it should be."""
        now = self._schedule.board().now
        self._since = self._since or now
        runs = {run.job: run for run in self._schedule.last_runs()}
        shown = {
            job.name.value: self._shown(job, runs[job.name], now)
            for job in self._jobs
            if job.name in runs
        }
        ill = [name for name, each in shown.items() if each["status"] in _ILL]
        if ill:
            raise Unwell(", ".join(ill), jobs=shown)
        return {"jobs": shown}

    def ask_audit(self) -> Facts:
        """Return what the last audit found; raise Unwell when it found anything."""
        found = {each.invariant: each for each in self._audit.last()}
        for invariant, finding in found.items():
            metrics.INVARIANT_VIOLATIONS.labels(invariant).set(finding.violations)
        broken = {name: list(each.examples) for name, each in found.items() if each.violations}
        if broken:
            raise Unwell("invariants are violated", violations=broken)
        return {"checked_at": max((each.checked_at for each in found.values()), default=None)}

    def _shown(self, job: Job, last: LastRun, now: datetime) -> Mapping[str, Any]:
        if last.succeeded_at:
            metrics.SCHEDULER_LAST_SUCCESS.labels(job.name).set(last.succeeded_at.timestamp())
        cron = effective(job.cron, last.cron)
        known = {
            "last_state": last.state,
            "last_slot": last.slot,
            "last_success": last.succeeded_at,
            "last_rows": last.done_rows,
            "last_error": last.error,
            "next_slot": following(cron, now),
        }
        found = standing(job, last, now=now, since=self._since or now)
        metrics.SCHEDULER_STALE.labels(job.name).set(found is Standing.STALE)
        return {"status": found, "cron": cron} | {
            name: value for name, value in known.items() if value is not None
        }


_ILL: Final = frozenset({Standing.DEGRADED, Standing.STALE})
