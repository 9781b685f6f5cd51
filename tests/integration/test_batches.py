"""Batches on a real ledger: who may join, and exactly one completion event."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import UUID

import pytest

from docmill.adapters.postgres.audit import PostgresAudit
from docmill.adapters.postgres.batches import BatchState, PostgresBatches
from docmill.adapters.postgres.bell import DOCUMENT, READY, Bell
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.dispatch import PostgresDispatch
from docmill.adapters.postgres.lifecycle import PostgresLifecycle
from docmill.domain.identifier import new_id
from docmill.domain.refusal import BatchCancelled, BatchClosed, BatchNotFound
from docmill.domain.task import Claim, Pool
from docmill_scheduler.batches import CompleteBatches
from docmill_scheduler.job import Permit
from tests.stack.ledger import TENANT, Desk, desk, product

ROUNDS = 1000


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        made.do("UPDATE pool_clock SET task_seconds = 0.01")
        yield made


@pytest.fixture
def batches(ledger: Desk) -> PostgresBatches:
    return PostgresBatches(ledger.database)


@pytest.fixture
def batch(batches: PostgresBatches) -> UUID:
    return batches.open(TENANT, name="mail", metadata={"day": 1})


def events(ledger: Desk, batch: UUID) -> list[dict[str, int]]:
    rows = ledger.do("SELECT data FROM batch_event WHERE batch_id = %(id)s", {"id": batch})
    return [row["data"] for row in rows]


def test_a_batch_completes_when_it_is_closed_and_its_last_document_ends(
    ledger: Desk, batches: PostgresBatches, batch: UUID
) -> None:
    ledger.do("INSERT INTO endpoint (tenant_id, url, secret) VALUES ('acme', 'http://x', 's')")
    ledger.accept(batch=batch)
    ledger.work_off(but=Pool.NOTIFIER)
    assert events(ledger, batch) == []
    batches.close(TENANT, batch)
    assert events(ledger, batch) == [{"ready": 1}]
    delivery = ledger.do("SELECT * FROM delivery WHERE batch_id = %(id)s", {"id": batch})[0]
    assert delivery["kind"] == "batch.completed"
    claims = [each for each in ledger.claims(Pool.NOTIFIER) if each.delivery == delivery["id"]]
    sent = ledger.ledger.delivery(claims[0])
    assert sent.document is None
    assert sent.payload["counts"] == {"ready": 1}
    ledger.ledger.commit(claims[0], product(claims[0]))
    assert PostgresAudit(ledger.database).all_violations() == []


class Rung(Bell):
    """A bell that only remembers."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def ring(self, channel: str, payload: str = "") -> None:
        self.heard.append(channel)


def reaped(database: Database, _: UUID) -> bool:
    return bool(PostgresDispatch(database, tick=timedelta(seconds=1)).reap())


def timed_out(database: Database, document: UUID) -> bool:
    return PostgresLifecycle(database).time_out(document)


@pytest.mark.parametrize(("end", "state"), [(reaped, "rejected"), (timed_out, "failed")])
def test_a_last_document_that_no_worker_ends_completes_its_batch_and_rings(
    ledger: Desk,
    batches: PostgresBatches,
    batch: UUID,
    end: Callable[[Database, UUID], bool],
    state: str,
) -> None:
    ledger.do("INSERT INTO endpoint (tenant_id, url, secret) VALUES ('acme', 'http://x', 's')")
    document = ledger.accept(batch=batch).document
    batches.close(TENANT, batch)
    ledger.claims(Pool.VALIDATOR)
    ledger.do("UPDATE task SET lease_until = now() - interval '1 s', alone = true, crashes = 2")
    ledger.do("UPDATE run SET opened_at = now() - interval '25 h'")
    rung = Rung()
    assert end(Database(ledger.database.pool, rung), document)
    assert events(ledger, batch) == [{state: 1}]
    assert set(rung.heard) == {DOCUMENT, READY}


