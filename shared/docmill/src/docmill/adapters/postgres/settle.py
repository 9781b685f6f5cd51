"""One document under its lock: its events, its moves, its tasks, and how its run settles.

Every transaction that ends or creates tasks, outputs or events of a document goes through
`locked`, changes it by the methods of `Locked`, and ends with `save`.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from docmill.adapters.postgres.connection import Connection, Row, first
from docmill.adapters.postgres.queries import load
from docmill.domain.document import LIVE, MOVES, Priority, State
from docmill.domain.settling import Assemble, End, Tally, decide
from docmill.domain.task import Outcome, Pool, Stage, TaskState, cost
from docmill.ops import metrics
from docmill.ops.logging import logger

log = logger(__name__)
SQL: Final = load("settle")
BACKLOGGED: Final = SQL["backlogged"]
ENDS: Final = frozenset({State.READY, State.REJECTED, State.FAILED, State.CANCELLED})


class IllegalMove(Exception):
    """A move that the table of states does not have."""


def locked(connection: Connection, document: UUID) -> "Locked | None":
    """Lock the document for the rest of the transaction; None when there is no such row."""
    row = connection.execute(SQL["lock_document"], {"document": document}).fetchone()
    return Locked(connection, row) if row else None


def mark_backlogged(connection: Connection, tenant: str, pool: Pool) -> None:
    """Put the tenant into the pool's line, unless it stands there."""
    connection.execute(f"WITH {BACKLOGGED} SELECT", {"tenant": tenant, "pool": pool})


