"""A document of one page: what reads it assembles it, and what fails then has a task of its own."""

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from docmill.adapters.postgres.connection import Row
from docmill.adapters.postgres.tenants import Tenants
from docmill.domain.errors import StoreDown
from docmill.domain.task import Failure, Outcome, Pool, Stage, TaskLimit
from docmill.ops.settings import StoreSettings
from docmill.ports import Stored
from docmill.testing.children import Keeper, keeper
from docmill.testing.history import check
from tests.stack.bench import Workplace, workplace
from tests.stack.ledger import TENANT, Desk, desk, plan, product, whole
from tests.stack.wait import until


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        yield made


@pytest.fixture
def kept() -> Iterator[Keeper]:
    with keeper() as made:
        yield made


@pytest.fixture
def place(ledger: Desk, blob_settings: StoreSettings, kept: Keeper) -> Iterator[Workplace]:
    with workplace(ledger, blob_settings, kept) as made:
        yield made


def validated(ledger: Desk, *, pages: int) -> UUID:
    """Accept a document and commit its page plan."""
    document = ledger.accept().document
    (claim,) = ledger.claims(Pool.VALIDATOR)
    ledger.ledger.commit(claim, product(claim, pages=pages))
    return document


# ── in the ledger ────────────────────────────────────────────────────────────────────────────────
def test_an_only_page_finishes_its_document(ledger: Desk) -> None:
    document = validated(ledger, pages=1)
    (claim,) = ledger.claims(Pool.OCR)
    assert claim.finishes
    ledger.ledger.commit(claim, whole(claim))
    row = ledger.document(document)
    assert (row["state"], row["settled_run"]) == ("ready", 1)
    assert not ledger.pick(Pool.OCR)
    kinds = ledger.do("SELECT stage, kind, page FROM artifact ORDER BY kind")
    assert [tuple(row.values()) for row in kinds] == [
        ("recognise", "page", 1),
        ("assemble", "text", 0),
    ]


def test_an_only_page_that_was_not_assembled_is_assembled_later(ledger: Desk) -> None:
    document = validated(ledger, pages=1)
    ledger.work_off()
    assert ledger.document(document)["state"] == "ready"
    assert "assemble" in {row["stage"] for row in ledger.tasks(document)}


@pytest.mark.parametrize("told", [1, 2, 1.5])
def test_one_page_of_several_finishes_nothing(ledger: Desk, told: float) -> None:
    ledger.accept()
    (claim,) = ledger.claims(Pool.VALIDATOR)
    lie = plan(2) | {"total_pages": told}  # a child says so
    ledger.ledger.commit(claim, replace(product(claim), facts={"plan": lie}))
    assert [claim.finishes for claim in ledger.claims(Pool.OCR)] == [False, False]


@pytest.mark.parametrize("outcome", [Outcome.TRANSIENT, Outcome.CRASH])
def test_an_only_page_that_went_wrong_once_finishes_nothing(ledger: Desk, outcome: Outcome) -> None:
    validated(ledger, pages=1)
    (claim,) = ledger.claims(Pool.OCR)
    ledger.ledger.fail(claim, Failure(outcome=outcome, code="test"))
    ledger.do("UPDATE task SET due_at = now() WHERE state = 'scheduled'")
    ledger.dispatch.promote()
    (claim,) = ledger.claims(Pool.OCR)
    assert not claim.finishes


@pytest.mark.parametrize(("tenant", "finishes"), [(None, False), (TENANT, False), ("other", True)])
def test_what_is_said_of_assemble_is_kept_by_its_own_task(
    ledger: Desk, tenant: str | None, *, finishes: bool
) -> None:
    ledger.tenant("other")
    Tenants(ledger.database).limit_tasks(Stage.ASSEMBLE, TaskLimit(attempts=1), tenant=tenant)
    validated(ledger, pages=1)
    (claim,) = ledger.claims(Pool.OCR)
    assert claim.finishes is finishes


