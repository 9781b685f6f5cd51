from collections.abc import Iterator
from datetime import timedelta

import pytest

from docmill.adapters.postgres.audit import PostgresAudit
from docmill.adapters.postgres.pruning import Kind, PostgresPruning
from docmill.domain.task import Pool
from docmill.testing.history import check
from docmill.testing.memory_blobs import MemoryBlobs
from docmill_scheduler.job import Permit
from docmill_scheduler.prune import Prune
from tests.stack.blobs import ready
from tests.stack.ledger import TENANT, Desk, desk, product

AGE = timedelta(days=1)
OLD = "now() - interval '40 days'"
PRUNING = {
    Kind.IDEMPOTENCY: (
        """INSERT INTO idempotency (tenant_id, key, request_hash, document_id, created_at)
           VALUES ('acme', %(name)s, '\\x00', gen_random_uuid(), {at})""",
        "idempotency",
    ),
    Kind.LOGINS: (
        "INSERT INTO failed_authentication (at, address, reason) VALUES ({at}, %(name)s, 'x')",
        "failed_authentication",
    ),
    Kind.WORKERS: (
        "INSERT INTO worker (id, pool, slots, build, seen) VALUES (%(name)s, 'ocr', 1, 'x', {at})",
        "worker",
    ),
}


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        yield made


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


class TestPruning:
    def prune(self, ledger: Desk, kind: Kind) -> int:
        return Prune(PostgresPruning(ledger.database), {kind: AGE})(Permit()).rows

    @pytest.mark.parametrize("kind", PRUNING)
    def test_what_is_old_goes_and_what_is_new_stays(self, ledger: Desk, kind: Kind) -> None:
        statement, table = PRUNING[kind]
        ledger.do(statement.format(at=OLD), {"name": "old"})
        ledger.do(statement.format(at="now()"), {"name": "new"})
        assert self.prune(ledger, kind) == 1
        assert len(ledger.do(f"SELECT * FROM {table}")) == 1
        assert self.prune(ledger, kind) == 0

    def test_keys_go_some_time_after_they_ended(self, ledger: Desk) -> None:
        for name, expires, revoked in (
            ("expired", OLD, "NULL"),
            ("revoked", "NULL", OLD),
            ("revoked-today", OLD.replace("-", "+", 1), "now()"),
            ("good", "NULL", "NULL"),
        ):
            ledger.do(
                "INSERT INTO api_key (id, tenant_id, hash, expires_at, revoked_at)"
                f" VALUES (%(name)s, 'acme', %(name)s::text::bytea, {expires}, {revoked})",
                {"name": name},
            )
        assert self.prune(ledger, Kind.KEYS) == 2
        left = ledger.do("SELECT id FROM api_key ORDER BY id")
        assert [row["id"] for row in left] == ["good", "revoked-today"]

    def test_finished_tasks_go_when_their_document_rests(
        self, ledger: Desk, blobs: MemoryBlobs, database_url: str
    ) -> None:
        ready(ledger, blobs)
        live = ledger.accept().document
        validate = ledger.claims(Pool.VALIDATOR)[0]
        ledger.ledger.commit(validate, product(validate))
        ledger.do(
            f"UPDATE task SET ended_at = {OLD} WHERE state IN ('done', 'cancelled')",
        )
        assert self.prune(ledger, Kind.TASKS) > 0
        assert ledger.do("SELECT * FROM task ORDER BY id") == ledger.tasks(live)
        assert "done" in {row["state"] for row in ledger.tasks(live)}
        assert PostgresAudit(ledger.database).all_violations() == []
        assert check(database_url) == []

    def test_a_document_whose_tasks_were_pruned_can_be_run_again(
        self, ledger: Desk, blobs: MemoryBlobs
    ) -> None:
        document = ready(ledger, blobs)
        ledger.do(f"UPDATE task SET ended_at = {OLD}")
        self.prune(ledger, Kind.TASKS)
        ledger.lifecycle.retry(TENANT, document, by="test")
        ledger.work_off()
        assert ledger.document(document)["state"] == "ready"
        assert PostgresAudit(ledger.database).all_violations() == []

    def test_dead_tasks_have_an_age_of_their_own(self, ledger: Desk, blobs: MemoryBlobs) -> None:
        ready(ledger, blobs)
        ledger.do(f"UPDATE task SET state = 'dead', code = 'x', ended_at = {OLD}")
        assert self.prune(ledger, Kind.TASKS) == 0
        assert self.prune(ledger, Kind.DEAD_TASKS) > 0

    def test_a_delivery_is_kept_while_it_is_still_to_be_made(self, ledger: Desk) -> None:
        ledger.do("INSERT INTO endpoint (tenant_id, url, secret) VALUES ('acme', 'https://x', 'y')")
        ledger.accept()
        while claims := ledger.claims(Pool.VALIDATOR, Pool.OCR, Pool.THUMBNAILER):
            for claim in claims:
                ledger.ledger.commit(claim, product(claim))
        ledger.do(f"UPDATE delivery SET created_at = {OLD}")
        assert self.prune(ledger, Kind.DELIVERIES) == 0
        ledger.work_off()
        assert self.prune(ledger, Kind.DELIVERIES) == 1
        assert ledger.do("SELECT * FROM task WHERE stage = 'notify'") == []

    def test_a_jobs_last_success_stays_in_its_history(self, ledger: Desk) -> None:
        ledger.do("INSERT INTO cron_job (job) VALUES ('audit')")
        for days in (40, 50, 60):
            ledger.do(
                "INSERT INTO cron_run (job, slot, state, token, runner, ended_at) VALUES ('audit',"
                f" now() - interval '{days} days', 'succeeded', 1, 'a', {OLD})"
            )
        assert self.prune(ledger, Kind.HISTORY) == 2
        assert len(ledger.do("SELECT * FROM cron_run")) == 1
