"""Taking a document in: reserve its blob, then one transaction makes it the ledger's."""

import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from docmill.adapters.postgres.batches import admit
from docmill.adapters.postgres.bell import READY
from docmill.adapters.postgres.connection import Connection, Row
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.documents import as_document
from docmill.adapters.postgres.queries import load
from docmill.adapters.postgres.settle import BACKLOGGED
from docmill.domain.document import Document, Upload
from docmill.domain.errors import DatabaseBusy, DatabaseDown, Transient
from docmill.domain.task import Stage, cost

SQL: Final = load("accept")
OPEN: Final = f"{SQL['open_document']}, {BACKLOGGED} {SQL['opened']}"
SUMMED_UP_AFTER: Final = 500  # documents, which takes as long as a statement's other work
LOCK_SPACE: Final = 0x646D7374  # the advisory locks of tenants' storage, by the tenant's hash


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
    """The answer: for REPEATED, `document` is the first request's.

    For ACCEPTED there is the document `made`, and how many the tenant had since it was summed up.
    """

    acceptance: Acceptance
    document: UUID
    made: Document | None = None
    recent: int = 0


class PostgresIntake:
    """The writing side of an upload."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._summing = threading.Lock()

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
        parameters = _parameters(upload, idempotency)
        answer = self._beside_others(parameters)
        if answer is None:
            answer = self._database.run(partial(_alone, parameters=parameters))
        if answer.made:
            self._database.bell.ring(READY)
            self._sum_up(upload.tenant, answer.recent)
        return answer

    def _sum_up(self, tenant: str, recent: int) -> None:
        # Not at one count alone: of uploads side by side none may see that one.
        if recent < SUMMED_UP_AFTER - 1 or not self._summing.acquire(blocking=False):
            return
        try:
            with suppress(DatabaseDown, DatabaseBusy):  # the upload is accepted all the same
                self._database.once(lambda c: c.execute(SQL["sum_up"], {"tenant": tenant}))
        finally:
            self._summing.release()

    def _beside_others(self, parameters: dict[str, Any]) -> Accepted | None:
        """Accept what nothing speaks against."""
        shared = parameters | {"alone": False}
        if shared["batch"]:
            return self._database.run(partial(_shared, parameters=shared))
        return _accepted(self._database.piped([SQL["share_storage"], OPEN], shared))

    def discard(self, key: str) -> None:
        """Mark the blob of a refused or broken upload for the sweeper. Twice is safe."""
        self._database.once(lambda c: c.execute(SQL["discard_blob"], {"key": key}))


def _shared(connection: Connection, parameters: dict[str, Any]) -> Accepted | None:
    connection.execute(SQL["share_storage"], parameters)
    return _opened(connection, parameters)


def _alone(connection: Connection, parameters: dict[str, Any]) -> Accepted:
    if answer := _repeated(connection, parameters):  # it need not wait for the tenant's others
        return answer
    connection.execute(SQL["own_storage"], parameters)
    opened = _opened(connection, parameters | {"alone": True})
    return opened or _repeated(connection, parameters) or _refused(connection, parameters)


def _opened(connection: Connection, parameters: dict[str, Any]) -> Accepted | None:
    row = connection.execute(OPEN, parameters).fetchone()
    if row and parameters["batch"]:
        admit(connection, parameters["tenant"], parameters["batch"])
    return _accepted(row)


def _accepted(row: Row | None) -> Accepted | None:
    if row is None:
        return None
    return Accepted(Acceptance.ACCEPTED, row["id"], as_document(row), row["recent"])


def _repeated(connection: Connection, parameters: dict[str, Any]) -> Accepted | None:
    """Answer a request whose key is known, and leave its blob to the sweeper."""
    stored = connection.execute(SQL["find_idempotency"], parameters).fetchone()
    if stored is None:
        return None
    connection.execute(SQL["discard_blob"], parameters)
    same = stored["request_hash"] == parameters["request_hash"]
    return Accepted(Acceptance.REPEATED if same else Acceptance.CONFLICT, stored["document_id"])


def _refused(connection: Connection, parameters: dict[str, Any]) -> Accepted:
    if connection.execute(SQL["discard_blob"], parameters).rowcount != 1:
        raise UploadExpired(parameters["key"])
    return Accepted(Acceptance.OVER_QUOTA, parameters["document"])


def _parameters(upload: Upload, idempotency: Idempotency | None) -> dict[str, Any]:
    return {
        "space": LOCK_SPACE,
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
        "options": Jsonb(upload.options.as_json()),
        "event": Jsonb(_told(upload)),
        **_task(upload),
        "idempotency_key": idempotency.key if idempotency else None,
        "request_hash": idempotency.request_hash if idempotency else None,
    }


def _told(upload: Upload) -> dict[str, Any]:
    return {
        "correlation_id": upload.correlation,
        "name": upload.name,
        "size": upload.size,
        "sha256": upload.sha256.hex(),
    }


def _task(upload: Upload) -> dict[str, Any]:
    return {
        "stage": Stage.VALIDATE,
        "pool": Stage.VALIDATE.pool,
        "task_priority": upload.priority.rank,
        "rank": Stage.VALIDATE.rank,
        "cost": cost(Stage.VALIDATE, 1),
    }
