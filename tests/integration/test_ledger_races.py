"""Two of everything at once: the races that the one lock order decides."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import psycopg
import pytest

from docmill.adapters.postgres import accept
from docmill.adapters.postgres.accept import Acceptance
from docmill.adapters.postgres.lifecycle import Answer
from docmill.domain.errors import LostClaim
from docmill.domain.task import Claim, Pool, Stage
from tests.stack.ledger import TENANT, Desk, desk, product
from tests.stack.wait import until

ROUNDS = 30
STORAGE = {"space": accept.LOCK_SPACE, "tenant": TENANT}


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        made.do("UPDATE pool_clock SET task_seconds = 0.01")
        yield made


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Run all at the same moment; return what each returned or the LostClaim it raised."""
    gate = Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        gate.wait(timeout=10)
        try:
            return act()
        except LostClaim as error:
            return error

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def pages_claimed(ledger: Desk, pages: int) -> list[Claim]:
    """Accept and validate a document; return claims on its pages."""
    ledger.accept()
    for claim in ledger.claims(Pool.VALIDATOR):
        ledger.ledger.commit(claim, product(claim, pages=pages))
    claims = [each for each in ledger.claims(Pool.OCR) if each.stage is Stage.RECOGNISE]
    assert len(claims) == pages
    return claims


def committing(ledger: Desk, claim: Claim) -> Callable[[], None]:
    return lambda: ledger.ledger.commit(claim, product(claim))


@pytest.mark.parametrize("pages", [2, 4])
def test_the_last_pages_together_make_exactly_one_assemble(ledger: Desk, pages: int) -> None:
    for _ in range(ROUNDS):
        claims = pages_claimed(ledger, pages)
        at_once(*(committing(ledger, claim) for claim in claims))
        stages = [row["stage"] for row in ledger.tasks(claims[0].document)]  # type: ignore[arg-type]  # a page has a document
        assert stages.count("assemble") == 1
        ledger.work_off()
    assert ledger.do("SELECT DISTINCT state FROM document") == [{"state": "ready"}]


def test_a_cancel_racing_a_commit_is_one_or_the_other(ledger: Desk) -> None:
    for _ in range(ROUNDS):
        claim = pages_claimed(ledger, 1)[0]
        document = claim.document
        assert document is not None
        ledger.work_off()  # the thumbnail
        at_once(
            committing(ledger, claim), partial(ledger.lifecycle.cancel, TENANT, document, by="me")
        )
        outputs = ledger.do(
            "SELECT count(*) AS n FROM output WHERE document_id = %(id)s AND stage = 'recognise'",
            {"id": document},
        )[0]["n"]
        states = {row["stage"]: row["state"] for row in ledger.tasks(document)}
        assert states["recognise"] == ("done" if outputs else "cancelled")
        assert ledger.document(document)["state"] == "cancelled"
        assert not {"ready", "queued", "running", "scheduled"} & set(states.values())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_cancels_racing_the_last_commit_are_one_or_the_other(ledger: Desk) -> None:
    both = Counter[str]()
    for _ in range(1000):
        document = ledger.accept().document
        for claim in ledger.claims(Pool.VALIDATOR):
            ledger.ledger.commit(claim, product(claim, pages=1, text=1))
        (last,) = ledger.claims(Pool.OCR)
        _, answer = at_once(
            committing(ledger, last),
            partial(ledger.lifecycle.cancel, TENANT, document, by="test"),
        )
        state = ledger.document(document)["state"]
        both[state] += 1
        told = [kind for kind in ledger.events(document) if kind in {"ready", "cancelled"}]
        assert told == [state]
        assert (answer is Answer.DONE) == (state == "cancelled")
    assert both.total() == 1000
    assert len(both) == 2, "one of them was always the faster: this proves nothing"


def test_a_reaper_racing_a_commit_is_one_or_the_other(ledger: Desk) -> None:
    for _ in range(ROUNDS):
        claim = pages_claimed(ledger, 1)[0]
        ledger.do("UPDATE task SET lease_until = now() - interval '1 s' WHERE state = 'running'")
        committed, reaped = at_once(committing(ledger, claim), ledger.dispatch.reap)
        assert isinstance(committed, LostClaim) is bool(reaped)
        ledger.work_off()
    assert ledger.do("SELECT DISTINCT state FROM document") == [{"state": "ready"}]


