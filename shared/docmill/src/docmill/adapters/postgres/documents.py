"""The readers' side of the queue of record: always by tenant, never a row that is being erased."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from psycopg.types.json import Jsonb

from docmill.adapters.postgres.connection import Row
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.queries import load
from docmill.domain.document import (
    Artifact,
    ArtifactKind,
    Document,
    Event,
    Ocr,
    Options,
    Priority,
    State,
)
from docmill.domain.plan import PlannedPage, Source
from docmill.domain.tenant import Usage

Rows: TypeAlias = list[Row]
EVENTS_AT_ONCE: Final = 1000
_SAME: Final = (
    "id", "version", "run", "settled_run", "name", "declared_type", "media_type", "size", "key",
    "metadata", "correlation", "pages", "pages_done", "pages_failed", "failure_code",
    "failure_detail", "hold_reason", "accepted_at", "changed_at", "settled_at", "expires_at",
    "held_reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which documents a list holds; None leaves a thing open."""

    states: Sequence[State] | None = None
    name: str | None = None
    metadata: Mapping[str, Any] | None = None
    accepted_from: datetime | None = None
    accepted_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageInfo:
    """One page as planned, what its run asked for it, and what became of it."""

    plan: PlannedPage
    ocr: Ocr
    facts: Mapping[str, Any] = field(default_factory=dict)
    failure_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPage:
    """Where a page that was read is stored, and what read it."""

    key: str
    sha256: bytes
    engine: str


class Documents:
    """Reads documents, events and outputs. Every method raises DatabaseDown."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load("documents")

    def get(self, tenant: str, document: UUID) -> Document | None:
        """Read one document; None when the tenant has no such, or it is being erased."""
        rows = self._rows("documents", "one", tenant=tenant, document=document)
        return as_document(rows[0]) if rows else None

    def version(self, tenant: str, document: UUID) -> tuple[int, State] | None:
        """Read a document's version and state only."""
        rows = self._rows("version", tenant=tenant, document=document)
        return (rows[0]["version"], State(rows[0]["state"])) if rows else None

    def list(
        self, tenant: str, wanted: Filter, *, before: UUID | None, limit: int
    ) -> Sequence[Document]:
        """Read at most `limit` documents, the newest first, older than `before`."""
        rows = self._rows(
            "documents",
            "page_of_documents",
            tenant=tenant,
            before=before,
            limit=limit,
            states=None if wanted.states is None else [state.value for state in wanted.states],
            name=wanted.name,
            metadata=None if wanted.metadata is None else Jsonb(wanted.metadata),
            accepted_from=wanted.accepted_from,
            accepted_to=wanted.accepted_to,
        )
        return [as_document(row) for row in rows]

    def history(self, tenant: str, document: UUID, *, after: int = 0) -> Iterator[Event]:
        """Read a document's history after `after` to its end, in order, a thousand at a time."""
        while batch := self.events(tenant, document, after=after, limit=EVENTS_AT_ONCE):
            yield from batch
            if len(batch) < EVENTS_AT_ONCE:
                return
            after = batch[-1].seq

    def events(self, tenant: str, document: UUID, *, after: int, limit: int) -> Sequence[Event]:
        """Read at most `limit` events of a document's history after `after`, in order."""
        rows = self._rows("events", tenant=tenant, document=document, after=after, limit=limit)
        return [_event(row) for row in rows]

    def artifact(
        self, tenant: str, document: UUID, kind: ArtifactKind, page: int = 0
    ) -> Artifact | None:
        """Read where an output of the last settled run is stored."""
        rows = self._rows("artifact", tenant=tenant, document=document, kind=kind.value, page=page)
        return Artifact(**{**rows[0], "kind": kind}) if rows else None

    def pages(self, tenant: str, document: UUID) -> Sequence[PageInfo]:
        """Read the page plan and each page's outcome."""
        return [_page(row) for row in self._rows("pages", tenant=tenant, document=document)]

    def read_pages(self, tenant: str, document: UUID) -> Sequence[StoredPage]:
        """Read where the pages of the last settled run are stored; none while there is none."""
        rows = self._rows("read_pages", tenant=tenant, document=document)
        return [StoredPage(**{**row, "sha256": bytes(row["sha256"])}) for row in rows]

    def thumbnails_coming(self, tenant: str, document: UUID) -> bool:
        """Whether thumbnails are still being made; they never hold a document up."""
        return bool(self._rows("thumbnails_coming", tenant=tenant, document=document))

    def usage(self, tenant: str) -> Usage:
        """Count what the tenant uses now."""
        return Usage(**self._rows("usage", tenant=tenant)[0])

    def languages(self) -> frozenset[str]:
        """Read what the living OCR workers have installed; empty when none lives."""
        return frozenset(row["language"] for row in self._rows("languages"))

    def ping(self) -> None:
        """Return when PostgreSQL answers."""
        self._database.ping()

    def _rows(self, *names: str, **parameters: object) -> Rows:
        query = "\n".join(self._queries[name] for name in names)
        return self._database.once(
            lambda connection: connection.execute(query, parameters).fetchall()
        )


def as_document(row: Row) -> Document:
    """Return the document of a row of `documents`."""
    return Document(
        **{name: row[name] for name in _SAME},
        tenant=row["tenant_id"],
        state=State(row["state"]),
        sha256=bytes(row["sha256"]),
        options=Options.from_json(row["options"]) if row["options"] else Options(),
        priority=Priority(row["priority"]),
        batch=row["batch_id"],
    )


def _event(row: Row) -> Event:
    state = State(row["state"]) if row["state"] else None
    return Event(
        document=row["document_id"],
        seq=row["seq"],
        at=row["at"],
        kind=row["kind"],
        run=row["run"],
        state=state,
        data=row["data"],
    )


def _page(row: Row) -> PageInfo:
    plan = PlannedPage(
        number=row["number"],
        source=Source(row["source"]),
        reason=row["reason"],
        width=row["width"],
        height=row["height"],
        unit=row["unit"],
    )
    return PageInfo(
        plan=plan,
        ocr=Options.from_json(row["options"]).ocr(plan.number),
        facts=row["facts"],
        failure_code=row["failure_code"],
    )
