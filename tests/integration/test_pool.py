from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from docmill.adapters.postgres import pool
from docmill.adapters.postgres.connection import Connection
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.migrate import migrate
from docmill.adapters.postgres.pool import open_pool
from docmill.domain.errors import DatabaseBusy, DatabaseDown
from docmill.ops.middleware import Unforeseen, attempted
from docmill.ops.settings import DatabaseSettings
from tests.stack.proxy import proxied
from tests.stack.wait import until

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


def test_an_answer_that_never_comes_is_not_waited_for(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "MARGIN", 0.1)
    port = urlsplit(database_url).port
    assert port
    with proxied(port) as proxy:
        settings = DatabaseSettings(
            database_url=database_url.replace(f":{port}", f":{proxy.port}"),
            database_statement_timeout_seconds=timedelta(seconds=0.4),
        )
        with open_pool(settings, name="test") as opened:
            database = Database(opened)
            database.run(lambda connection: connection.execute("SELECT 1"))
            proxy.hold()
            with pytest.raises(DatabaseDown, match="no answer in time"):
                database.run(lambda connection: connection.execute("SELECT 1"))
            proxy.cut()
            until(lambda: not isinstance(attempted(database.ping), Unforeseen))


@pytest.mark.parametrize("limit", ["statement_timeout", "lock_timeout"])
def test_a_time_limit_in_the_way_of_one_thing_is_no_outage(database_url: str, limit: str) -> None:
    with open_pool(DatabaseSettings(database_url=database_url), name="test") as opened:
        database = Database(opened)
        with opened.connection() as other, other.transaction():
            other.execute("LOCK TABLE document")

            def read(connection: Connection) -> None:
                connection.execute(f"SET LOCAL {limit} = '50ms'")
                connection.execute("SELECT FROM document")

            with pytest.raises(DatabaseBusy):
                database.run(read)


@pytest.mark.parametrize("code", ["XX000", "XX001", "XX002", "53100", "58030"])
def test_what_is_the_servers_own_trouble_is_no_fault_of_the_statement(
    database_url: str, code: str
) -> None:
    broken = f"DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '{code}'; END $$"
    with open_pool(DatabaseSettings(database_url=database_url), name="test") as opened:
        database = Database(opened)
        with pytest.raises(DatabaseDown, match="no room"):
            database.run(lambda connection: connection.execute(broken))
        database.ping()
