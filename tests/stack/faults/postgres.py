"""PostgreSQL that dies, freezes, locks, fills up, or hands over to its standby."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from random import Random
from typing import Final

import psycopg

from tests.stack.failover import fail_over
from tests.stack.faults.fault import Fault, again_and_again
from tests.stack.faults.service import family, resume
from tests.stack.proxy import cutting, keeping_commit_replies
from tests.stack.routed import Routed


@contextmanager
def postgres_restarted(stack: Routed, draw: Random) -> Iterator[None]:
    """PostgreSQL ends at once in the middle of commits, and recovers from its log."""
    stack.postgres.stop("immediate")
    yield
    stack.postgres.start()


@contextmanager
def postgres_frozen(stack: Routed, draw: Random) -> Iterator[None]:
    """PostgreSQL answers nothing while its connections stay up."""
    with ExitStack() as asleep:
        for process in family(stack.postgres.process.pid):
            process.suspend()
            asleep.callback(resume, process)
        yield


@contextmanager
def postgres_calls_failing(stack: Routed, draw: Random) -> Iterator[None]:
    """A connection to PostgreSQL breaks at about every tenth thing it says, COMMITs among them."""
    with stack.routes["postgres"].spoiling(cutting(0.1, draw)):
        yield


@contextmanager
def tables_locked(stack: Routed, draw: Random) -> Iterator[None]:
    """Somebody holds a lock on the tasks in a transaction that idles."""
    with psycopg.connect(stack.postgres_url) as connection:
        connection.execute("LOCK TABLE task IN SHARE ROW EXCLUSIVE MODE")
        yield


@contextmanager
def postgres_failed_over(stack: Routed, draw: Random) -> Iterator[None]:
    """The primary is killed; its synchronous standby is promoted and the way leads to it."""
    fail_over(stack)
    yield


@contextmanager
def pg_backend_kill(stack: Routed, draw: Random) -> Iterator[None]:
    """Every session of PostgreSQL is ended by the server, every second."""

    def end_all() -> None:
        with psycopg.connect(stack.postgres_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )

    with again_and_again(end_all, every=1.0):
        yield


@contextmanager
def commit_replies_lost(stack: Routed, draw: Random) -> Iterator[None]:
    """A third of the COMMITs are done but the connection breaks before the reply."""
    with stack.routes["postgres"].spoiling(keeping_commit_replies(1 / 3, draw)):
        yield


@contextmanager
def idle_in_transaction(stack: Routed, draw: Random) -> Iterator[None]:
    """A transaction idles with an old snapshot and with the locks of documents in work."""
    with psycopg.connect(stack.postgres_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute(
            "SELECT id FROM document WHERE state = 'processing' LIMIT 3 FOR UPDATE SKIP LOCKED"
        )
        yield


@contextmanager
def pool_exhaustion(stack: Routed, draw: Random) -> Iterator[None]:
    """Somebody takes every connection that PostgreSQL has left; what breaks gets none back."""
    with ExitStack() as taken:
        with suppress(psycopg.OperationalError):
            for _ in range(500):
                taken.enter_context(psycopg.connect(stack.postgres_url))
        with suppress(psycopg.OperationalError):
            stack.routes["postgres"].cut()
        yield


FAULTS: Final[tuple[Fault, ...]] = (
    postgres_restarted,
    postgres_frozen,
    postgres_failed_over,
    pg_backend_kill,
    postgres_calls_failing,
    commit_replies_lost,
    tables_locked,
    idle_in_transaction,
    pool_exhaustion,
)
