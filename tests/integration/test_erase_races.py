"""Erasing what a worker still works on: its commit is fenced, its late objects are found."""

from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from uuid import UUID

import pytest

from docmill.adapters.postgres.audit import PostgresAudit
from docmill.adapters.postgres.retention import PostgresRetention
from docmill.adapters.s3 import S3Blobs, connect
from docmill.domain.errors import LostClaim
from docmill.domain.key import document_prefix, original_key
from docmill.domain.task import Pool, Stage
from docmill.ops.settings import StoreSettings
from docmill_scheduler.erase import Erase
from docmill_scheduler.job import Permit
from tests.stack.ledger import TENANT, Desk, desk, product
from tests.stack.remains import rows_that_name

LEASE = timedelta(seconds=45)


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        yield made


@pytest.fixture
def blobs(blob_settings: StoreSettings) -> Iterator[S3Blobs]:
    client = connect(blob_settings)
    yield S3Blobs(client, blob_settings.s3_bucket)
    client.close()


def put(blobs: S3Blobs, key: str) -> None:
    blobs.put(key, BytesIO(b"content"), media_type="text/plain")


def mention(ledger: Desk, document: UUID) -> None:
    """Have the scheduler's own rows name the document, and another one."""
    key = original_key(TENANT, document)
    ledger.do("INSERT INTO orphan (key, size) VALUES (%(key)s, 1), ('acme/x/1', 1)", {"key": key})
    ledger.do(
        "INSERT INTO invariant_audit (invariant, violations, examples)"
        " VALUES ('no_blob', 2, jsonb_build_array(jsonb_build_object('key', %(key)s::text), 'x'))",
        {"key": key},
    )
    ledger.do("INSERT INTO cron_job (job) VALUES ('expire') ON CONFLICT DO NOTHING")
    ledger.do(
        "INSERT INTO cron_run (job, slot, state, token, runner, ended_at, error)"
        " VALUES ('expire', now(), 'failed', 1, 'r', now(),"
        " 'NotAllEnded: 1 failed, first ' || %(id)s)",
        {"id": str(document)},
    )


def test_an_erase_during_a_task_leaves_nothing_but_audit_lines(
    ledger: Desk, blobs: S3Blobs
) -> None:
    ledger.do("INSERT INTO endpoint (tenant_id, url, secret) VALUES ('acme', 'http://x', 's')")
    document = ledger.accept().document
    put(blobs, original_key(TENANT, document))
    for claim in ledger.claims(Pool.VALIDATOR):
        ledger.ledger.commit(claim, product(claim))
    late, *_ = [each for each in ledger.claims(Pool.OCR) if each.stage is Stage.RECOGNISE]
    made = product(late)
    ledger.lifecycle.erase(TENANT, document, by="test")
    with pytest.raises(LostClaim):
        ledger.ledger.commit(late, made)

    erase = Erase(PostgresRetention(ledger.database), blobs, LEASE, timedelta(hours=1))
    assert erase(Permit()).facts == {"erased": 0, "proven": 0}  # its worker may still write
    ledger.do("UPDATE attempt SET ended_at = now() - interval '50 s'")
    mention(ledger, document)
    assert erase(Permit()).facts == {"erased": 1, "proven": 0}

    put(blobs, made.artifacts[0].key)  # the worker's PUT arrives after the listing
    with pytest.raises(LostClaim):
        ledger.ledger.commit(late, made)
    ledger.do("UPDATE erasure SET prove_at = now()")
    assert erase(Permit()).facts["proven"] == 0
    ledger.do("INSERT INTO orphan (key, size) VALUES (%(key)s, 1)", {"key": made.artifacts[0].key})
    ledger.do("UPDATE erasure SET prove_at = now()")
    assert erase(Permit()).facts["proven"] == 1
    assert list(blobs.list(document_prefix(TENANT, document))) == []
    assert rows_that_name(ledger.do, document) == {"audit_line": 3}
    assert ledger.do("SELECT key FROM orphan") == [{"key": "acme/x/1"}]
    assert ledger.do("SELECT examples FROM invariant_audit") == [{"examples": ["x"]}]
    assert ledger.do("SELECT error FROM cron_run") == [
        {"error": "NotAllEnded: 1 failed, first erased"}
    ]
    ledger.do("DELETE FROM invariant_audit")
    assert PostgresAudit(ledger.database).all_violations(blobs) == []
