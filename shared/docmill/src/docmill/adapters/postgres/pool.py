"""The bounded connection pool of one process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from docmill.adapters.postgres.connection import Connection
from docmill.domain.errors import DatabaseDown
from docmill.ops.settings import DatabaseSettings

CONNECT_SECONDS = 30
CONNECT_TRIES = 3
CONNECT_PAUSE_SECONDS = 3
CHECKOUT_SECONDS = 10

Pool = ConnectionPool[Connection]


@contextmanager
def open_pool(settings: DatabaseSettings, *, name: str) -> Iterator[Pool]:
    """Open a pool that answers; raise DatabaseDown after three tries of 30 s, 3 s apart.

    `name` is shown as the application's in pg_stat_activity.
    """
    pool = _pool(settings, name)
    try:
        _await_first(pool)
        yield pool
    finally:
        pool.close()


def _pool(settings: DatabaseSettings, name: str) -> Pool:
    timeout = int(settings.database_statement_timeout_seconds.total_seconds() * 1000)
    return ConnectionPool(
        settings.database_url,
        connection_class=Connection,
        min_size=1,
        max_size=settings.database_pool_size,
        timeout=CHECKOUT_SECONDS,
        max_idle=60,
        reconnect_timeout=5,
        open=False,
        kwargs={
            "application_name": name,
            "row_factory": dict_row,
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
            # jit costs tens of milliseconds on millisecond queries (measured)
            "options": f"-c statement_timeout={timeout} -c jit=off"
            " -c idle_in_transaction_session_timeout=30s",
        },
    )


def _await_first(pool: Pool) -> None:
    for left in reversed(range(CONNECT_TRIES)):
        try:
            pool.open(wait=True, timeout=CONNECT_SECONDS)
        except PoolTimeout as error:
            if not left:
                raise DatabaseDown("PostgreSQL did not answer") from error
            time.sleep(CONNECT_PAUSE_SECONDS)
        else:
            return


__all__ = ["Connection", "DictRow", "Pool", "open_pool"]
