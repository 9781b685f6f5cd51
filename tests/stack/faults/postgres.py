"""PostgreSQL that dies, freezes, locks, fills up, or hands over to its standby."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from random import Random
from typing import Final, LiteralString

import psycopg

from tests.stack.failover import fail_over
from tests.stack.faults.fault import Fault, Toll, again_and_again
from tests.stack.faults.flight import awaited, count, running
from tests.stack.faults.service import family, resume
from tests.stack.proxy import cutting, keeping_commit_replies
from tests.stack.routed import Routed

BLOCKED: Final[LiteralString] = """
SELECT count(*) FROM pg_stat_activity WHERE %(by)s = ANY(pg_blocking_pids(pid))"""
LOCKING: Final[LiteralString] = """
SELECT id FROM document WHERE state = 'processing' LIMIT 3 FOR UPDATE SKIP LOCKED"""


@contextmanager
def postgres_restarted(stack: Routed, draw: Random) -> Iterator[Toll]:
    """PostgreSQL ends at once in the middle of commits, and recovers from its log."""
    hit = awaited(lambda: running(stack), 0)
    stack.postgres.stop("immediate")
    yield Toll("tasks", hit)
    stack.postgres.start()


@contextmanager
def postgres_frozen(stack: Routed, draw: Random) -> Iterator[Toll]:
    """PostgreSQL answers nothing while its connections stay up."""
    hit = awaited(lambda: running(stack), 0)
    with ExitStack() as asleep:
        for process in family(stack.postgres.process.pid):
            process.suspend()
            asleep.callback(resume, process)
        yield Toll("tasks", hit)


@contextmanager
def postgres_calls_failing(stack: Routed, draw: Random) -> Iterator[Toll]:
    """A connection to PostgreSQL breaks at about every tenth thing it says, COMMITs among them."""
    way, toll = stack.routes["postgres"], Toll("calls")
    with way.counting(toll.add), way.spoiling(cutting(0.1, draw)):
        yield toll


@contextmanager
def tables_locked(stack: Routed, draw: Random) -> Iterator[Toll]:
    """Somebody holds a lock on the tasks in a transaction that idles."""
    with psycopg.connect(stack.postgres_url) as connection:
        connection.execute("LOCK TABLE task IN SHARE ROW EXCLUSIVE MODE")
        toll, holder = Toll("statements"), connection.info.backend_pid
        with again_and_again(lambda: toll.most(count(stack, BLOCKED, by=holder)), every=0.1):
            yield toll


@contextmanager
def postgres_failed_over(stack: Routed, draw: Random) -> Iterator[Toll]:
    """The primary is killed; its synchronous standby is promoted and the way leads to it."""
    awaited(lambda: running(stack), 0)
    fail_over(stack)
    yield Toll("tasks", running(stack))


@contextmanager
def pg_backend_kill(stack: Routed, draw: Random) -> Iterator[Toll]:
    """Every session of PostgreSQL is ended by the server, every second."""
    toll = Toll("tasks")

    def end_all() -> None:
        with psycopg.connect(stack.postgres_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        toll.add(running(stack))

    with again_and_again(end_all, every=1.0):
        yield toll


@contextmanager
def commit_replies_lost(stack: Routed, draw: Random) -> Iterator[Toll]:
    """A third of the COMMITs are done but the connection breaks before the reply."""
    way, toll = stack.routes["postgres"], Toll("commits")
    with way.counting(toll.add), way.spoiling(keeping_commit_replies(1 / 3, draw)):
        yield toll


@contextmanager
def idle_in_transaction(stack: Routed, draw: Random) -> Iterator[Toll]:
    """A transaction idles with an old snapshot and with the locks of documents in work."""
    with psycopg.connect(stack.postgres_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        toll = Toll("documents")
        toll.add(awaited(lambda: connection.execute(LOCKING).rowcount, 0))
        yield toll


@contextmanager
def pool_exhaustion(stack: Routed, draw: Random) -> Iterator[Toll]:
    """Somebody takes every connection that PostgreSQL has left; what breaks gets none back."""
    hit = awaited(lambda: running(stack), 0)
    with ExitStack() as taken:
        with suppress(psycopg.OperationalError):
            for _ in range(500):
                taken.enter_context(psycopg.connect(stack.postgres_url))
        with suppress(psycopg.OperationalError):
            stack.routes["postgres"].cut()
        yield Toll("tasks", hit)


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
