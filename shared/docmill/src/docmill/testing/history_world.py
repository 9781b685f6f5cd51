"""Everything that PostgreSQL holds of documents, as the history checker reads it: whole tables."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import psycopg
from psycopg.rows import dict_row

Row: TypeAlias = dict[str, Any]


@dataclass(slots=True)
class Task:
    """A task with its attempts in the order of their tokens."""

    row: Row
    attempts: list[Row] = field(default_factory=list)

    @property
    def unit(self) -> tuple[int, str, int]:
        return self.row["run"], self.row["stage"], self.row["page"]

    def ended(self, *outcomes: str) -> int:
        """Count the attempts that ended so."""
        return sum(each["outcome"] in outcomes for each in self.attempts)

    def __str__(self) -> str:
        run, stage, page = self.unit
        return f"{stage} of page {page} in run {run}"


@dataclass(slots=True)
class Life:
    """Everything that PostgreSQL holds of one document."""

    row: Row
    events: list[Row] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    outputs: list[Row] = field(default_factory=list)
    artifacts: list[Row] = field(default_factory=list)
    pages: list[Row] = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(self.row["id"])


@dataclass(slots=True)
class World:
    """One snapshot of all of it."""

    lives: dict[str, Life]
    deliveries: list[Task]
    blobs: dict[str, Row]
    erased: list[Row]
    remains: list[Row]


_REMAINS: Final = """
SELECT l.document_id AS document, r.relation
  FROM audit_line l
  JOIN (SELECT id AS document, 'document' AS relation FROM document
         UNION SELECT document_id, 'blob' FROM blob UNION SELECT document_id, 'task' FROM task
         UNION SELECT document_id, 'event' FROM event UNION SELECT document_id, 'run' FROM run
         UNION SELECT document_id, 'page' FROM page UNION SELECT document_id, 'output' FROM output
         UNION SELECT document_id, 'artifact' FROM artifact
         UNION SELECT document_id, 'delivery' FROM delivery
         UNION SELECT document_id, 'idempotency' FROM idempotency) r ON r.document = l.document_id
 WHERE l.action = 'document_erased'"""
_ERASED: Final = """
SELECT document_id AS document, tenant_id AS tenant FROM audit_line
 WHERE action = 'document_erased'"""


def read(database_url: str) -> World:
    """Read all tables in one snapshot."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

        def rows(query: str) -> list[Row]:
            return connection.execute(query.encode()).fetchall()

        lives = {str(row["id"]): Life(row) for row in rows("SELECT * FROM document")}
        _hang(lives, rows("SELECT * FROM event ORDER BY seq"), lambda life: life.events)
        _hang(lives, rows("SELECT * FROM output"), lambda life: life.outputs)
        _hang(lives, rows("SELECT * FROM artifact"), lambda life: life.artifacts)
        _hang(lives, rows("SELECT * FROM page"), lambda life: life.pages)
        return World(
            lives=lives,
            deliveries=_tasks(rows, lives),
            blobs={row["key"]: row for row in rows("SELECT * FROM blob")},
            erased=rows(_ERASED),
            remains=rows(_REMAINS),
        )


def _hang(lives: dict[str, Life], rows: Iterable[Row], where: Callable[[Life], list[Row]]) -> None:
    for row in rows:
        where(lives[str(row["document_id"])]).append(row)


def _tasks(rows: Callable[[str], list[Row]], lives: dict[str, Life]) -> list[Task]:
    """Hang tasks with their attempts on their documents; return those of deliveries."""
    attempts = defaultdict[int, list[Row]](list)
    for row in rows("SELECT * FROM attempt ORDER BY token"):
        attempts[row["task_id"]].append(row)
    deliveries = []
    query = "SELECT t.*, d.document_id AS delivered_document FROM task t"
    for row in rows(f"{query} LEFT JOIN delivery d ON d.id = t.delivery_id"):
        task = Task(row, attempts[row["id"]])
        if row["document_id"] is None:
            deliveries.append(task)
        else:
            lives[str(row["document_id"])].tasks.append(task)
    return deliveries
