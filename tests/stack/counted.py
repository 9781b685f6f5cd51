"""How many rows and index entries a piece of work touches: a cost that no busy machine changes."""

from collections.abc import Callable
from typing import Final, TypeVar

from docmill.adapters.postgres.connection import Connection, first
from docmill.adapters.postgres.database import Database

T = TypeVar("T")

_TOUCHED: Final = """
SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(oid)
                  + pg_stat_get_xact_tuples_fetched(oid)), 0)::bigint AS n
  FROM pg_class WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace"""


class Counted(Database):
    """Adds up what its transactions read of tables and indexes.

    Without sequential scans, which the planner rightly prefers for tables of a few pages: what is
    counted are the plans of a large installation.
    """

    touched = 0

    def run(self, work: Callable[[Connection], T]) -> T:
        def counted(connection: Connection) -> T:
            connection.execute("SET LOCAL enable_seqscan = off")
            before = _touched(connection)  # what the last transaction has not reported yet
            done = work(connection)
            self.touched += _touched(connection) - before
            return done

        return super().run(counted)


def _touched(connection: Connection) -> int:
    return int(first(connection.execute(_TOUCHED))["n"])