def test_five_copies_of_a_hint_at_eight_workers_run_once(ledger: Desk) -> None:
    ledger.accept()
    hint = ledger.pick(Pool.VALIDATOR)[0].hint
    claim = partial(ledger.ledger.claim, hint, alone=False)
    claims = at_once(*(partial(claim, worker=f"w{number}") for number in range(8)))
    assert len([claim for claim in claims if claim]) == 1


def test_uploads_at_once_never_overflow_the_storage(ledger: Desk) -> None:
    ledger.do("UPDATE tenant SET max_storage_bytes = 25")  # two and a half uploads
    answers = at_once(*(ledger.accept for _ in range(8)))
    accepted = [each for each in answers if getattr(each, "acceptance", "") == "accepted"]
    assert len(accepted) == 2


def test_uploads_at_once_go_from_side_by_side_to_one_by_one_and_fill_the_storage(
    ledger: Desk,
) -> None:
    ledger.do("UPDATE tenant SET max_file_bytes = 10, max_storage_bytes = 205")
    answers = [each for _ in range(5) for each in at_once(*(ledger.accept for _ in range(8)))]
    accepted = [each for each in answers if getattr(each, "acceptance", "") == "accepted"]
    assert len(accepted) == 20


def test_an_upload_waits_for_another_of_its_tenant_before_it_sums_up(
    ledger: Desk, database_url: str
) -> None:
    ledger.do("UPDATE tenant SET max_storage_bytes = 25")
    held = ledger.accept().document  # 10 bytes

    with ThreadPoolExecutor(1) as pool, psycopg.connect(database_url) as other:
        other.execute(accept.SQL["share_storage"], STORAGE)
        other.execute("UPDATE document SET size = 20 WHERE id = %s", (held,))
        upload = pool.submit(ledger.accept)
        until(lambda: upload.done() or waits(ledger))
        other.commit()
        assert upload.result().acceptance is Acceptance.OVER_QUOTA


def test_an_upload_waits_for_one_that_sums_up(ledger: Desk, database_url: str) -> None:
    with ThreadPoolExecutor(1) as pool, psycopg.connect(database_url) as other:
        other.execute(accept.SQL["own_storage"], STORAGE)
        upload = pool.submit(ledger.accept)
        until(lambda: upload.done() or waits(ledger))
        assert not upload.done()
        other.commit()
        assert upload.result().acceptance is Acceptance.ACCEPTED


def test_uploads_with_room_for_all_do_not_wait_for_each_other(
    ledger: Desk, database_url: str
) -> None:
    with ThreadPoolExecutor(1) as pool, psycopg.connect(database_url) as other:
        other.execute(accept.SQL["share_storage"], STORAGE)
        upload = pool.submit(ledger.accept)
        until(lambda: upload.done() or waits(ledger))
        assert upload.done()


def waits(ledger: Desk) -> bool:
    waiting = "wait_event_type = 'Lock' AND datname = current_database()"
    return bool(ledger.do(f"SELECT 1 FROM pg_stat_activity WHERE {waiting}"))


def test_everything_at_once_ends_ready_without_a_gap(ledger: Desk) -> None:
    """Commits, picks, reaps, renewals and hints of many documents, from many threads."""
    documents = [ledger.accept().document for _ in range(20)]

    def work(_: int) -> None:
        for _ in range(400):
            for dispatched in ledger.pick():
                claim = ledger.claim(dispatched)
                ledger.ledger.renew([claim])
                ledger.ledger.commit(claim, product(claim, pages=3))
            ledger.dispatch.reap()
            ledger.dispatch.rehint()
            ledger.dispatch.sweep()
            if not ledger.do("SELECT 1 FROM task WHERE ended_at IS NULL LIMIT 1"):
                return

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    for document in documents:
        row = ledger.document(document)
        assert row["state"] == "ready"
        assert len(ledger.events(document)) == row["version"]