def test_starts_of_assemble_that_are_limited_are_counted(ledger: Desk) -> None:
    Tenants(ledger.database).limit_stage(Stage.ASSEMBLE, 1)
    validated(ledger, pages=1)
    (claim,) = ledger.claims(Pool.OCR)
    assert not claim.finishes


# ── in a worker ──────────────────────────────────────────────────────────────────────────────────
def test_an_only_page_is_assembled_when_it_was_read(place: Workplace, database_url: str) -> None:
    document = place.accept("assembling join")
    assert place.turn() == 1
    assert place.desk.document(document)["state"] == "ready"
    assert "assemble" not in {row["stage"] for row in place.desk.tasks(document)}
    (made,) = place.desk.do("SELECT key, sha256 FROM artifact WHERE stage = 'assemble'")
    assert made["key"] == f"acme/{document}/1/assemble/0/{made['sha256'].hex()}"
    with place.blobs.open(made["key"]) as body:
        assert body.read(100) == b"hello"  # the page as it was stored
    assert check(database_url) == []


@pytest.mark.parametrize(
    ("how", "state", "code"),
    [
        ("stumble oh", "scheduled", "stage_failed"),
        ("segfault", "scheduled", "crash"),
        ("reject truncated", "dead", "corrupt_file"),
        ("sleep 60", "scheduled", "deadline"),
    ],
)
def test_an_only_page_is_kept_when_assembling_fails_which_then_has_its_own_tries(
    ledger: Desk, blob_settings: StoreSettings, kept: Keeper, how: str, state: str, code: str
) -> None:
    deadline = timedelta(seconds=2 if how.startswith("sleep") else 20)
    with workplace(ledger, blob_settings, kept, deadline=lambda _: deadline) as place:
        document = place.accept(f"assembling {how}")
        failed = assembling_failed(code)
        place.turn()
        assert assembling_failed(code) == failed + 1  # it was tried
        assert place.page(document)["state"] == "done"
        (task,) = assembles(place, document)
        assert (task["state"], task["attempt"], task["crashes"]) == ("ready", 0, 0)
        place.turn()
        (task,) = assembles(place, document)
        assert (task["state"], task["code"]) == (state, code)


def test_an_only_page_is_kept_when_the_store_fails_then(place: Workplace) -> None:
    document = place.accept("echo")
    put = place.blobs.put_file

    def put_pages(key: str, path: Path, *, media_type: str) -> Stored:
        if "/assemble/" in key:
            raise StoreDown("full")
        stored: Stored = put(key, path, media_type=media_type)
        return stored

    place.blobs.instead["put_file"] = put_pages
    place.turn()
    assert place.page(document)["state"] == "done"
    place.blobs.instead.clear()
    place.turn()
    assert place.desk.document(document)["state"] == "ready"


def test_an_only_page_is_kept_when_the_worker_is_to_leave(place: Workplace) -> None:
    document = place.accept("assembling sleep 60")
    working = assembling(place, document)
    place.supervisor.begin_drain(timedelta(seconds=0.3))
    working.result(timeout=5)
    assert place.page(document)["state"] == "done"
    assert [task["state"] for task in assembles(place, document)] == ["ready"]


def test_a_cancel_ends_the_assembling_of_an_only_page_too(place: Workplace) -> None:
    document = place.accept("assembling sleep 60")
    working = assembling(place, document)
    place.desk.lifecycle.cancel(TENANT, document, by="test")
    working.result(timeout=2)
    assert place.desk.do("SELECT stage FROM output WHERE stage <> 'validate'") == []


def assembling(place: Workplace, document: UUID) -> "Future[None]":
    """Begin with a document of one page; return when its page is stored."""
    (hint,) = place.hints()
    working = place.begin(hint)
    until(lambda: list(place.blobs.list(f"acme/{document}/1/recognise/")))
    return working


def assembling_failed(code: str) -> float:
    labels = {"stage": "assemble", "code": code}
    return REGISTRY.get_sample_value("docmill_task_failures_total", labels) or 0


def assembles(place: Workplace, document: UUID) -> list[Row]:
    return [row for row in place.desk.tasks(document) if row["stage"] == "assemble"]
