"""kill -9 of ingest at every step of an upload: sent again, it is one document."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from docmill.adapters.postgres.audit import PostgresAudit
from docmill.adapters.postgres.retention import PostgresRetention
from docmill.adapters.postgres.tenants import Tenants
from docmill.adapters.s3 import PART_BYTES, S3Blobs, connect
from docmill.domain.key import original_key
from docmill.domain.tenant import Limits, Scope, Tenant
from docmill.ops.settings import StoreSettings
from docmill.testing.history import check
from docmill_scheduler.job import Permit
from docmill_scheduler.sweep import AbortMultipart, SweepOrphans, SweepUploads
from tests.stack.api import identity, server
from tests.stack.failpoint import Failpoint
from tests.stack.ledger import Desk, desk
from tests.stack.wait import until

pytestmark = pytest.mark.slow

INTAKE = "docmill.adapters.postgres.accept"
STORE = "docmill.adapters.s3"
BODY = b"%PDF-1.7\n" + bytes(2 * PART_BYTES + 1)  # three parts
# In the transaction, before its commit: uploads side by side send both at once.
ONE_BY_ONE = Failpoint(INTAKE, "_opened", "after")
STEPS = [
    Failpoint(INTAKE, "PostgresIntake.reserve", "before"),
    Failpoint(INTAKE, "PostgresIntake.reserve", "after"),
    Failpoint(STORE, "S3Blobs._send_part", "after"),  # a multipart upload is open
    Failpoint(STORE, "S3Blobs._complete", "before"),
    Failpoint(STORE, "S3Blobs._complete", "after"),
    Failpoint(STORE, "S3Blobs.put", "after"),
    Failpoint(INTAKE, "PostgresIntake.accept", "before"),
    ONE_BY_ONE,
    Failpoint(INTAKE, "PostgresIntake.accept", "after"),  # committed; no answer is sent
]


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        yield made


@pytest.fixture
def blobs(blob_settings: StoreSettings) -> Iterator[S3Blobs]:
    client = connect(blob_settings)
    yield S3Blobs(client, blob_settings.s3_bucket)
    client.close()


def headers(ledger: Desk) -> dict[str, str]:
    tenants = Tenants(ledger.database)
    limits = Limits(max_file_bytes=10**9, max_storage_bytes=10**9)
    tenants.add(Tenant(id="one", name="one", limits=limits))
    key = tenants.add_key("one", Scope.DOCUMENTS).text
    return {"Authorization": f"Bearer {key}", "Idempotency-Key": "once"}


def accepted(client: httpx.Client) -> str | None:
    """Send the file once more; tell where it is when somebody answers."""
    try:
        answer = client.post("/v1/documents", content=BODY)
    except httpx.TransportError:
        return None
    return str(answer.headers["Location"]) if answer.status_code == httpx.codes.ACCEPTED else None


def sweep(ledger: Desk, blobs: S3Blobs) -> None:
    """Let every reservation be over, and clean up as the scheduler does."""
    ledger.do("UPDATE blob SET expires_at = now() WHERE state = 'uploading'")
    AbortMultipart(blobs, timedelta())(Permit())
    rows = PostgresRetention(ledger.database)
    SweepUploads(rows, blobs)(Permit())
    found = SweepOrphans(
        marks=rows, blobs=blobs, wait=timedelta(), limit_percent=1, floor=0, dry_run=True
    )(Permit())
    assert found.facts["orphans"] == 0


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_an_upload_killed_at_any_step_is_one_document_once_sent_again(
    step: Failpoint,
    ledger: Desk,
    blobs: S3Blobs,
    database_url: str,
    blob_settings: StoreSettings,
    tmp_path: Path,
) -> None:
    struck = tmp_path / "struck"
    with ExitStack() as stack:
        process = stack.enter_context(
            server(database_url, blob_settings, threads=4, prelude=step.prelude(struck))
        )
        client = stack.enter_context(
            httpx.Client(base_url=process.url, headers=headers(ledger), timeout=30)
        )
        if step is ONE_BY_ONE:
            ledger.do("UPDATE tenant SET max_storage_bytes = max_file_bytes - 1")
        assert accepted(client) is None
        assert struck.exists()
        path = until(lambda: accepted(client))
    assert path
    document = identity(path)
    assert [row["id"] for row in ledger.do("SELECT id FROM document")] == [document]
    sweep(ledger, blobs)
    (stored,) = blobs.list()
    assert stored.key == original_key("one", document)
    with blobs.open(stored.key) as body:
        assert hashlib.sha256(body.read(2 * len(BODY))).digest() == hashlib.sha256(BODY).digest()
    assert list(blobs.open_uploads()) == []
    assert len(ledger.do("SELECT * FROM blob")) == 1
    assert PostgresAudit(ledger.database).all_violations(blobs) == []
    assert check(database_url) == []
