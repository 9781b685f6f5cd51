"""The scheduler's process: put it together, run until told to stop."""

import argparse
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from threading import Event

from docmill.adapters.postgres.audit import PostgresAudit
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.pool import open_pool
from docmill.adapters.postgres.schedule import PostgresSchedule
from docmill.adapters.postgres.schema import await_schema
from docmill.adapters.s3 import open_blobs
from docmill.ops.health import HealthServer, Probe, serving
from docmill.ops.logging import logger
from docmill.ops.signals import heard
from docmill.ops.startup import start
from docmill_scheduler.jobs import jobs
from docmill_scheduler.loop import Loop
from docmill_scheduler.settings import SchedulerSettings
from docmill_scheduler.status import Jobs

SERVICE = "scheduler"
log = logger(__name__)


def main() -> None:
    """Run the service, or audit once; exit 2 on bad settings, 1 on anything unforeseen."""
    run = audit if _arguments().audit else serve
    settings = start(SERVICE, SchedulerSettings, os.environ)
    run(settings)
    log.info("stopped")


def serve(settings: SchedulerSettings) -> None:
    """Run the jobs until SIGTERM or SIGINT."""
    await_schema(SERVICE, settings)
    stop = Event()
    with heard(stop.set), scheduler(settings) as (loop, health):
        log.info("started", health_port=health.port)
        loop.run(stop, finish=settings.scheduler_finish_seconds)


def audit(settings: SchedulerSettings) -> None:
    """Check every document and a sample of the store now; exit 3 when an invariant is violated."""
    with open_pool(settings, name="docmill-audit") as pool:
        database = Database(pool)
        blobs = open_blobs(settings)
        checked = PostgresAudit(database)
        found = checked.all_violations(blobs, sample=settings.audit_sample)
        checked.record(found)
        database.bell.close()
    for each in found:
        log.error("invariant_violated", **asdict(each))
    log.info("audited", violations=len(found))
    if found:
        sys.exit(3)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run docmill's periodic jobs.")
    parser.add_argument("--audit", action="store_true", help="audit everything once and exit")
    return parser.parse_args()


@contextmanager
def scheduler(settings: SchedulerSettings) -> Iterator[tuple[Loop, HealthServer]]:
    """Put the service together; leaving the block closes what it opened."""
    with open_pool(settings, name="docmill-scheduler") as pool:
        database = Database(pool)
        blobs = open_blobs(settings)
        schedule = PostgresSchedule(
            database,
            runner=f"{socket.gethostname()}/{os.getpid()}",
            lease=settings.scheduler_lease_seconds,
        )
        every = jobs(settings, database, blobs, schedule)
        schedule.register([job.name for job in every])
        shown = Jobs(every, schedule, PostgresAudit(database))
        loop = Loop(
            every,
            schedule,
            lease=settings.scheduler_lease_seconds,
            tick=settings.scheduler_tick_seconds,
            show=shown.show,
        )
        health = HealthServer(
            SERVICE,
            settings.health_host,
            settings.health_port,
            live=[loop.pulse.probe],
            ready=[
                Probe(name="postgresql", ask=database.health),
                Probe(name="s3", ask=blobs.ping, critical=False),
                Probe(name="jobs", ask=shown.ask, critical=False),
                Probe(name="invariants", ask=shown.ask_audit, critical=False),
            ],
        )
        with serving(health):
            yield loop, health
        database.bell.close()


if __name__ == "__main__":
    main()
