from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from docmill.adapters.postgres.audit import PostgresAudit
from docmill.adapters.postgres.documents import Documents
from docmill.adapters.postgres.retention import PostgresRetention
from docmill.domain.errors import StoreDown
from docmill.domain.task import Pool
from docmill.ports import OpenUpload
from docmill.testing.memory_blobs import MemoryBlobs
from docmill_scheduler.deleting import NotAllDeleted
from docmill_scheduler.erase import Erase
from docmill_scheduler.expire import Expire
from docmill_scheduler.job import Permit
from docmill_scheduler.sweep import AbortMultipart, SweepOrphans, SweepUploads, TooManyOrphans
from tests.stack.blobs import keep, keys, ready
from tests.stack.ledger import TENANT, Desk, desk, product

AGE = timedelta(days=1)
NOTHING = timedelta()


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        yield made


@pytest.fixture
def retention(ledger: Desk) -> PostgresRetention:
    return PostgresRetention(ledger.database)


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


def grow_old(ledger: Desk) -> None:
    ledger.do("UPDATE document SET expires_at = now() - interval '1 s'")


class TestRetention:
    def test_a_document_past_its_time_becomes_a_tombstone_with_its_history(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        document, kept = ready(ledger, blobs), ready(ledger, blobs)
        ledger.do(
            "UPDATE document SET expires_at = now() - interval '1 s' WHERE id = %(id)s",
            {"id": document},
        )
        assert Expire(retention)(Permit()).rows == 1
        assert SweepUploads(retention, blobs)(Permit()).rows == 1
        assert ledger.document(document)["state"] == "expired"
        assert ledger.events(document)[-1] == "expired"
        assert all(key.startswith(f"{TENANT}/{kept}/") for key in keys(blobs))
        assert ledger.do("SELECT DISTINCT document_id AS id FROM artifact") == [{"id": kept}]
        assert ledger.do("SELECT document_id AS id FROM blob") == [{"id": kept}]
        assert PostgresAudit(ledger.database).all_violations() == []

    def test_a_document_that_is_not_due_stays(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        document = ready(ledger, blobs)
        assert Expire(retention)(Permit()).rows == 0
        assert not retention.expire(document)
        assert ledger.document(document)["state"] == "ready"

    def test_a_document_reopened_meanwhile_stays(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        document = ready(ledger, blobs)
        grow_old(ledger)
        assert retention.expired(10) == [document]
        ledger.lifecycle.retry(TENANT, document, by="test")
        assert not retention.expire(document)
        assert ledger.document(document)["state"] == "processing"

    def test_a_thumbnail_still_under_way_is_cancelled(
        self, ledger: Desk, retention: PostgresRetention
    ) -> None:
        document = ledger.accept().document
        while ledger.document(document)["state"] != "ready":
            for claim in ledger.claims(Pool.VALIDATOR, Pool.OCR):
                ledger.ledger.commit(claim, product(claim))
        grow_old(ledger)
        assert Expire(retention)(Permit()).rows == 1
        states = {row["stage"]: row["state"] for row in ledger.tasks(document)}
        assert states["thumbnail"] == "cancelled"

    def test_the_objects_go_after_the_rows_even_when_the_store_was_down(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        ready(ledger, blobs)
        grow_old(ledger)
        Expire(retention)(Permit())
        blobs.down = True
        with pytest.raises(StoreDown):
            SweepUploads(retention, blobs)(Permit())
        blobs.down = False
        assert SweepUploads(retention, blobs)(Permit()).rows == 1
        assert keys(blobs) == []


class TestErasure:
    def erase(self, retention: PostgresRetention, blobs: MemoryBlobs, **changes: Any) -> Erase:
        values = {"lease": timedelta(seconds=45), "prove_after": NOTHING} | changes
        return Erase(retention, blobs, **values)

    def test_nothing_but_the_audit_lines_stays(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        document, kept = ready(ledger, blobs), ready(ledger, blobs)
        ledger.lifecycle.erase(TENANT, document, by="test")
        done = self.erase(retention, blobs)(Permit())
        assert done.facts == {"erased": 1, "proven": 1}
        assert all(key.startswith(f"{TENANT}/{kept}/") for key in keys(blobs))
        lines = ledger.do(
            "SELECT actor, action, document_id AS id, data FROM audit_line ORDER BY id"
        )
        assert [(line["actor"], line["action"], line["id"]) for line in lines] == [
            ("test", "erase_requested", document),
            ("scheduler", "document_erased", document),
            ("scheduler", "erasure_proven", document),
        ]
        assert lines[1]["data"]["objects"] > 0
        tables = ("document", "blob", "task", "event", "output", "artifact", "page", "run")
        for table in tables:
            column = "id" if table == "document" else "document_id"
            rows = ledger.do(f"SELECT DISTINCT {column} AS id FROM {table}")
            assert [row["id"] for row in rows] == [kept], table
        assert ledger.do("SELECT * FROM erasure") == []
        assert PostgresAudit(ledger.database).all_violations() == []

    def test_an_erase_waits_for_a_worker_that_may_still_write(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        document = ledger.accept().document
        ledger.claims(Pool.VALIDATOR)
        ledger.lifecycle.erase(TENANT, document, by="test")
        assert self.erase(retention, blobs)(Permit()).facts["erased"] == 0
        ledger.do("UPDATE attempt SET ended_at = now() - interval '50 s'")
        assert self.erase(retention, blobs)(Permit()).facts["erased"] == 1

    def test_an_erase_waits_for_a_webhook_that_is_being_sent(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        ledger.do("INSERT INTO endpoint (tenant_id, url, secret) VALUES ('acme', 'http://x', 's')")
        document = ready(ledger, blobs, but=Pool.NOTIFIER)
        ledger.claims(Pool.NOTIFIER)
        ledger.lifecycle.erase(TENANT, document, by="test")
        assert self.erase(retention, blobs)(Permit()).facts["erased"] == 0
        ledger.do("UPDATE attempt SET ended_at = now() - interval '50 s', outcome = 'lost'")
        assert self.erase(retention, blobs)(Permit()).facts["erased"] == 1

    def test_a_refused_erase_holds_up_no_other(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        documents = sorted(ready(ledger, blobs) for _ in range(3))
        for document in documents:
            ledger.lifecycle.erase(TENANT, document, by="test")
        blobs.locked = f"{TENANT}/{documents[0]}/"
        with pytest.raises(NotAllDeleted, match="1 refused"):
            self.erase(retention, blobs, batch=1)(Permit())
        assert ledger.do("SELECT id FROM document") == [{"id": documents[0]}]
        assert all(key.startswith(blobs.locked) for key in keys(blobs))
        blobs.locked = None
        assert self.erase(retention, blobs)(Permit()).facts == {"erased": 1, "proven": 1}

    def test_what_a_worker_wrote_late_is_found_and_deleted(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        document = ready(ledger, blobs)
        ledger.lifecycle.erase(TENANT, document, by="test")
        self.erase(retention, blobs, prove_after=timedelta(hours=1))(Permit())
        keep(blobs, f"{TENANT}/{document}/1/recognise/1/late")
        ledger.do("UPDATE erasure SET prove_at = now()")
        assert self.erase(retention, blobs)(Permit()).facts["proven"] == 0
        assert keys(blobs) == []
        assert self.erase(retention, blobs)(Permit()).facts["proven"] == 1
        (line,) = ledger.do("SELECT data FROM audit_line WHERE action = 'erasure_proven'")
        assert line["data"] == {"leftovers": 1}

    def test_an_erase_that_the_store_interrupted_is_resumed(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        document = ready(ledger, blobs)
        ledger.lifecycle.erase(TENANT, document, by="test")
        blobs.down = True
        with pytest.raises(StoreDown):
            self.erase(retention, blobs)(Permit())
        assert ledger.document(document)["state"] == "erasing"
        blobs.down = False
        assert self.erase(retention, blobs)(Permit()).facts["erased"] == 1


class TestUploads:
    def test_a_refused_upload_holds_up_no_other(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        documents = sorted(ready(ledger, blobs) for _ in range(2))
        grow_old(ledger)
        Expire(retention)(Permit())
        blobs.locked = f"{TENANT}/{documents[0]}/"
        with pytest.raises(NotAllDeleted, match="1 refused"):
            SweepUploads(retention, blobs)(Permit())
        assert ledger.do("SELECT document_id AS id FROM blob") == [{"id": documents[0]}]
        assert all(key.startswith(blobs.locked) for key in keys(blobs))

    def test_an_upload_past_its_reservation_is_given_up(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        document = uuid4()
        key = f"{TENANT}/{document}/original"
        ledger.intake.reserve(
            tenant=TENANT, document=document, key=key, size=0, patience=timedelta(seconds=-1)
        )
        keep(blobs, key)
        done = SweepUploads(retention, blobs)(Permit())
        assert (done.rows, done.facts) == (1, {"given_up": 1})
        assert keys(blobs) == []
        assert ledger.do("SELECT * FROM blob") == []

    def test_an_upload_in_its_time_and_an_accepted_one_stay(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        document = uuid4()
        key = f"{TENANT}/{document}/original"
        ledger.intake.reserve(
            tenant=TENANT, document=document, key=key, size=0, patience=timedelta(hours=1)
        )
        keep(blobs, key)
        ready(ledger, blobs)
        before = keys(blobs)
        assert SweepUploads(retention, blobs)(Permit()).rows == 0
        assert keys(blobs) == before

    def test_a_blob_whose_document_lives_is_never_deleted(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        ready(ledger, blobs)
        keep(blobs, ledger.document(ledger.accept().document)["key"])
        before = keys(blobs)
        ledger.do("UPDATE blob SET state = 'deleting'")  # a defect: the audit tells of it
        assert SweepUploads(retention, blobs)(Permit()).rows == 0
        assert keys(blobs) == before


class TestOrphans:
    def sweep(
        self, retention: PostgresRetention, blobs: MemoryBlobs, **changes: Any
    ) -> SweepOrphans:
        values: dict[str, Any] = {
            "wait": timedelta(hours=1),
            "limit_percent": 1.0,
            "floor": 100,
            "dry_run": False,
        }
        return SweepOrphans(marks=retention, blobs=blobs, **values | changes)

    def ripen(self, ledger: Desk) -> None:
        ledger.do("UPDATE orphan SET found_at = now() - interval '2 hours'")

    def test_an_orphan_is_marked_and_deleted_only_after_the_wait(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        ready(ledger, blobs)
        kept = keys(blobs)
        keep(blobs, f"{TENANT}/{uuid4()}/original")
        sweep = self.sweep(retention, blobs)
        assert sweep(Permit()).rows == 0
        assert sweep(Permit()).rows == 0
        assert len(keys(blobs)) == len(kept) + 1
        self.ripen(ledger)
        assert sweep(Permit()).rows == 1
        assert keys(blobs) == kept
        assert ledger.do("SELECT * FROM orphan") == []

    def test_a_refused_orphan_holds_up_no_other(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        orphans = sorted(f"{TENANT}/{uuid4()}/original" for _ in range(3))
        keep(blobs, *orphans)
        sweep = self.sweep(retention, blobs, wait=NOTHING)
        blobs.locked = orphans[1]
        with pytest.raises(NotAllDeleted, match="1 refused"):
            sweep(Permit())
        assert keys(blobs) == [orphans[1]]
        assert ledger.do("SELECT key FROM orphan") == [{"key": orphans[1]}]

    def test_a_key_that_a_row_refers_to_again_is_unmarked(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        document = uuid4()
        key = f"{TENANT}/{document}/original"
        keep(blobs, key)
        sweep = self.sweep(retention, blobs)
        sweep(Permit())
        self.ripen(ledger)
        ledger.intake.reserve(
            tenant=TENANT, document=document, key=key, size=0, patience=timedelta(hours=1)
        )
        assert sweep(Permit()).rows == 0
        assert keys(blobs) == [key]
        assert ledger.do("SELECT * FROM orphan") == []

    def test_what_an_open_task_may_still_commit_is_no_orphan(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        document = ledger.accept().document
        keep(blobs, f"{TENANT}/{document}/1/validate/0/abc")
        assert self.sweep(retention, blobs)(Permit()).facts["orphans"] == 0

    def test_keys_of_another_shape_are_not_ours_to_delete(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        keep(blobs, "backup/2026.tar", "readme", f"{TENANT}/notes/original")
        sweep = self.sweep(retention, blobs, wait=NOTHING)
        assert sweep(Permit()).facts == {"objects": 3, "orphans": 0, "dry_run": False}

    def test_a_dry_run_deletes_nothing(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        keep(blobs, f"{TENANT}/{uuid4()}/original")
        sweep = self.sweep(retention, blobs, dry_run=True, wait=NOTHING)
        for _ in range(2):
            assert sweep(Permit()).rows == 0
        assert len(keys(blobs)) == 1

    def test_a_sweep_that_finds_too_much_stops_before_it_deletes(
        self, ledger: Desk, retention: PostgresRetention, blobs: MemoryBlobs
    ) -> None:
        keep(blobs, *(f"{TENANT}/{uuid4()}/original" for _ in range(5)))
        sweep = self.sweep(retention, blobs, floor=4, wait=NOTHING)
        for _ in range(2):
            with pytest.raises(TooManyOrphans, match="5 of 5"):
                sweep(Permit())
        assert len(keys(blobs)) == 5

    def test_old_multipart_uploads_are_aborted(self) -> None:
        now = datetime.now(UTC)
        ours, other = f"{TENANT}/{uuid4()}/original", "backup/2026.tar"
        begun = [
            OpenUpload(key=ours, upload_id="old", begun_at=now - 2 * AGE),
            OpenUpload(key=ours, upload_id="new", begun_at=now),
            OpenUpload(key=other, upload_id="foreign", begun_at=now - 2 * AGE),
        ]
        aborted = []

        class Uploads(MemoryBlobs):
            def open_uploads(self, prefix: str = "") -> Iterator[OpenUpload]:
                return iter(begun)

            def abort(self, upload: OpenUpload) -> None:
                aborted.append(upload.upload_id)

        assert AbortMultipart(Uploads(), AGE)(Permit()).rows == 1
        assert aborted == ["old"]


def test_an_upload_past_its_reservation_uses_no_storage(ledger: Desk) -> None:
    for minutes in (5, -5):
        document = uuid4()
        ledger.intake.reserve(
            tenant=TENANT,
            document=document,
            key=str(document),
            size=7,
            patience=timedelta(minutes=minutes),
        )
    assert Documents(ledger.database).usage(TENANT).storage_bytes == 7
