"""Transactions on the pool: foreign errors translated, deadlocks and serialisation retried."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg import errors
from psycopg_pool import PoolTimeout, TooManyRequests

from docmill.adapters.postgres.bell import Bell
from docmill.adapters.postgres.connection import Connection, Row, alone
from docmill.adapters.postgres.pool import Pool, figures
from docmill.domain.errors import DatabaseBusy, DatabaseDown
from docmill.ops import metrics
from docmill.ops.logging import logger

log = logger(__name__)
T = TypeVar("T")
COLLISIONS: Final = (errors.DeadlockDetected, errors.SerializationFailure)
# What PostgreSQL calls its own internal error, a page it cannot write among them, is its trouble.
ITS_OWN: Final = (errors.InternalError_, errors.DataCorrupted, errors.IndexCorrupted)
# A lock not given up by its holder in time, or a statement that took too long.
BUSY: Final = (errors.LockNotAvailable, errors.QueryCanceled)
TRIES: Final = 8
PING_SECONDS: Final = 3.0  # for a connection; a probe's time-out is longer and tells less


class Database:
    """What the adapters share: the pool, and the bell that wakes listeners after a commit."""

    def __init__(self, pool: Pool, bell: Bell | None = None) -> None:
        self.pool = pool
        self.bell = bell or Bell(pool)

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction and commit it; collisions run it again from the start.

        `work` must touch nothing but its connection. Raise DatabaseDown when PostgreSQL does not
        answer, the outcome is then unknown when it was the COMMIT that got no reply; its
        DatabaseBusy when a lock or a time limit was in the way: nothing is done then.
        """
        return self._tried(work, single=False)

    def once(self, work: Callable[[Connection], T]) -> T:
        """As `run`, for work that is one statement: PostgreSQL commits it by itself.

        That spares BEGIN and COMMIT their two round trips.
        """
        return self._tried(work, single=True)

    def piped(self, queries: Sequence[LiteralString], parameters: Mapping[str, Any]) -> Row | None:
        """Run statements as one transaction in one round trip; return the last one's first row."""

        def pipe(connection: Connection) -> Row | None:
            with connection.pipeline():
                cursors = [connection.execute(query, parameters) for query in queries]
            return cursors[-1].fetchone()

        return self._tried(pipe, single=True)

    def _tried(
        self, work: Callable[[Connection], T], *, single: bool, checkout: float | None = None
    ) -> T:
        for left in reversed(range(TRIES)):
            try:
                with self._translated(), self._connection(checkout, single=single) as connection:
                    return work(connection)
            except COLLISIONS as error:
                metrics.DATABASE_RETRIES.labels(_cause(error)).inc()
                if not left:
                    raise
        raise AssertionError("unreachable")

    @contextmanager
    def _connection(self, checkout: float | None, *, single: bool) -> Iterator[Connection]:
        with self.pool.connection(checkout) as connection:
            if not single:
                yield connection
                return
            with alone(connection):
                yield connection

    def ping(self) -> None:
        """Return when PostgreSQL answers; raise DatabaseDown when no connection is free in 3 s."""
        self._tried(_ping, single=False, checkout=PING_SECONDS)

    def health(self) -> dict[str, int]:
        """Ping, for a readiness probe; return the pool's figures."""
        self.ping()
        return {**figures(self.pool), "max": self.pool.max_size}

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except COLLISIONS:
            raise
        except (PoolTimeout, TooManyRequests) as error:
            metrics.DATABASE_POOL_EXHAUSTED.inc()
            log.warning("database_pool_exhausted", **self.pool.get_stats())
            raise DatabaseDown("no connection became free in time") from error
        except BUSY as error:
            raise DatabaseBusy(str(error)) from error
        except (psycopg.OperationalError, psycopg.InterfaceError, *ITS_OWN) as error:
            if _disconnected(error):
                self.pool.check()  # a restarted server leaves the other connections dead too
            raise DatabaseDown(str(error)) from error


def _disconnected(error: psycopg.Error) -> bool:
    # no code: the client saw it; 08 and 57P: the server went away or said so
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


def _cause(error: Exception) -> str:
    return "deadlock" if isinstance(error, errors.DeadlockDetected) else "serialisation"


def _ping(connection: Connection) -> None:
    connection.execute("SET LOCAL statement_timeout = '5s'")
    connection.execute("SELECT 1")
