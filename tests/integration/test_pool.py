from datetime import timedelta

import pytest

from docmill.adapters.postgres import pool
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.migrate import migrate
from docmill.adapters.postgres.pool import open_pool
from docmill.domain.errors import DatabaseDown
from docmill.ops.settings import DatabaseSettings

NOBODY = "postgresql://nobody:x@127.0.0.1:1/none"


def test_a_server_that_is_away_is_tried_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CONNECT_PAUSE_SECONDS", 0)
    settings = DatabaseSettings(
        database_url=NOBODY, database_connect_seconds=timedelta(seconds=0.2)
    )
    with pytest.raises(DatabaseDown), open_pool(settings, name="test"):
        pass


def test_a_migration_says_that_the_server_is_away() -> None:
    with pytest.raises(DatabaseDown):
        migrate(NOBODY)


def test_the_health_of_a_pool_is_in_figures(database_url: str) -> None:
    settings = DatabaseSettings(database_url=database_url, database_pool_size=3)
    with open_pool(settings, name="test") as opened:
        assert Database(opened).health()["max"] == 3
