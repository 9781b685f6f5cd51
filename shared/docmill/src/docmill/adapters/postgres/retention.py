"""What the scheduler does to documents and blobs whose time is over, in the one lock order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from docmill.adapters.postgres.bell import DOCUMENT
from docmill.adapters.postgres.connection import Connection, Row, impatient
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.queries import load
from docmill.adapters.postgres.settle import locked
from docmill.domain.document import State
from docmill.domain.identifier import FIRST
from docmill.domain.key import document_prefix

SQL: Final = load("retention")
PATIENCE: Final = timedelta(seconds=1)  # for one document of many


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """A blob nobody needs any more; everything under its document's prefix goes with it."""

    key: str
    tenant: str
    document: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """A document to erase, or erased and still to be proven gone."""

    document: UUID
    tenant: str
    leftovers: int = 0


class PostgresRetention:
    """Expiry, erasure and orphans. Every method raises DatabaseDown, and twice is safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def expired(self, limit: int) -> list[UUID]:
        """Return settled documents past their time, the oldest first."""
        return [row["id"] for row in self._rows("expired_documents", limit=limit)]

    def expire(self, document: UUID) -> bool:
        """Make a tombstone of the document; False when it is no longer due.

        Its events stay; its content's rows go, and its blob is left to `doomed`.
        """
        done = self._database.run(lambda c: _expire(c, document))
        if done:
            self._database.bell.ring(DOCUMENT, str(document))
        return done

    def expire_uploads(self, limit: int) -> int:
        """Give up uploads past their reservation; tell how many."""
        return len(self._rows("expire_uploads", limit=limit))

    def doomed(self, limit: int, *, after: str = "") -> list[Doomed]:
        """Return blobs to delete, in key order from `after` on."""
        rows = self._rows("deletable_blobs", limit=limit, after=after)
        return [
            Doomed(key=row["key"], tenant=row["tenant_id"], document=row["document_id"])
            for row in rows
        ]

    def forget(self, blob: Doomed) -> None:
        """Drop the row of a blob whose objects are gone."""
        self._do("forget_blob", key=blob.key)

    def erasable(self, limit: int, *, lease: timedelta, after: UUID = FIRST) -> list[Erasure]:
        """Return documents to erase that no worker still works for, by id from `after` on."""
        rows = self._rows("erasable_documents", limit=limit, lease=lease, after=after)
        return [Erasure(document=row["id"], tenant=row["tenant_id"]) for row in rows]

    def erase(self, erasure: Erasure, *, objects: int, prove_after: timedelta) -> bool:
        """Delete every row of the document but one audit line; False when it was done before."""
        return self._database.run(lambda c: _erase(c, erasure, objects, prove_after))

    def provable(self, limit: int, *, after: UUID = FIRST) -> list[Erasure]:
        """Return erased documents whose prefix is to be listed again, by id from `after` on."""
        rows = self._rows("provable_erasures", limit=limit, after=after)
        return [
            Erasure(
                document=row["document_id"], tenant=row["tenant_id"], leftovers=row["leftovers"]
            )
            for row in rows
        ]

    def proven(self, erasure: Erasure) -> None:
        """Write the second audit line: nothing was left."""
        self._database.run(lambda c: _prove(c, erasure))

    def unproven(self, erasure: Erasure, *, found: int, again_after: timedelta) -> None:
        """Note that something was found and deleted; list once more later."""
        self._do("repeat_proof", document=erasure.document, found=found, wait=again_after)

    def unreferenced(self, keys: Mapping[str, UUID]) -> frozenset[str]:
        """Return the keys that no row refers to or can still come to refer to.

        A unit of work has one task row ever, so a key whose document has no open task is never
        written for a commit again: what is unreferenced then stays so.
        """
        documents = list(keys.values())
        rows = self._rows("unreferenced", keys=list(keys), documents=documents)
        return frozenset(row["key"] for row in rows)

    def mark(self, orphans: Mapping[str, int]) -> None:
        """Remember the keys (and sizes) as orphans, with the time when first found."""
        self._do("mark_orphans", keys=list(orphans), sizes=list(orphans.values()))

    def ripe(self, keys: Sequence[str], *, wait: timedelta) -> list[str]:
        """Return those of the keys marked longer ago than the wait."""
        return [row["key"] for row in self._rows("ripe_orphans", keys=list(keys), wait=wait)]

    def marked(self, limit: int, *, after: str = "") -> list[str]:
        """Return marked keys, in order from `after` on."""
        return [row["key"] for row in self._rows("marked_orphans", limit=limit, after=after)]

    def unmark(self, keys: Sequence[str]) -> None:
        """Forget the keys: deleted, or no orphans after all."""
        self._do("unmark_orphans", keys=list(keys))

    def _rows(self, query: str, **parameters: Any) -> list[Row]:
        return self._database.run(lambda c: c.execute(SQL[query], parameters).fetchall())

    def _do(self, query: str, **parameters: Any) -> None:
        self._database.run(lambda c: c.execute(SQL[query], parameters))


def _expire(connection: Connection, identity: UUID) -> bool:
    impatient(connection, PATIENCE)
    document = locked(connection, identity)
    key = {"document": identity}
    row = connection.execute(SQL["still_expired"], key).fetchone()
    if document is None or row is None or not row["yes"]:
        return False
    document.move(State.EXPIRED)
    document.cancel_tasks("expired")  # thumbnails may still be under way
    for query in ("drop_content", "drop_pages", "release_blob"):
        connection.execute(SQL[query], key)
    document.save()
    return True


def _erase(connection: Connection, erasure: Erasure, objects: int, wait: timedelta) -> bool:
    key = {"document": erasure.document, "tenant": erasure.tenant}
    document = locked(connection, erasure.document)
    if document is None or document.state is not State.ERASING:
        return False
    for query in ("erase_blobs", "erase_answers", "erase_document"):
        connection.execute(SQL[query], key)
    _forget_mentions(connection, erasure)
    connection.execute(SQL["begin_proof"], key | {"wait": wait})
    line = {"action": "document_erased", "data": Jsonb({"objects": objects})}
    connection.execute(SQL["write_audit_line"], key | line)
    return True


def _forget_mentions(connection: Connection, erasure: Erasure) -> None:
    """Drop what the scheduler's own rows say of the document."""
    prefix = document_prefix(erasure.tenant, erasure.document)
    for query in ("erase_orphans", "erase_examples", "erase_errors"):
        connection.execute(SQL[query], {"document": erasure.document, "prefix": prefix})


def _prove(connection: Connection, erasure: Erasure) -> None:
    key = {"document": erasure.document, "tenant": erasure.tenant}
    if connection.execute(SQL["end_proof"], key).rowcount:
        _forget_mentions(connection, erasure)  # of what was written late
        line = {"action": "erasure_proven", "data": Jsonb({"leftovers": erasure.leftovers})}
        connection.execute(SQL["write_audit_line"], key | line)
