"""The scheduler's settings: when each job runs, and how long things are kept."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from docmill.ops.settings import (
    DatabaseSettings,
    HealthSettings,
    Seconds,
    Settings,
    SomeSeconds,
    StoreSettings,
)
from docmill_scheduler.cron import checked

Cron = Annotated[str, AfterValidator(checked)]
DAY = timedelta(days=1)


class CronSettings(Settings):
    """When each job runs (cron in UTC, 5 fields, or 6 with seconds first), and whether."""

    cron_retention: Cron = Field("*/5 * * * *", description="Expiry of documents past their time.")
    cron_erasure: Cron = Field("20 * * * * *", description="Steps of erasing documents.")
    cron_uploads: Cron = Field("3-59/5 * * * *", description="Uploads that never came to an end.")
    cron_orphans: Cron = Field("10 2 * * *", description="Stored objects no row refers to.")
    cron_multipart: Cron = Field("15 * * * *", description="Multipart uploads nobody ended.")
    cron_timeouts: Cron = Field("1-59/5 * * * *", description="Runs that are open for too long.")
    cron_batches: Cron = Field("40 * * * * *", description="Batches that nobody completed.")
    cron_idempotency: Cron = Field("20 * * * *", description="Stored answers past their age.")
    cron_keys: Cron = Field("25 3 * * *", description="Expired and revoked keys past their age.")
    cron_logins: Cron = Field("30 * * * *", description="Log of failed authentications.")
    cron_tasks: Cron = Field("35 * * * *", description="Finished tasks and their attempts.")
    cron_deliveries: Cron = Field("40 * * * *", description="Log of webhook deliveries.")
    cron_workers: Cron = Field("45 * * * *", description="Workers that left without a word.")
    cron_history: Cron = Field("50 3 * * *", description="History of the jobs themselves.")
    cron_audit: Cron = Field("55 * * * *", description="Audit of the invariants I1 to I6.")

    run_retention: bool = Field(default=True, description="Whether the retention job runs.")
    run_erasure: bool = Field(default=True, description="Whether the erasure job runs.")
    run_uploads: bool = Field(default=True, description="Whether the uploads job runs.")
    run_orphans: bool = Field(default=True, description="Whether the orphans job runs.")
    run_multipart: bool = Field(default=True, description="Whether the multipart job runs.")
    run_timeouts: bool = Field(default=True, description="Whether the timeouts job runs.")
    run_batches: bool = Field(default=True, description="Whether the batches job runs.")
    run_idempotency: bool = Field(default=True, description="Whether the idempotency job runs.")
    run_keys: bool = Field(default=True, description="Whether the keys job runs.")
    run_logins: bool = Field(default=True, description="Whether the logins job runs.")
    run_tasks: bool = Field(default=True, description="Whether the tasks job runs.")
    run_deliveries: bool = Field(default=True, description="Whether the deliveries job runs.")
    run_workers: bool = Field(default=True, description="Whether the workers job runs.")
    run_history: bool = Field(default=True, description="Whether the history job runs.")
    run_audit: bool = Field(default=True, description="Whether the audit job runs.")


class KeepingSettings(Settings):
    """How long what is only of passing use is kept."""

    keep_idempotency_seconds: Seconds = Field(DAY, description="Answers by idempotency key.")
    keep_keys_seconds: Seconds = Field(30 * DAY, description="Keys after expiry or revocation.")
    keep_logins_seconds: Seconds = Field(7 * DAY, description="Failed authentications.")
    keep_tasks_seconds: Seconds = Field(7 * DAY, description="Done and cancelled tasks.")
    keep_dead_tasks_seconds: Seconds = Field(90 * DAY, description="Dead tasks, for replay.")
    keep_deliveries_seconds: Seconds = Field(30 * DAY, description="Webhook deliveries.")
    keep_workers_seconds: Seconds = Field(
        timedelta(hours=1), description="Workers that were last seen so long ago."
    )
    keep_history_seconds: Seconds = Field(30 * DAY, description="Runs of the scheduler's jobs.")


class SweepSettings(Settings):
    """How carefully stored objects are deleted."""

    orphan_dry_run: bool = Field(default=False, description="Only count orphans, delete none.")
    orphan_wait_seconds: Seconds = Field(
        DAY, description="An orphan is deleted when it still is one so long after it was found."
    )
    orphan_limit_percent: float = Field(
        1.0, ge=0, le=100, description="A sweep that finds more of the bucket orphaned stops."
    )
    orphan_floor: int = Field(
        100, ge=0, description="So many orphans never stop a sweep, however small the bucket."
    )
    multipart_age_seconds: Seconds = Field(
        DAY, description="Multipart uploads begun so long ago are aborted."
    )
    erasure_proof_seconds: Seconds = Field(
        timedelta(minutes=3),
        description="Time after an erase when its prefix is listed again; longer than one lease and"
        " one PUT.",
    )


class AuditSettings(Settings):
    """How much an audit looks at."""

    audit_window_seconds: Seconds = Field(
        2 * DAY, description="Documents changed since so long ago are audited."
    )
    audit_sample: int = Field(
        200,
        ge=0,
        description="Stored originals, and artifacts, compared with their rows each time.",
    )
    run_limit_seconds: SomeSeconds = Field(
        DAY, description="A run that is open for longer ends `failed`, `timed_out`."
    )


class SchedulerSettings(
    CronSettings,
    KeepingSettings,
    SweepSettings,
    AuditSettings,
    DatabaseSettings,
    StoreSettings,
    HealthSettings,
):
    """All settings of the scheduler."""

    database_pool_size: int = Field(6, ge=2, description="Most connections this process opens.")
    database_statement_timeout_seconds: SomeSeconds = Field(
        timedelta(seconds=60), description="After this a statement is cancelled."
    )
    lease_seconds: SomeSeconds = Field(
        timedelta(seconds=45), description="Longest time a worker holds a task unseen."
    )
    scheduler_lease_seconds: SomeSeconds = Field(
        timedelta(seconds=60), description="Longest time a replica holds a slot unseen."
    )
    scheduler_tick_seconds: SomeSeconds = Field(
        timedelta(seconds=1), description="Time between two looks at the clock."
    )
    scheduler_finish_seconds: Seconds = Field(
        timedelta(seconds=60), description="Time that running jobs have to finish at the end."
    )
