"""The bounded connection pool of one process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from docmill.adapters.postgres.connection import Connection
from docmill.domain.errors import DatabaseDown
from docmill.ops import metrics
from docmill.ops.settings import DatabaseSettings

CONNECT_TRIES = 3
CONNECT_PAUSE_SECONDS = 3
CHECKOUT_SECONDS = 10

Pool = ConnectionPool[Connection]


@contextmanager
def open_pool(settings: DatabaseSettings, *, name: str) -> Iterator[Pool]:
    """Open a pool that answers; raise DatabaseDown after three tries, 3 s apart.

    `name` is shown as the application's in pg_stat_activity.
    """
    pool = _opened(settings, name)
    for state in figures(pool):  # asked at each scrape
        metrics.DATABASE_CONNECTIONS.labels(state).set_function(partial(_figure, pool, state))
    metrics.DATABASE_CONNECTIONS_LIMIT.set(settings.database_pool_size)
    try:
        yield pool
    finally:
        pool.close()


def figures(pool: Pool) -> dict[str, int]:
    """Return how many connections are used and idle, and how many callers wait for one."""
    stats = pool.get_stats()
    idle = stats.get("pool_available", 0)
    return {
        "used": stats.get("pool_size", 0) - idle,
        "idle": idle,
        "waiting": stats.get("requests_waiting", 0),
    }


def _figure(pool: Pool, state: str) -> float:
    return figures(pool)[state]


def _opened(settings: DatabaseSettings, name: str) -> Pool:
    for left in reversed(range(CONNECT_TRIES)):
        pool = _pool(settings, name)  # a pool that did not open cannot be opened again
        try:
            pool.open(wait=True, timeout=settings.database_connect_seconds.total_seconds())
        except PoolTimeout as error:
            if not left:
                raise DatabaseDown("PostgreSQL did not answer") from error
            time.sleep(CONNECT_PAUSE_SECONDS)
        else:
            return pool
    raise AssertionError("unreachable")


def _pool(settings: DatabaseSettings, name: str) -> Pool:
    seconds = settings.database_statement_timeout_seconds.total_seconds()
    silence = round(settings.database_silence_seconds.total_seconds() * 1000)

    def limit(connection: Connection) -> None:
        connection.patience = seconds + Connection.MARGIN

    return ConnectionPool(
        settings.database_url,
        connection_class=Connection,
        min_size=1,
        max_size=settings.database_pool_size,
        timeout=CHECKOUT_SECONDS,
        max_idle=60,
        reconnect_timeout=5,
        open=False,
        configure=limit,
        kwargs={
            "application_name": name,
            "row_factory": dict_row,
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": silence,
            # jit costs tens of milliseconds on millisecond queries (measured)
            "options": f"-c statement_timeout={seconds * 1000:.0f} -c jit=off"
            " -c idle_in_transaction_session_timeout=30s",
        },
    )


__all__ = ["Connection", "DictRow", "Pool", "figures", "open_pool"]
