"""What callers and the scheduler do to a document's life: cancel, new run, erase, time out.

Each is one transaction in the one lock order; a document of another tenant does not exist.
"""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from docmill.adapters.postgres.batches import announce
from docmill.adapters.postgres.bell import READY
from docmill.adapters.postgres.connection import Connection, Row, first, impatient
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.queries import load
from docmill.adapters.postgres.settle import Locked, locked
from docmill.domain.document import LIVE, RERUNNABLE, OcrChange, Options, Output, State
from docmill.domain.rejection import TimedOut
from docmill.domain.task import Stage

SQL: Final = load("lifecycle")
PATIENCE: Final = timedelta(seconds=1)  # for one overdue document of many
SAME: Final = OcrChange()


class Answer(StrEnum):
    """How a request on a document was answered."""

    DONE = "done"
    ALREADY = "already"  # it was so before; nothing changed
    CONFLICT = "conflict"  # the document's state does not allow it
    HELD = "held"  # a legal hold forbids it
    MISSING = "missing"  # no such document, not this tenant's, or being erased


class PostgresLifecycle:
    """The writing side of a document after it was accepted.

    Events tell who asked (`by`) and the `correlation` of that request, beside the upload's own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def cancel(
        self, tenant: str, document: UUID, *, by: str, correlation: str | None = None
    ) -> Answer:
        """End a live document now; running children are killed within two seconds."""
        return self._change(tenant, document, lambda held: _cancel(held, by), correlation)

    def cancel_tenant(self, tenant: str, *, by: str) -> int:
        """End everything live of a tenant, one transaction a document; tell how many.

        Uploads go on meanwhile. What broke off is resumed by asking again; twice is safe.
        """
        asked = {"tenant": tenant, "by": by}
        self._database.run(lambda c: c.execute(SQL["tell_tenant_cancel"], asked))
        rows = self._database.run(lambda c: c.execute(SQL["live_of_tenant"], asked).fetchall())
        answers = [self.cancel(tenant, row["id"], by=by) for row in rows]
        return answers.count(Answer.DONE)

    def retry(
        self,
        tenant: str,
        document: UUID,
        *,
        by: str,
        correlation: str | None = None,
        change: OcrChange = SAME,
    ) -> Answer:
        """Open a new run that does only what the last one left undone, and assembles again.

        Where it is asked for something else it does all anew. A live run is not changed.
        """
        return self._change(tenant, document, lambda held: _retry(held, by, change), correlation)

    def erase(
        self, tenant: str, document: UUID, *, by: str, correlation: str | None = None
    ) -> Answer:
        """Hide the document at once and have the scheduler delete all of it. Twice is safe."""
        return self._change(tenant, document, lambda held: _erase(held, by), correlation)

    def overdue(self, limit: timedelta = timedelta(hours=24)) -> list[UUID]:
        """Give documents whose run has been open for longer, the oldest first; not all at once."""
        rows = self._database.run(
            lambda c: c.execute(SQL["overdue_runs"], {"limit": limit}).fetchall()
        )
        return [row["document"] for row in rows]

    def time_out(self, document: UUID, limit: timedelta = timedelta(hours=24)) -> bool:
        """End the document's run if it is still overdue. Twice is safe."""
        held = self._database.run(lambda c: _time_out(c, document, limit))
        if held is not None:
            announce(self._database, held)
        return held is not None

    def _change(
        self,
        tenant: str,
        document: UUID,
        change: Callable[[Locked], Answer],
        correlation: str | None,
    ) -> Answer:
        def asked(held: Locked) -> Answer:
            held.asked = {"asked_correlation_id": correlation} if correlation else {}
            return change(held)

        answer, held = self._database.run(lambda c: _changed(c, tenant, document, asked))
        if held is not None and answer is Answer.DONE:
            announce(self._database, held)
            self._database.bell.ring(READY)  # what was queued made room
        return answer


