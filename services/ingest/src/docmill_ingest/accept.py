"""Accept an upload: reserve, stream to the store, then one transaction makes it a document."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol, cast
from uuid import UUID

from docmill.adapters.postgres.accept import (
    Acceptance,
    Accepted,
    Idempotency,
    PostgresIntake,
)
from docmill.domain.document import Document, Upload
from docmill.domain.errors import DatabaseDown
from docmill.domain.identifier import new_id
from docmill.domain.key import original_key
from docmill.domain.refusal import (
    IdempotencyKeyReused,
    RetentionTooLong,
    StorageQuotaExceeded,
)
from docmill.domain.rejection import EmptyFile, UnknownLanguage
from docmill.domain.tenant import Tenant
from docmill.ops.logging import bound, logger
from docmill.ops.metrics import UPLOAD_BYTES, UPLOADS_ACCEPTED, UPLOADS_REPEATED
from docmill.ports import Blobs, Stored
from docmill_ingest.body import FileBody, Readable, too_large
from docmill_ingest.names import clean_name
from docmill_ingest.options import Wishes

log = logger(__name__)
DEFAULT_TYPE: Final = "application/octet-stream"
TYPE: Final = re.compile(r"[A-Za-z0-9.+-]{1,63}/[A-Za-z0-9.+-]{1,63}")


class Incoming(Protocol):
    """An upload on its way in."""

    declared_size: int | None  # of the file itself, where it is known

    def wishes(self) -> Wishes:
        """What is known of the options now; complete once the file was read."""

    def open(self) -> tuple[Readable, str, str | None]:
        """Begin the file: its bytes, declared type and name."""

    def finish(self) -> None:
        """Read what follows the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """For whom and by which key a request runs."""

    tenant: Tenant
    api_key: str
    correlation: str
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Accept:
    """Take an upload in, or refuse it and leave nothing but a discarded blob."""

    blobs: Blobs
    intake: PostgresIntake
    find: Callable[[str, UUID], Document]  # of a tenant
    languages: Callable[[], frozenset[str]]
    patience: timedelta

    def __call__(self, caller: Caller, incoming: Incoming) -> Document:
        self._check(caller.tenant, incoming.wishes())
        if (incoming.declared_size or 0) > caller.tenant.limits.max_file_bytes:
            raise too_large(caller.tenant.limits.max_file_bytes)
        document = new_id()
        key = original_key(caller.tenant.id, document)
        with bound(document=str(document)):
            self._reserve(caller, document, key, incoming.declared_size or 0)
            with self._discarding(key):
                upload = self._receive(caller, incoming, document, key)
                return self._decide(caller, upload)

    def _reserve(self, caller: Caller, document: UUID, key: str, size: int) -> None:
        reserved = self.intake.reserve(
            tenant=caller.tenant.id,
            document=document,
            key=key,
            size=size,
            patience=self.patience,
            idempotency_key=caller.idempotency_key,
        )
        if not reserved:
            raise _over_quota(caller.tenant)

    @contextmanager
    def _discarding(self, key: str) -> Iterator[None]:
        try:
            yield
        except BaseException:
            with suppress(DatabaseDown):  # the reservation's end has the same effect, later
                self.intake.discard(key)
            raise

    def _receive(self, caller: Caller, incoming: Incoming, document: UUID, key: str) -> Upload:
        stream, declared_type, name = incoming.open()
        body = FileBody(stream, caller.tenant.limits.max_file_bytes)
        media_type = declared_type if TYPE.fullmatch(declared_type) else DEFAULT_TYPE
        stored = self.blobs.put(key, body, media_type=media_type)  # type: ignore[arg-type]  # the port reads by read(n) only
        incoming.finish()
        if not stored.size:
            raise EmptyFile
        wishes = incoming.wishes()
        self._check(caller.tenant, wishes)
        return _upload(caller, wishes, stored, document, name=name, declared_type=media_type)

    def _check(self, tenant: Tenant, wishes: Wishes) -> None:
        longest = tenant.limits.max_retention
        if wishes.retention is not None and wishes.retention > longest:
            seconds = int(longest.total_seconds())
            raise RetentionTooLong(f"at most {seconds} seconds", max_retention_seconds=seconds)
        installed = self.languages()
        unknown = [each for each in wishes.options.languages if each not in installed]
        if unknown:
            raise UnknownLanguage(
                f"{', '.join(unknown)}: not installed; installed: {', '.join(sorted(installed))}"
            )

    def _decide(self, caller: Caller, upload: Upload) -> Document:
        answer = self.intake.accept(upload, _idempotency(caller, upload))
        _count(answer, upload)
        if answer.acceptance is Acceptance.CONFLICT:
            raise IdempotencyKeyReused(document=str(answer.document))
        if answer.acceptance is Acceptance.OVER_QUOTA:
            raise _over_quota(caller.tenant)
        return answer.made or self.find(caller.tenant.id, answer.document)


def _over_quota(tenant: Tenant) -> StorageQuotaExceeded:
    most = tenant.limits.max_storage_bytes
    return StorageQuotaExceeded(f"at most {most} bytes", max_storage_bytes=most)


def _upload(
    caller: Caller,
    wishes: Wishes,
    stored: Stored,
    document: UUID,
    *,
    name: str | None,
    declared_type: str,
) -> Upload:
    return Upload(
        document=document,
        tenant=caller.tenant.id,
        key=stored.key,
        name=clean_name(wishes.name or name),
        declared_type=declared_type,
        size=stored.size,
        sha256=cast("bytes", stored.sha256),  # `put` hashes what it streams
        options=wishes.options,
        priority=wishes.priority,
        metadata=wishes.metadata,
        retention=wishes.retention or caller.tenant.limits.retention,
        correlation=caller.correlation,
        api_key=caller.api_key,
        batch=wishes.batch,
    )


def _idempotency(caller: Caller, upload: Upload) -> Idempotency | None:
    if caller.idempotency_key is None:
        return None
    return Idempotency(caller.idempotency_key, request_hash(upload))


def request_hash(upload: Upload) -> bytes:
    """The same for two uploads that ask for the same of the same file."""
    request = {
        "sha256": upload.sha256.hex(),
        "name": upload.name,
        "declared_type": upload.declared_type,
        "options": upload.options.as_json(),
        "priority": upload.priority,
        "metadata": dict(upload.metadata),
        "retention": upload.retention.total_seconds(),
    }
    if upload.batch:  # added when given: the hashes kept from the release before stay valid
        request["batch"] = str(upload.batch)
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()


def _count(answer: Accepted, upload: Upload) -> None:
    if answer.acceptance is Acceptance.ACCEPTED:
        UPLOADS_ACCEPTED.inc()
        UPLOAD_BYTES.inc(upload.size)
        log.info("document_accepted", name=upload.name, size=upload.size)
    elif answer.acceptance is Acceptance.REPEATED:
        UPLOADS_REPEATED.inc()
        log.info("upload_repeated", first=str(answer.document))