class Locked:
    """A document whose lock this transaction holds."""

    def __init__(self, connection: Connection, row: Row) -> None:
        self.connection = connection
        self.id: UUID = row["id"]
        self.tenant: str = row["tenant_id"]
        self.state = State(row["state"])
        self.run: int = row["run"]
        self.row = dict(row)
        self.readied: set[Pool] = set()
        self.asked: dict[str, str] = {}  # of the request that changes it; every event tells it
        self.after = timedelta()  # that the tasks wait which it adds
        self._run_seconds = 0.0  # how long the run took that this transaction ended
        self._was = (self.state, row["version"])
        self._events: list[tuple[str, int, State, dict[str, Any]]] = []

    @property
    def key(self) -> dict[str, Any]:
        """The parameters that every query about the current run takes."""
        return {"document": self.id, "run": self.run, "tenant": self.tenant}

    def tell(self, kind: str, **data: Any) -> None:
        """Append an event to the history; it is written by `save`."""
        told = {"correlation_id": self.row["correlation"], **self.asked, **data}
        self._events.append((kind, self.run, self.state, told))

    def move(self, to: State, **data: Any) -> None:
        """Move the document to another state and tell of it under the state's name."""
        if to not in MOVES[self.state]:
            raise IllegalMove(f"{self.id}: {self.state} to {to}")
        self.state = to
        if to is not State.PROCESSING:
            self.tell(to.value, **data)

    def add_tasks(self, stage: Stage, pages: Iterable[int] = (0,)) -> None:
        """Insert ready tasks of the current run, one a page; units that exist stay as they are."""
        numbers = list(pages)
        if not numbers:
            return
        parameters = self.key | {
            "stage": stage,
            "pages": numbers,
            "pool": stage.pool,
            "priority": Priority(self.row["priority"]).rank,
            "rank": stage.rank,
            "cost": cost(stage, self.row["pages"] or 1),
            "accepted_at": self.row["accepted_at"],
            "after": self.after,
        }
        self.connection.execute(SQL["insert_tasks"], parameters)
        self._mark(stage.pool)

    def cancel_tasks(self, code: str, *, deliveries: bool = False) -> None:
        """End every open task of the document, of all runs and stages; its webhooks if asked."""
        subject = self.key | {"deliveries": deliveries}
        rows = self.connection.execute(SQL["lock_open_tasks"], subject).fetchall()
        tasks = [row["id"] for row in rows]
        if tasks:
            self.connection.execute(SQL["cancel_tasks"], {"tasks": tasks, "code": code})
            self._close(tasks, Outcome.CANCELLED, code)

    def settle(self) -> None:
        """Assemble or end the run when none of its gating tasks is open. Twice is safe."""
        row = first(self.connection.execute(SQL["tally"], self.key))
        match decide(_tally(self.state, row)):
            case Assemble():
                self.add_tasks(Stage.ASSEMBLE)
            case End(state, code):
                self._end(state, code, failed=row["pages_dead"])
            case _:
                pass

    def save(self) -> None:
        """Write the document and its events; the last statements before the commit."""
        old_state, old_version = self._was
        ended = self.state in ENDS and self.state is not old_state
        parameters = {
            "document": self.id,
            **{name: self.row[name] for name in _SAVED},
            "state": self.state,
            "run": self.run,
            "version": old_version + len(self._events),
            "ended": ended,
            "reopened": self.state in LIVE and old_state not in LIVE,
            "from_state": old_state,
            "from_version": old_version,
        }
        if self.connection.execute(SQL["save_document"], parameters).rowcount != 1:
            raise IllegalMove(f"{self.id}: changed under its lock")
        self._write(old_version + 1)
        if ended:
            self._deliver(old_version + len(self._events))
        self._report(ended=ended)

    def _report(self, *, ended: bool) -> None:
        # nothing but the COMMIT can fail after this: a line too many is rare and does no harm
        before, _ = self._was
        if self.state is not before:
            log.info(
                "document_moved",
                document=str(self.id),
                tenant=self.tenant,
                before=before,
                state=self.state,
                run=self.run,
            )
        if ended:
            metrics.DOCUMENTS_SETTLED.labels(self.state).inc()
            metrics.DOCUMENT_SECONDS.labels(self.state).observe(self._run_seconds)

    def _end(self, state: State, code: str | None, *, failed: int) -> None:
        detail = None
        if state is State.READY:
            self.row["settled_run"] = self.run
            self.row["failure_code"] = self.row["failure_detail"] = None
            self.move(state, pages=self.row["pages"], pages_failed=failed)
        else:
            row = self.connection.execute(SQL["failed_detail"], self.key).fetchone()
            detail = row["detail"] if row else None
            self.row |= {"failure_code": code, "failure_detail": detail}
            self.move(state, code=code, detail=detail)
        self.end_run(state)

    def end_run(self, outcome: State) -> None:
        """Close the current run's row."""
        row = self.connection.execute(SQL["settle_run"], self.key | {"outcome": outcome}).fetchone()
        self._run_seconds = row["seconds"] if row else 0.0

    def _close(self, tasks: list[int], outcome: Outcome, cause: str) -> None:
        parameters = {"tasks": tasks, "outcome": outcome, "cause": cause}
        self.connection.execute(SQL["close_attempts"], parameters)

    def _mark(self, pool: Pool) -> None:
        mark_backlogged(self.connection, self.tenant, pool)
        self.readied.add(pool)

    def _write(self, first_seq: int) -> None:
        if not self._events:
            return
        events = [
            {"seq": seq, "kind": kind, "run": run, "state": state, "data": data}
            for seq, (kind, run, state, data) in enumerate(self._events, first_seq)
        ]
        parameters = {"document": self.id, "events": Jsonb(events)}
        self.connection.execute(SQL["insert_events"], parameters)

    def _deliver(self, seq: int) -> None:
        kind = f"document.{self.state.value}"
        parameters = {
            "seq": seq,
            "kind": kind,
            "rank": Stage.NOTIFY.rank,
            "payload": Jsonb(self._payload()),
        }
        made = self.connection.execute(SQL["insert_deliveries"], self.key | parameters)
        if made.rowcount:
            self._mark(Pool.NOTIFIER)

    def _payload(self) -> dict[str, Any]:
        return {
            "document": str(self.id),
            "state": self.state,
            "run": self.run,
            "name": self.row["name"],
            "pages": self.row["pages"],
            "failure_code": self.row["failure_code"],
            "metadata": self.row["metadata"],
            "correlation_id": self.row["correlation"],
        }


_SAVED: Final = ("settled_run", "media_type", "pages", "failure_code", "failure_detail")


def _tally(state: State, row: Row) -> Tally:
    values = {**row, "state": state, "open": row["open"]}
    for stage in ("validate", "assemble"):
        values[stage] = TaskState(row[stage]) if row[stage] else None
    return Tally(**values)
