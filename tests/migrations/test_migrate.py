from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from docmill.adapters.postgres import migrate as module
from docmill.adapters.postgres.migrate import (
    Migration,
    MigrationChanged,
    MigrationLocked,
    due,
    migrate,
    migrations,
)
from tests.stack.wait import until

ADDS = Migration(1, 1, "pre", "0001_01_pre_adds.sql", "ALTER TABLE busy ADD COLUMN late text")


def test_an_empty_database_gets_every_migration_once(empty_database_url: str) -> None:
    names = [each.name for each in due(migrations(), finish=False)]
    assert migrate(empty_database_url) == names
    assert migrate(empty_database_url) == []


def test_two_at_once_apply_each_migration_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(lambda _: migrate(empty_database_url), range(4)))
    assert [name for names in applied for name in names] == [
        each.name for each in due(migrations(), finish=False)
    ]


def test_a_changed_migration_is_refused(empty_database_url: str) -> None:
    migrate(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("UPDATE migration SET sha256 = 'other'")
    with pytest.raises(MigrationChanged, match="0001"):
        migrate(empty_database_url)


def test_a_release_runs_the_after_steps_of_those_before_and_never_its_own() -> None:
    every = sorted(
        Migration(release, step, phase, f"{release}_{phase}", "")
        for release in (1, 2, 3)
        for step, phase in ((1, "pre"), (50, "post"))
    )
    names = [each.name for each in due(every, finish=False)]
    assert names == ["1_pre", "1_post", "2_pre", "2_post", "3_pre"]
    assert due(every, finish=True) == every


@pytest.fixture
def busy(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with a table and one migration, which adds a column to it."""
    monkeypatch.setattr(module, "migrations", lambda: [ADDS])
    monkeypatch.setattr(module, "LOCK_TIMEOUT", "100ms")
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE TABLE busy ()")
    return empty_database_url


def test_a_lock_that_another_keeps_is_tried_for_again(busy: str) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(busy) as holder,
        psycopg.connect(busy, autocommit=True) as looking,
    ):
        holder.execute("LOCK TABLE busy")
        applied = pool.submit(migrate, busy)

        def waits() -> object:
            row = looking.execute(
                "SELECT xact_start FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND application_name = 'docmill-migrate'"
            ).fetchone()
            return row and row[0]

        first = until(waits)
        until(lambda: waits() not in {None, first})
        holder.rollback()
        assert applied.result() == [ADDS.name]


def test_a_lock_that_is_kept_for_too_long_ends_the_migration(busy: str) -> None:
    with psycopg.connect(busy) as holder:
        holder.execute("LOCK TABLE busy")
        with pytest.raises(MigrationLocked, match=ADDS.name):
            migrate(busy, patience=timedelta())
