"""Batches: opened, closed, cancelled, and completed by looking at their members.

No counter says how many members are left: who ends one looks, under the batch's lock, and the
scheduler looks again at what nobody completed.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from docmill.adapters.postgres.bell import DOCUMENT, READY
from docmill.adapters.postgres.connection import Connection, Row, impatient
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.queries import load
from docmill.adapters.postgres.settle import Locked, mark_backlogged
from docmill.domain.document import LIVE
from docmill.domain.errors import DatabaseDown
from docmill.domain.identifier import FIRST, new_id
from docmill.domain.refusal import BatchCancelled, BatchClosed, BatchNotFound
from docmill.domain.task import Pool, Stage

SQL: Final = load("batches")
# Uploads hold a batch for milliseconds, and the sweep comes again.
PATIENCE: Final = timedelta(seconds=1)


class BatchState(StrEnum):
    """Whether a batch takes documents."""

    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch as readers see it, its members counted by state at the time of reading."""

    id: UUID
    name: str
    metadata: Mapping[str, Any]
    state: BatchState
    counts: Mapping[str, int]
    created_at: datetime
    closed_at: datetime | None
    completed_at: datetime | None


class PostgresBatches:
    """Every method raises DatabaseDown; a batch of another tenant is a BatchNotFound."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, tenant: str, *, name: str, metadata: Mapping[str, Any]) -> UUID:
        """Make an empty batch."""
        batch = new_id()
        made = {"batch": batch, "tenant": tenant, "name": name, "metadata": Jsonb(dict(metadata))}
        self._database.run(lambda c: c.execute(SQL["insert_batch"], made))
        return batch

    def get(self, tenant: str, batch: UUID) -> Batch:
        """Read a batch."""
        rows = self._rows("get_batch", tenant=tenant, batch=batch)
        if not rows:
            raise BatchNotFound
        return Batch(**{**rows[0], "state": BatchState(rows[0]["state"])})

    def close(self, tenant: str, batch: UUID) -> None:
        """Take no more documents; complete it when none is live. Twice is safe."""
        self._end(tenant, batch, BatchState.CLOSED)
        self.complete(batch)

    def begin_cancel(self, tenant: str, batch: UUID) -> None:
        """Take no more documents and have the live ones cancelled. Twice is safe."""
        self._end(tenant, batch, BatchState.CANCELLED)

    def live_members(self, batch: UUID) -> list[tuple[str, UUID]]:
        """Return the tenant and id of each document that is not settled."""
        return [(row["tenant"], row["id"]) for row in self._rows("live_members", batch=batch)]

    def complete(self, batch: UUID) -> bool:
        """Write the one completion event if the batch is closed and none of it is live."""
        done = self._database.run(lambda c: _complete(c, batch))
        if done:
            self._database.bell.ring(READY)
        return done

    def completable(self, limit: int, *, after: UUID = FIRST) -> list[tuple[UUID, BatchState]]:
        """Return what is still to complete or to cancel, by id from `after` on."""
        rows = self._rows("completable", limit=limit, after=after)
        return [(row["id"], BatchState(row["state"])) for row in rows]

    def _end(self, tenant: str, batch: UUID, state: BatchState) -> None:
        ended = {"tenant": tenant, "batch": batch, "state": state}
        self._database.run(lambda c: c.execute(SQL["close_batch"], ended))
        self.get(tenant, batch)  # BatchNotFound: closing what is not there changed nothing

    def _rows(self, query: str, **parameters: Any) -> list[Row]:
        return self._database.run(lambda c: c.execute(SQL[query], parameters).fetchall())


def admit(connection: Connection, tenant: str, batch: UUID) -> None:
    """Keep the batch open until the commit; raise BatchNotFound, BatchClosed, BatchCancelled."""
    row = connection.execute(SQL["admit"], {"tenant": tenant, "batch": batch}).fetchone()
    if row is None:
        raise BatchNotFound
    if row["state"] == BatchState.CLOSED:
        raise BatchClosed
    if row["state"] == BatchState.CANCELLED:
        raise BatchCancelled


def announce(database: Database, document: Locked) -> None:
    """Tell whoever waits for a document that has just been committed, and complete its batch.

    Whatever keeps this from happening, polls and the scheduler's sweep make up for it.
    """
    if document.readied or document.state in LIVE:
        database.bell.ring(READY)
    database.bell.ring(DOCUMENT, str(document.id))
    _complete_batch_of(database, document)


def _complete_batch_of(database: Database, document: Locked) -> None:
    batch = document.row["batch_id"]
    if batch is not None and document.state not in LIVE:
        with suppress(DatabaseDown):  # the document is committed: its worker must not hear of it
            PostgresBatches(database).complete(batch)


def _complete(connection: Connection, batch: UUID) -> bool:
    key = {"batch": batch}
    impatient(connection, PATIENCE)
    row = connection.execute(SQL["lock_batch"], key).fetchone()
    event = connection.execute(SQL["complete_batch"], key).fetchone() if row else None
    if row is None or event is None:
        return False
    payload = {
        "batch": str(batch),
        "name": row["name"],
        "metadata": row["metadata"],
        "counts": event["data"],
    }
    delivery = key | {
        "tenant": row["tenant"],
        "kind": event["kind"],
        "rank": Stage.NOTIFY.rank,
        "payload": Jsonb(payload),
    }
    if connection.execute(SQL["insert_batch_deliveries"], delivery).rowcount:
        mark_backlogged(connection, row["tenant"], Pool.NOTIFIER)
    return True
