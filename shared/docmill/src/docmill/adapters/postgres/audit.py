"""The invariants I1 to I6, checked on the tables and on the store, knowing nothing of the ledger.

Tests and the scheduler's audit both run these. A check sees one snapshot, so that a transaction in
flight is never taken for a violation.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from uuid import UUID

from psycopg.types.json import Jsonb

from docmill.adapters.postgres.connection import Connection
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.queries import load
from docmill.domain.document import MOVES
from docmill.ops.metrics import Invariant
from docmill.ports import Stored

SQL: Final = load("audit")
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
EXAMPLES: Final = 20  # kept of each invariant
CHECKS: Final[Mapping[Invariant, Sequence[str]]] = {
    Invariant.I1: ("i1_original",),
    Invariant.I2: ("i2_hanging", "i2_batch_hanging"),
    Invariant.I3: (
        "i3_done_twice",
        "i3_done_for_nothing",
        "i3_output_without_work",
        "i3_assembled_by_another",
    ),
    Invariant.I4: ("i4_illegal_move", "i4_untold_state"),
    Invariant.I5: ("i5_remains",),
    Invariant.I6: ("i6_gaps",),
}
_SAMPLES: Final = {
    Invariant.I1: ("sample_originals", "document"),
    Invariant.I5: ("sample_artifacts", "artifact"),
}


class Heads(Protocol):
    """The one thing an audit asks of the store."""

    def head(self, key: str) -> Stored | None:
        """Tell size and, where kept, SHA-256 of a blob; None when there is none."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise."""

    invariant: Invariant
    document: UUID | None
    detail: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What the last audit of an invariant found."""

    invariant: str
    checked_at: datetime
    violations: int
    examples: Sequence[Mapping[str, Any]]


class PostgresAudit:
    """The checker. Every method raises DatabaseDown; those that ask the store, StoreDown."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def violations(self, invariant: Invariant, *, since: datetime = EVER) -> list[Violation]:
        """Check the tables, of documents changed since then."""
        parameters = {"since": since} | _moves()
        return [
            Violation(invariant, row["document"], row["detail"])
            for check in CHECKS[invariant]
            for row in self._database.run(lambda c: c.execute(SQL[check], parameters).fetchall())  # noqa: B023 - run at once
        ]

    def store_violations(self, blobs: Heads, *, sample: int) -> list[Violation]:
        """Compare at most about `sample` originals and as many artifacts with the store."""
        return [
            violation
            for invariant, (query, table) in _SAMPLES.items()
            for violation in self._compare(invariant, self._sample(query, table, sample), blobs)
        ]

    def all_violations(self, blobs: Heads | None = None, *, sample: int = 500) -> list[Violation]:
        """Check everything there is."""
        found = [each for invariant in Invariant for each in self.violations(invariant)]
        return found + (self.store_violations(blobs, sample=sample) if blobs else [])

    def record(self, found: Iterable[Violation]) -> dict[Invariant, int]:
        """Keep the result of a whole audit for every replica to show; return the counts."""
        sorted_out: dict[Invariant, list[Violation]] = {invariant: [] for invariant in Invariant}
        for violation in found:
            sorted_out[violation.invariant].append(violation)
        self._database.run(lambda c: _record(c, sorted_out))
        return {invariant: len(listed) for invariant, listed in sorted_out.items()}

    def last(self) -> list[Finding]:
        """Return what the last audit recorded."""
        rows = self._database.run(lambda c: c.execute(SQL["last_audit"]).fetchall())
        return [Finding(**row) for row in rows]

    def _sample(self, query: str, table: str, sample: int) -> list[dict[str, Any]]:
        def pick(connection: Connection) -> list[dict[str, Any]]:
            size = connection.execute(SQL["table_size"], {"name": table}).fetchone()
            guessed = max(size["guessed"], 1) if size else 1
            # twice what is wanted: pages are picked whole, and some rows drop out
            percent = min(100.0, 200.0 * sample / guessed)
            parameters = {"half": (sample + 1) // 2, "percent": percent}
            return connection.execute(SQL[query], parameters).fetchall()

        return self._database.run(pick)

    def _compare(
        self, invariant: Invariant, rows: Iterable[Mapping[str, Any]], blobs: Heads
    ) -> Iterable[Violation]:
        for row in rows:
            fault = _fault(row, blobs.head(row["key"]))
            if fault and self._still_refers(row):
                yield Violation(invariant, row["document"], f"{row['key']}: {fault}")

    def _still_refers(self, row: Mapping[str, Any]) -> bool:
        parameters = {"document": row["document"], "key": row["key"]}
        found = self._database.run(lambda c: c.execute(SQL["still_refers"], parameters).fetchone())
        return bool(found and found["yes"])


def _fault(row: Mapping[str, Any], stored: Stored | None) -> str | None:
    if stored is None:
        return "no object"
    if stored.size != row["size"]:
        return f"{stored.size} bytes instead of {row['size']}"
    if stored.sha256 is not None and stored.sha256 != row["sha256"]:
        return "other bytes"
    return None


def _moves() -> dict[str, list[str]]:
    pairs = [(origin.value, to.value) for origin, targets in MOVES.items() for to in targets]
    return {"moves_from": [a for a, _ in pairs], "moves_to": [b for _, b in pairs]}


def _record(connection: Connection, found: Mapping[Invariant, Sequence[Violation]]) -> None:
    for invariant, listed in found.items():
        examples = [
            {"document": str(each.document), "detail": each.detail} for each in listed[:EXAMPLES]
        ]
        connection.execute(
            SQL["record_audit"],
            {"invariant": invariant, "violations": len(listed), "examples": Jsonb(examples)},
        )
