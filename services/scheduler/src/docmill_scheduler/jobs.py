"""The list of jobs, from settings and adapters."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from docmill.adapters.postgres.audit import PostgresAudit
from docmill.adapters.postgres.batches import PostgresBatches
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.lifecycle import PostgresLifecycle
from docmill.adapters.postgres.pruning import Kind, PostgresPruning
from docmill.adapters.postgres.retention import PostgresRetention
from docmill.adapters.postgres.schedule import PostgresSchedule
from docmill.ops.metrics import Job as Name
from docmill.ports import Blobs
from docmill_scheduler.audit import Audit
from docmill_scheduler.batches import CompleteBatches
from docmill_scheduler.ending import end_all
from docmill_scheduler.erase import Erase
from docmill_scheduler.expire import Expire
from docmill_scheduler.job import Done, Job, Permit
from docmill_scheduler.prune import Prune
from docmill_scheduler.settings import SchedulerSettings
from docmill_scheduler.sweep import AbortMultipart, SweepOrphans, SweepUploads


@dataclass(frozen=True, slots=True)
class TimeOut:
    """Ends runs that are open for too long: nothing hangs for ever."""

    lifecycle: PostgresLifecycle
    limit: timedelta

    def __call__(self, permit: Permit) -> Done:
        """End all that are due; raise NotAllEnded after all others are done."""
        due = partial(self.lifecycle.overdue, self.limit)
        return Done(end_all(due, partial(self.lifecycle.time_out, limit=self.limit), permit))


def jobs(
    settings: SchedulerSettings, database: Database, blobs: Blobs, schedule: PostgresSchedule
) -> list[Job]:
    """Return every job, each with its cron and whether it is enabled."""
    work = _deleting(settings, database, blobs) | _pruning(settings, database)
    work[Name.AUDIT] = Audit(
        audit=PostgresAudit(database),
        blobs=blobs,
        now=lambda: schedule.board().now,
        window=settings.audit_window_seconds,
        sample=settings.audit_sample,
    )
    return [_job(settings, name, work[name]) for name in Name]


def _job(settings: SchedulerSettings, name: Name, run: Callable[[Permit], Done]) -> Job:
    cron: str = getattr(settings, f"cron_{name}")
    enabled: bool = getattr(settings, f"run_{name}")
    return Job(name=name, cron=cron, enabled=enabled, run=run)


def _deleting(
    settings: SchedulerSettings, database: Database, blobs: Blobs
) -> dict[Name, Callable[[Permit], Done]]:
    retention = PostgresRetention(database)
    lifecycle = PostgresLifecycle(database)
    return {
        Name.RETENTION: Expire(retention),
        Name.ERASURE: Erase(
            retention, blobs, settings.lease_seconds, settings.erasure_proof_seconds
        ),
        Name.UPLOADS: SweepUploads(retention, blobs),
        Name.ORPHANS: SweepOrphans(
            marks=retention,
            blobs=blobs,
            wait=settings.orphan_wait_seconds,
            limit_percent=settings.orphan_limit_percent,
            floor=settings.orphan_floor,
            dry_run=settings.orphan_dry_run,
        ),
        Name.MULTIPART: AbortMultipart(blobs, settings.multipart_age_seconds),
        Name.TIMEOUTS: TimeOut(lifecycle, settings.run_limit_seconds),
        Name.BATCHES: CompleteBatches(PostgresBatches(database), lifecycle),
    }


def _pruning(
    settings: SchedulerSettings, database: Database
) -> dict[Name, Callable[[Permit], Done]]:
    rows = PostgresPruning(database)
    ages = {
        Name.IDEMPOTENCY: {Kind.IDEMPOTENCY: settings.keep_idempotency_seconds},
        Name.KEYS: {Kind.KEYS: settings.keep_keys_seconds},
        Name.LOGINS: {Kind.LOGINS: settings.keep_logins_seconds},
        Name.TASKS: {
            Kind.TASKS: settings.keep_tasks_seconds,
            Kind.DEAD_TASKS: settings.keep_dead_tasks_seconds,
        },
        Name.DELIVERIES: {Kind.DELIVERIES: settings.keep_deliveries_seconds},
        Name.WORKERS: {Kind.WORKERS: settings.keep_workers_seconds},
        Name.HISTORY: {Kind.HISTORY: settings.keep_history_seconds},
    }
    return {name: Prune(rows, kinds) for name, kinds in ages.items()}