def _changed(
    connection: Connection, tenant: str, document: UUID, change: Callable[[Locked], Answer]
) -> tuple[Answer, Locked | None]:
    held = locked(connection, document)
    if held is None or held.tenant != tenant or held.state is State.ERASING:
        return Answer.MISSING, None
    answer = change(held)
    if answer is Answer.DONE:
        held.save()
    return answer, held


def _cancel(held: Locked, by: str) -> Answer:
    if held.state is State.CANCELLED:
        return Answer.ALREADY
    if held.state not in LIVE:
        return Answer.CONFLICT
    held.cancel_tasks("cancelled")
    held.move(State.CANCELLED, by=by)
    held.end_run(State.CANCELLED)
    return Answer.DONE


def _retry(held: Locked, by: str, change: OcrChange) -> Answer:
    if held.state in LIVE:
        options = _options(_one(held, "last_options"))
        return Answer.ALREADY if change.of(options) == options else Answer.CONFLICT
    if held.state not in RERUNNABLE:
        return Answer.CONFLICT
    held.cancel_tasks("superseded")  # a thumbnail of the run before: the new run does it
    held.move(State.PROCESSING)
    open_run(held, reason="retry", by=by, change=change)
    return Answer.DONE


def open_run(held: Locked, *, reason: str, by: str, change: OcrChange = SAME) -> None:
    """Open the next run with the last one's options, but for the change.

    What that one made is carried over as far as today's engines would make the same of the same
    options.
    """
    before = held.run
    last = _one(held, "last_options")
    if (options := change.of(_options(last))) != _options(last):
        last |= {"options": options.as_json(), "plan": None}
    held.run = before + 1
    unit = held.key | {"before": before}
    opened = unit | {
        "options": Jsonb(last["options"]),
        "plan": Jsonb(last["plan"]) if last["plan"] else None,
        "reason": reason,
    }
    held.row |= {"failure_code": None, "failure_detail": None}
    held.connection.execute(SQL["insert_run"], opened)
    held.tell("run_opened", reason=reason, by=by)
    if last["plan"] is None:
        held.add_tasks(Stage.VALIDATE)
        return
    for query in ("carry_pages", "carry_outputs", "carry_artifacts"):
        held.connection.execute(SQL[query], unit)
    _add_missing(held, options)
    held.settle()


def _add_missing(held: Locked, options: Options) -> None:
    parameters = held.key | {"thumbnails": Output.THUMBNAILS in options.outputs}
    rows = held.connection.execute(SQL["missing_units"], parameters).fetchall()
    pages = [row["page"] for row in rows if row["stage"] == Stage.RECOGNISE]
    held.add_tasks(Stage.RECOGNISE, pages)
    if len(pages) < len(rows):
        held.add_tasks(Stage.THUMBNAIL)


def _erase(held: Locked, by: str) -> Answer:
    if held.row["held_reason"] is not None:
        return Answer.HELD
    held.cancel_tasks("erased", deliveries=True)
    if held.state in LIVE:
        held.end_run(State.ERASING)
    held.move(State.ERASING, by=by)
    held.connection.execute(SQL["tell_audit"], held.key | {"by": by})
    held.connection.execute(SQL["forget_answers"], held.key)
    return Answer.DONE


def _time_out(connection: Connection, document: UUID, limit: timedelta) -> Locked | None:
    impatient(connection, PATIENCE)
    held = locked(connection, document)
    if held is None or held.state not in LIVE:
        return None
    if connection.execute(SQL["run_is_overdue"], held.key | {"limit": limit}).fetchone() is None:
        return None
    held.cancel_tasks(TimedOut.code)
    held.row |= {"failure_code": TimedOut.code, "failure_detail": f"open for over {limit}"}
    held.move(State.FAILED, code=TimedOut.code)
    held.end_run(State.FAILED)
    held.save()
    return held


def _options(run: Row) -> Options:
    return Options.from_json(run["options"])


def _one(held: Locked, query: str) -> Row:
    return first(held.connection.execute(SQL[query], held.key))
