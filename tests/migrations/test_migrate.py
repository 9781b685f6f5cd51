from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from docmill.adapters.postgres.migrate import (
    Migration,
    MigrationChanged,
    due,
    migrate,
    migrations,
)


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