def test_a_held_document_of_one_batch_keeps_no_other_batch_waiting(
    ledger: Desk, batches: PostgresBatches, batch: UUID
) -> None:
    held = ledger.accept(batch=batch).document
    batches.begin_cancel(TENANT, batch)
    other = batches.open(TENANT, name="", metadata={})
    ledger.do("UPDATE batch SET state = 'closed', closed_at = now() WHERE id = %(id)s",
              {"id": other})  # fmt: skip
    job = CompleteBatches(batches, ledger.lifecycle)
    with ledger.held(held):
        assert job(Permit()).rows == 1
    assert events(ledger, other) == [{}]
    assert job(Permit()).rows == 1


def test_only_an_open_batch_of_the_tenant_takes_documents(
    ledger: Desk, batches: PostgresBatches, batch: UUID
) -> None:
    ledger.tenant("other")
    with pytest.raises(BatchNotFound):
        ledger.accept("other", batch=batch)
    with pytest.raises(BatchNotFound):
        ledger.accept(batch=new_id())
    batches.close(TENANT, batch)
    with pytest.raises(BatchClosed):
        ledger.accept(batch=batch)
    cancelled = batches.open(TENANT, name="", metadata={})
    batches.begin_cancel(TENANT, cancelled)
    with pytest.raises(BatchCancelled):
        ledger.accept(batch=cancelled)
    assert ledger.do("SELECT * FROM document") == []


def test_a_batch_of_another_tenant_does_not_exist(
    ledger: Desk, batches: PostgresBatches, batch: UUID
) -> None:
    ledger.tenant("other")
    for act in (batches.get, batches.close, batches.begin_cancel):
        with pytest.raises(BatchNotFound):
            act("other", batch)
    assert batches.get(TENANT, batch).state is BatchState.OPEN


def test_a_retry_does_not_undo_completion(
    ledger: Desk, batches: PostgresBatches, batch: UUID
) -> None:
    document = ledger.accept(batch=batch).document
    batches.close(TENANT, batch)
    ledger.work_off()
    ledger.lifecycle.retry(TENANT, document, by="test")
    assert batches.get(TENANT, batch).completed_at is not None
    ledger.work_off()
    assert events(ledger, batch) == [{"ready": 1}]


def test_the_audit_reports_a_batch_that_never_completed(ledger: Desk, batch: UUID) -> None:
    ledger.do("UPDATE batch SET state = 'closed', closed_at = now() - interval '1 hour'")
    (found,) = PostgresAudit(ledger.database).all_violations()
    assert str(batch) in found.detail


def last_two(ledger: Desk) -> list[Claim]:
    """Leave two documents with nothing but their assembly to do."""
    for claim in ledger.claims(Pool.VALIDATOR):
        ledger.ledger.commit(claim, product(claim, pages=1, text=1))
    claims = ledger.claims(Pool.OCR)
    assert len(claims) == 2
    return claims


@pytest.mark.slow
def test_the_last_two_documents_at_once_complete_a_batch_once(
    ledger: Desk, batches: PostgresBatches
) -> None:
    gate = Barrier(2)

    def commit(claim: Claim) -> None:
        gate.wait(timeout=30)
        ledger.ledger.commit(claim, product(claim))

    with ThreadPoolExecutor(2) as pool:
        for _ in range(ROUNDS):
            batch = batches.open(TENANT, name="", metadata={})
            for _ in range(2):
                ledger.accept(batch=batch)
            batches.close(TENANT, batch)
            list(pool.map(commit, last_two(ledger)))
            assert events(ledger, batch) == [{"ready": 2}]


def test_an_interrupted_cancel_is_ended_by_the_scheduler(
    ledger: Desk, batches: PostgresBatches, batch: UUID
) -> None:
    documents = [ledger.accept(batch=batch).document for _ in range(3)]
    batches.begin_cancel(TENANT, batch)  # and no more of it
    job = CompleteBatches(batches, ledger.lifecycle)
    assert job(Permit()).rows == 1
    assert {ledger.document(each)["state"] for each in documents} == {"cancelled"}
    assert events(ledger, batch) == [{"cancelled": 3}]
    assert job(Permit()).rows == 0


def test_a_completion_that_was_missed_is_made_up_for(
    ledger: Desk, batches: PostgresBatches, batch: UUID
) -> None:
    ledger.do("UPDATE batch SET state = 'closed', closed_at = now()")
    assert CompleteBatches(batches, ledger.lifecycle)(Permit()).rows == 1
    assert events(ledger, batch) == [{}]
