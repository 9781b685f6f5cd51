"""Rows that only had to be kept for a while."""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.queries import load

SQL: Final = load("pruning")


class Kind(StrEnum):
    """What can be pruned; each is a query of `pruning.sql`."""

    IDEMPOTENCY = "idempotency"
    KEYS = "keys"
    LOGINS = "logins"
    TASKS = "tasks"
    DEAD_TASKS = "dead_tasks"
    DELIVERIES = "deliveries"
    WORKERS = "workers"
    HISTORY = "history"


class PostgresPruning:
    """Deletes what is past its age, a bounded batch at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def prune(self, kind: Kind, *, age: timedelta, limit: int) -> int:
        """Delete at most `limit` rows older than `age`; tell how many. Raise DatabaseDown."""
        parameters = {"age": age, "limit": limit}
        return self._database.run(lambda c: c.execute(SQL[kind], parameters).rowcount)
