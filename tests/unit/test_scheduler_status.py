from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docmill.adapters.postgres.schedule import LastRun
from docmill.ops.metrics import Job as Name
from docmill_scheduler.job import Done, Job
from docmill_scheduler.status import Standing, standing

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)


def job(cron: str = "55 * * * *", *, enabled: bool = True) -> Job:
    return Job(name=Name.AUDIT, cron=cron, run=lambda _: Done(), enabled=enabled)


def last(succeeded: timedelta | None, **changes: Any) -> LastRun:
    values: dict[str, Any] = dict.fromkeys(LastRun.__dataclass_fields__)
    at = None if succeeded is None else NOW - succeeded
    return LastRun(**values | {"job": "audit", "paused": False, "succeeded_at": at} | changes)


HOURLY, DAILY, MINUTELY = "55 * * * *", "10 2 * * *", "20 * * * * *"
CASES = [
    (HOURLY, timedelta(minutes=5), "succeeded", Standing.HEALTHY),
    (HOURLY, timedelta(minutes=65), "failed", Standing.DEGRADED),
    (HOURLY, timedelta(minutes=121), "succeeded", Standing.STALE),
    (HOURLY, timedelta(minutes=121), "failed", Standing.STALE),
    (DAILY, timedelta(hours=47), "succeeded", Standing.HEALTHY),
    (DAILY, timedelta(hours=49), "succeeded", Standing.STALE),
    (MINUTELY, timedelta(minutes=119), "running", Standing.HEALTHY),
    (MINUTELY, timedelta(minutes=121), "running", Standing.STALE),
]


@pytest.mark.parametrize(("cron", "ago", "state", "expected"), CASES)
def test_a_job_is_late_after_twice_its_interval_and_at_least_two_hours(
    cron: str, ago: timedelta, state: str, expected: Standing
) -> None:
    assert standing(job(cron), last(ago, state=state), now=NOW, since=LONG_AGO) is expected


@pytest.mark.parametrize(
    ("posted", "expected"), [(DAILY, Standing.HEALTHY), ("never", Standing.STALE)]
)
def test_a_job_is_late_by_the_cron_an_operator_posted(posted: str, expected: Standing) -> None:
    run = last(timedelta(hours=30), state="succeeded", cron=posted)
    assert standing(job(HOURLY), run, now=NOW, since=LONG_AGO) is expected


def test_a_job_that_never_ran_is_not_late_before_we_have_looked_for_long() -> None:
    assert standing(job(), last(None), now=NOW, since=NOW) is Standing.HEALTHY
    assert standing(job(), last(None), now=NOW, since=LONG_AGO) is Standing.STALE


def test_a_restart_does_not_make_an_old_success_younger() -> None:
    old = last(timedelta(days=10), state="succeeded")
    assert standing(job(DAILY), old, now=NOW, since=NOW) is Standing.STALE


def test_a_job_that_is_off_or_paused_is_never_late() -> None:
    run = last(timedelta(days=20))
    assert standing(job(enabled=False), run, now=NOW, since=LONG_AGO) is Standing.OFF
    paused = last(timedelta(days=20), paused=True)
    assert standing(job(), paused, now=NOW, since=LONG_AGO) is Standing.OFF
