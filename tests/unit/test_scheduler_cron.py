from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from docmill_scheduler.cron import BadCron, checked, following, interval, latest
from docmill_scheduler.settings import CronSettings


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOW = at("2026-03-01T12:34:56.789")

EXAMPLES = [
    ("*/5 * * * *", "2026-03-01T12:30:00", "2026-03-01T12:35:00"),
    ("20 * * * * *", "2026-03-01T12:34:20", "2026-03-01T12:35:20"),
    ("10 2 * * *", "2026-03-01T02:10:00", "2026-03-02T02:10:00"),
    ("0 0 29 2 *", "2024-02-29T00:00:00", "2028-02-29T00:00:00"),
    ("0 0 * * MON", "2026-02-23T00:00:00", "2026-03-02T00:00:00"),
    ("56 34 12 1 3 *", "2026-03-01T12:34:56", "2027-03-01T12:34:56"),
]


@pytest.mark.parametrize(("expression", "before", "after"), EXAMPLES)
def test_slots_lie_around_now(expression: str, before: str, after: str) -> None:
    assert latest(expression, NOW) == at(before)
    assert following(expression, NOW) == at(after)


def test_a_slot_has_begun_at_its_very_second() -> None:
    assert latest("*/5 * * * *", at("2026-03-01T12:35:00")) == at("2026-03-01T12:35:00")
    assert following("*/5 * * * *", at("2026-03-01T12:35:00")) == at("2026-03-01T12:40:00")


def test_slots_are_in_utc_whatever_the_zone_of_now() -> None:
    elsewhere = NOW.astimezone(tz=None)
    assert latest("10 2 * * *", elsewhere) == at("2026-03-01T02:10:00")


def test_the_interval_is_between_the_slots_around_now() -> None:
    assert interval("10 2 * * *", NOW) == timedelta(days=1)
    assert interval("*/5 * * * *", NOW) == timedelta(minutes=5)


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "* * * * * * *", "61 * * * *", "0 0 30 2 *", "daily"]
)
def test_what_is_no_cron_expression_is_refused(expression: str) -> None:
    with pytest.raises(BadCron):
        checked(expression)


def test_settings_name_the_bad_expression() -> None:
    with pytest.raises(ValidationError, match="cron_audit"):
        CronSettings(cron_audit="now and then")


def test_jobs_are_staggered_by_default() -> None:
    defaults = CronSettings().model_dump()
    crons = [value for name, value in defaults.items() if name.startswith("cron_")]
    assert len(crons) == len(set(crons)) == 15


@given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_latest_and_following_enclose_any_time(naive: datetime) -> None:
    now = naive.replace(tzinfo=UTC)
    for expression, *_ in EXAMPLES:
        before, after = latest(expression, now), following(expression, now)
        assert before <= now < after
        assert following(expression, before) == after
