from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from uuid import UUID

import psycopg
import pytest

from docmill.adapters.postgres.audit import PostgresAudit
from docmill.domain.task import Pool
from docmill.ops.metrics import Invariant
from docmill.testing.memory_blobs import MemoryBlobs
from tests.stack.ledger import TENANT, Desk, desk, product, whole


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        yield made


@pytest.fixture
def audit(ledger: Desk) -> PostgresAudit:
    return PostgresAudit(ledger.database)


def broken(audit: PostgresAudit) -> set[Invariant]:
    return {violation.invariant for violation in audit.all_violations()}


def worked_off(ledger: Desk) -> UUID:
    document = ledger.accept().document
    ledger.work_off(pages=2)
    return document


def test_a_sound_ledger_has_no_violation_at_any_time(ledger: Desk, audit: PostgresAudit) -> None:
    assert audit.all_violations() == []
    ready = ledger.accept().document
    assert audit.all_violations() == []
    for claim in ledger.claims(Pool.VALIDATOR):
        assert audit.all_violations() == []
        ledger.ledger.commit(claim, product(claim, pages=2))
        assert audit.all_violations() == []
    ledger.work_off()
    ledger.lifecycle.retry(TENANT, ready, by="test")
    assert audit.all_violations() == []
    ledger.work_off()
    ledger.lifecycle.cancel(TENANT, ledger.accept().document, by="test")
    ledger.lifecycle.erase(TENANT, ready, by="test")
    assert audit.all_violations() == []


BREAKING = {
    "a blob row is gone": (Invariant.I1, "DELETE FROM blob"),
    "a blob is given up": (Invariant.I1, "UPDATE blob SET state = 'deleting'"),
    "a task is gone": (Invariant.I2, "DELETE FROM task"),
    "only a thumbnail is left": (
        Invariant.I2,
        "UPDATE task SET stage = 'thumbnail', pool = 'thumbnailer'",
    ),
    "the state jumps": (Invariant.I4, "UPDATE document SET state = 'cancelled'"),
    "the version jumps": (
        Invariant.I6,
        "UPDATE document SET state = 'cancelled', version = 7",
    ),
}


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_an_accepted_document_is_found(
    ledger: Desk, audit: PostgresAudit, name: str
) -> None:
    invariant, statement = BREAKING[name]
    ledger.accept()
    ledger.do(statement)
    assert invariant in broken(audit)


FALSIFYING = {
    "an output is gone": (Invariant.I3, "DELETE FROM output WHERE stage = 'recognise'"),
    "an output is another's": (Invariant.I3, "UPDATE output SET token = 0 WHERE page = 1"),
    "a commit happened twice": (
        Invariant.I3,
        """INSERT INTO attempt (task_id, token, worker, ended_at, outcome)
           SELECT task_id, 0, 'zombie', now(), 'done' FROM attempt LIMIT 1""",
    ),
    "an output came from a dead task": (
        Invariant.I3,
        "UPDATE task SET state = 'dead', code = 'x' WHERE page = 1",
    ),
    "a move is not allowed": (
        Invariant.I4,
        "UPDATE event SET state = 'rejected' WHERE kind = 'validated'",
    ),
    "an event is gone": (Invariant.I6, "DELETE FROM event WHERE seq = 2"),
    "the first event is gone": (Invariant.I6, "DELETE FROM event WHERE seq = 1"),
    "the last event is gone": (
        Invariant.I6,
        "DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)",
    ),
}


@pytest.mark.parametrize("name", FALSIFYING)
def test_what_falsifies_a_finished_document_is_found(
    ledger: Desk, audit: PostgresAudit, name: str
) -> None:
    invariant, statement = FALSIFYING[name]
    worked_off(ledger)
    ledger.do(statement)
    assert invariant in broken(audit)


