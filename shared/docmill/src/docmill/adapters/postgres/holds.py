"""Legal holds: while one is on a document, it is neither erased nor expired."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from docmill.adapters.postgres.bell import DOCUMENT
from docmill.adapters.postgres.connection import Connection
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.lifecycle import Answer
from docmill.adapters.postgres.queries import load
from docmill.adapters.postgres.settle import Locked, locked
from docmill.domain.document import State

SQL: Final = load("holds")


class PostgresHolds:
    """The operator's side, of any tenant's document. Every method raises DatabaseDown."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def hold(self, document: UUID, *, reason: str, by: str) -> Answer:
        """Keep the document; MISSING when it is being erased. Twice keeps the first reason."""
        return self._change(document, lambda held: _hold(held, reason, by))

    def release(self, document: UUID, *, by: str) -> Answer:
        """Let the document be erased and expire again. Twice is safe."""
        return self._change(document, lambda held: _release(held, by))

    def _change(self, document: UUID, change: Callable[[Locked], bool]) -> Answer:
        answer = self._database.run(lambda c: _changed(c, document, change))
        if answer is Answer.DONE:
            self._database.bell.ring(DOCUMENT, str(document))
        return answer


def _changed(connection: Connection, document: UUID, change: Callable[[Locked], bool]) -> Answer:
    held = locked(connection, document)
    if held is None or held.state is State.ERASING:
        return Answer.MISSING
    if not change(held):
        return Answer.ALREADY
    held.save()
    return Answer.DONE


def _hold(held: Locked, reason: str, by: str) -> bool:
    if held.row["held_reason"] is not None:
        return False
    held.connection.execute(SQL["hold"], held.key | {"reason": reason})
    _tell(held, "held", by, reason=reason)
    return True


def _release(held: Locked, by: str) -> bool:
    if held.row["held_reason"] is None:
        return False
    held.connection.execute(SQL["release"], held.key)
    _tell(held, "released", by)
    return True


def _tell(held: Locked, kind: str, by: str, **data: str) -> None:
    held.tell(kind, by=by, **data)
    line = {"by": by, "action": f"document_{kind}", "data": Jsonb(data)}
    held.connection.execute(SQL["tell_audit"], held.key | line)
