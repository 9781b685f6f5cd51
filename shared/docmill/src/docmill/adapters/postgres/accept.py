"""Taking a document in: reserve its blob, then one transaction makes it the ledger's."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from docmill.adapters.postgres.batches import admit
from docmill.adapters.postgres.bell import READY
from docmill.adapters.postgres.connection import Connection, first
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.queries import load
from docmill.adapters.postgres.settle import Locked
from docmill.domain.document import Upload
from docmill.domain.errors import Transient
from docmill.domain.task import Stage

SQL: Final = load("accept")


class UploadExpired(Transient):
    """The upload took longer than its reservation: send it again."""


class Acceptance(StrEnum):
    """How an upload was answered."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"  # the same request was accepted before: its document is the answer
    CONFLICT = "conflict"  # the idempotency key belongs to another request
    OVER_QUOTA = "over_quota"


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A caller's key for one request, and the hash of that request."""

    key: str
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer: for REPEATED, `document` is the first request's."""

    acceptance: Acceptance
    document: UUID


class PostgresIntake:
    """The writing side of an upload."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(
        self,
        *,
        tenant: str,
        document: UUID,
        key: str,
        size: int,
        patience: timedelta,
        idempotency_key: str | None = None,
    ) -> bool:
        """Commit the blob's row before its bytes are sent, so that the sweeper knows them.

        `size` is what the caller declared, 0 when unknown. False when the tenant's storage would
        overflow, but for a request whose idempotency key was accepted before.
        """
        parameters = {
            "tenant": tenant,
            "document": document,
            "key": key,
            "reserved": size,
            "patience": patience,
            "idempotency_key": idempotency_key,
        }
        return self._database.once(
            lambda c: c.execute(SQL["reserve_blob"], parameters).fetchone() is not None
        )

    def accept(self, upload: Upload, idempotency: Idempotency | None = None) -> Accepted:
        """Make the stored upload a document with its first task and event, in one transaction.

        Every answer but ACCEPTED marks the upload's blob for the sweeper. Raise UploadExpired when
        the sweeper was faster, and what `admit` raises of a batch. After DatabaseDown the outcome
        is unknown: repeat with the same idempotency key.
        """
        try:
            accepted = self._database.run(lambda c: _accept(c, upload, idempotency))
        except _Overflow:
            self.discard(upload.key)
            return Accepted(Acceptance.OVER_QUOTA, upload.document)
        self._database.bell.ring(READY)
        return accepted

    def discard(self, key: str) -> None:
        """Mark the blob of a refused or broken upload for the sweeper. Twice is safe."""
        self._database.once(lambda c: c.execute(SQL["discard_blob"], {"key": key}))


def _accept(connection: Connection, upload: Upload, idempotency: Idempotency | None) -> Accepted:
    parameters = _parameters(upload)
    if idempotency and (answer := _repeated(connection, parameters, idempotency)):
        connection.execute(SQL["discard_blob"], parameters)
        return answer
    if connection.execute(SQL["blob_live"], parameters).rowcount != 1:
        raise UploadExpired(upload.key)
    _open(connection, upload, parameters)
    # Last, for the tenant's other uploads wait from here to the commit.
    if _overflows(connection, parameters):
        raise _Overflow
    return Accepted(Acceptance.ACCEPTED, upload.document)


class _Overflow(Exception):
    """The tenant's storage is full: nothing of the transaction may stay."""


def _repeated(
    connection: Connection, parameters: dict[str, Any], idempotency: Idempotency
) -> Accepted | None:
    parameters = parameters | {
        "idempotency_key": idempotency.key,
        "request_hash": idempotency.request_hash,
    }
    if connection.execute(SQL["insert_idempotency"], parameters).fetchone():
        return None
    stored = connection.execute(SQL["find_idempotency"], parameters).fetchone()
    if stored is None:  # pruned between the two statements: as good as new
        return None
    same = stored["request_hash"] == idempotency.request_hash
    acceptance = Acceptance.REPEATED if same else Acceptance.CONFLICT
    return Accepted(acceptance, stored["document_id"])


def _overflows(connection: Connection, parameters: dict[str, Any]) -> bool:
    connection.execute(SQL["lock_tenant"], parameters)  # its own statement: the sum sees the rest
    row = connection.execute(SQL["storage_overflows"], parameters).fetchone()
    return bool(row and row["yes"])


def _open(connection: Connection, upload: Upload, parameters: dict[str, Any]) -> None:
    row = first(connection.execute(SQL["insert_document"], parameters))
    connection.execute(SQL["insert_run"], parameters)
    document = Locked(connection, row)
    document.tell(
        "accepted",
        name=upload.name,
        size=upload.size,
        sha256=upload.sha256.hex(),
        correlation_id=upload.correlation,
    )
    document.add_tasks(Stage.VALIDATE)
    document.save()
    if upload.batch:
        admit(connection, upload.tenant, upload.batch)


def _parameters(upload: Upload) -> dict[str, Any]:
    return {
        "document": upload.document,
        "tenant": upload.tenant,
        "key": upload.key,
        "name": upload.name,
        "declared_type": upload.declared_type,
        "size": upload.size,
        "sha256": upload.sha256,
        "priority": upload.priority,
        "metadata": Jsonb(dict(upload.metadata)),
        "correlation": upload.correlation,
        "api_key": upload.api_key,
        "retention": upload.retention,
        "batch": upload.batch,
        "run": 1,
        "options": Jsonb(upload.options.as_json()),
        "plan": None,
        "reason": "upload",
    }