def test_an_only_page_that_was_assembled_by_another_is_found(
    ledger: Desk, audit: PostgresAudit
) -> None:
    ledger.accept()
    (claim,) = ledger.claims(Pool.VALIDATOR)
    ledger.ledger.commit(claim, product(claim, pages=1))
    (claim,) = ledger.claims(Pool.OCR)
    ledger.ledger.commit(claim, whole(claim))
    assert broken(audit) == set()
    ledger.do("UPDATE output SET token = 0 WHERE stage = 'assemble'")
    assert broken(audit) == {Invariant.I3}


def test_what_an_erase_left_behind_is_found(ledger: Desk, audit: PostgresAudit) -> None:
    document = worked_off(ledger)
    ledger.do(
        "INSERT INTO audit_line (actor, action, document_id)"
        " VALUES ('scheduler', 'document_erased', %(id)s)",
        {"id": document},
    )
    assert broken(audit) == {Invariant.I5}


def test_documents_that_did_not_change_lately_are_left_out(
    ledger: Desk, audit: PostgresAudit
) -> None:
    worked_off(ledger)
    ledger.do("DELETE FROM event WHERE seq = 2")
    soon = datetime.now(UTC) + timedelta(hours=1)
    assert audit.violations(Invariant.I6, since=soon) == []


def stored(ledger: Desk, blobs: MemoryBlobs) -> None:
    """Make the store and the rows agree."""
    for row in ledger.do("SELECT key FROM document UNION SELECT key FROM artifact"):
        made = blobs.put(row["key"], BytesIO(row["key"].encode()), media_type="text/plain")
        truth = {"key": made.key, "size": made.size, "sha": made.sha256}
        for table in ("document", "artifact"):
            ledger.do(
                f"UPDATE {table} SET size = %(size)s, sha256 = %(sha)s WHERE key = %(key)s", truth
            )


def test_objects_that_are_missing_or_changed_are_found(ledger: Desk, audit: PostgresAudit) -> None:
    blobs = MemoryBlobs()
    document = worked_off(ledger)
    stored(ledger, blobs)
    assert audit.store_violations(blobs, sample=100) == []
    original = ledger.document(document)["key"]
    page = ledger.do("SELECT key FROM artifact WHERE kind = 'page' AND page = 1")[0]["key"]
    blobs.put(original, BytesIO(b"other"), media_type="text/plain")
    blobs.delete([page])
    found = audit.store_violations(blobs, sample=100)
    assert {(each.invariant, each.document) for each in found} == {
        (Invariant.I1, document),
        (Invariant.I5, document),
    }


def test_a_sample_is_bounded(ledger: Desk, audit: PostgresAudit) -> None:
    for _ in range(12):
        worked_off(ledger)
    asked: list[str] = []

    class Counting(MemoryBlobs):
        def head(self, key: str) -> None:
            asked.append(key)

    ledger.do("ANALYZE document; ANALYZE artifact")
    found = audit.store_violations(Counting(), sample=4)
    assert 0 < len(asked) <= 8
    assert len(found) == len(asked)


def test_the_last_audit_is_kept_for_every_replica(ledger: Desk, audit: PostgresAudit) -> None:
    worked_off(ledger)
    ledger.do("DELETE FROM event WHERE seq = 2")
    counts = audit.record(audit.all_violations())
    assert counts == {each: int(each is Invariant.I6) for each in Invariant}
    kept = {finding.invariant: finding for finding in audit.last()}
    assert kept["I6"].violations == 1
    assert "version" in kept["I6"].examples[0]["detail"]
    audit.record([])
    assert [finding.violations for finding in audit.last()] == [0] * 6


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_line SET actor = 'nobody'", "DELETE FROM audit_line", "TRUNCATE audit_line"],
)
def test_an_audit_line_stays_as_it_was_written(ledger: Desk, statement: str) -> None:
    ledger.do("INSERT INTO audit_line (actor, action) VALUES ('test', 'looked')")
    with pytest.raises(psycopg.errors.RestrictViolation):
        ledger.do(statement)
    assert len(ledger.do("SELECT * FROM audit_line")) == 1
