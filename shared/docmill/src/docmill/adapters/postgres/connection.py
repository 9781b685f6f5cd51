"""The type of our connections: rows are dictionaries, and no answer is waited for for ever."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

import psycopg
from psycopg.abc import PQGen

Row = dict[str, Any]
T = TypeVar("T")


class Connection(psycopg.Connection[Row]):
    """A connection that gives up on a server whose answer does not come.

    The server's own statement time-out ends what it still works on. Where the way to it is gone and
    nobody says so (a frozen host, a proxy that forgot us), only our own clock does.
    """

    MARGIN: ClassVar[float] = 5.0  # seconds beyond the statement time-out
    patience: float = 15.0

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Raise OperationalError, with the connection closed, when there is no answer in time."""
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.errors._WaitTimeout:  # noqa: SLF001 - psycopg has no public name for it
            if timeout is None:
                self.pgconn.finish()
                raise psycopg.OperationalError("no answer in time") from None
            raise


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Have each statement of the block commit by itself."""
    connection.autocommit = True
    try:
        yield
    finally:
        if not connection.closed:
            connection.autocommit = False


def impatient(connection: Connection, wait: timedelta) -> None:
    """Have the transaction give up a lock that it does not get in time, with DatabaseBusy."""
    milliseconds = f"{wait / timedelta(milliseconds=1):.0f}"
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [milliseconds])


def first(cursor: psycopg.Cursor[Row]) -> Row:
    """Return the row of a statement that always has one."""
    row = cursor.fetchone()
    if row is None:
        raise LookupError("a statement that always has a row had none")
    return row
