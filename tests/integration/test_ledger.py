from collections.abc import Iterator
from datetime import timedelta

import pytest

from docmill.adapters.postgres.accept import Acceptance, Accepted, Idempotency
from docmill.adapters.postgres.documents import Documents, Filter
from docmill.adapters.postgres.lifecycle import Answer
from docmill.domain.errors import LostClaim
from docmill.domain.task import Claim, Failure, Hint, Outcome, Pool, Stage
from tests.stack.ledger import TENANT, Desk, desk, product


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        yield made


def validated(ledger: Desk, *, pages: int = 2, text: int = 0) -> Accepted:
    """Accept a document and commit its page plan."""
    accepted = ledger.accept()
    claim = ledger.claims(Pool.VALIDATOR)[0]
    ledger.ledger.commit(claim, product(claim, pages=pages, text=text))
    return accepted


def failing(ledger: Desk, claim: Claim, outcome: Outcome, code: str = "test") -> None:
    ledger.ledger.fail(claim, Failure(outcome=outcome, code=code, detail="why"))


def make_due(ledger: Desk) -> None:
    ledger.do("UPDATE task SET due_at = now() WHERE state = 'scheduled'")
    ledger.dispatch.promote()


def test_a_document_goes_from_upload_to_ready(ledger: Desk) -> None:
    accepted = ledger.accept()
    done = ledger.work_off(pages=3)
    document = ledger.document(accepted.document)
    assert document["state"] == "ready"
    assert document["settled_run"] == 1
    assert document["expires_at"] is not None
    assert [claim.stage for claim in done].count(Stage.RECOGNISE) == 3
    assert ledger.events(accepted.document)[0] == "accepted"
    assert "ready" in ledger.events(accepted.document)


def test_uploads_are_planned_once_not_each_anew(ledger: Desk) -> None:
    custom = None
    while custom is None:  # until the connection that is asked has prepared the statement
        ledger.accept()
        [plans] = ledger.do(
            "SELECT sum(custom_plans) AS custom FROM pg_prepared_statements"
            " WHERE statement LIKE 'WITH recent AS%'"
        )
        custom = plans["custom"]
    assert custom == 0


def test_the_history_has_no_gap(ledger: Desk) -> None:
    accepted = ledger.accept()
    ledger.work_off(pages=3)
    rows = ledger.do("SELECT seq FROM event ORDER BY seq")
    version = ledger.document(accepted.document)["version"]
    assert [row["seq"] for row in rows] == list(range(1, version + 1))


def test_a_document_of_text_pages_needs_no_recognition(ledger: Desk) -> None:
    accepted = validated(ledger, pages=3, text=3)
    stages = {row["stage"] for row in ledger.tasks(accepted.document)}
    assert stages == {"validate", "assemble", "thumbnail"}


def test_pages_of_a_text_layer_are_done_when_they_are_read(ledger: Desk) -> None:
    accepted = validated(ledger, pages=3, text=2)
    documents = Documents(ledger.database)
    found = documents.get(TENANT, accepted.document)
    assert found is not None
    assert (found.pages, found.pages_done) == (3, 2)
    ledger.work_off()
    (listed,) = documents.list(TENANT, Filter(), before=None, limit=1)
    assert (listed.pages, listed.pages_done, listed.pages_failed) == (3, 3, 0)


def test_a_hint_is_claimed_once(ledger: Desk) -> None:
    ledger.accept()
    dispatched = ledger.pick(Pool.VALIDATOR)[0]
    assert ledger.ledger.claim(dispatched.hint, worker="a", alone=False)
    assert ledger.ledger.claim(dispatched.hint, worker="b", alone=False) is None


def test_a_worker_whose_claims_reply_was_lost_gets_the_same_claim_again(ledger: Desk) -> None:
    ledger.accept()
    hint = ledger.pick(Pool.VALIDATOR)[0].hint
    first, again = (ledger.ledger.claim(hint, worker="a", alone=False) for _ in range(2))
    assert first is not None
    assert again == first
    assert ledger.do("SELECT token, ended_at FROM attempt") == [
        {"token": first.token, "ended_at": None}
    ]
    ledger.ledger.commit(first, product(first))
    assert ledger.ledger.claim(hint, worker="a", alone=False) is None


def test_hints_that_are_stale_or_unknown_claim_nothing(ledger: Desk) -> None:
    ledger.accept()
    hint = ledger.pick(Pool.VALIDATOR)[0].hint
    for stale in (Hint(hint.task, hint.dispatch - 1), Hint(hint.task, 99), Hint(10**9, 1)):
        assert ledger.ledger.claim(stale, worker="w", alone=False) is None


def test_a_zombies_commit_is_fenced_off(ledger: Desk) -> None:
    ledger.accept()
    zombie = ledger.claims(Pool.VALIDATOR)[0]
    ledger.do("UPDATE task SET lease_until = now() - interval '1 s'")
    assert [each.task for each in ledger.dispatch.reap()] == [zombie.task]
    again = ledger.claims(Pool.VALIDATOR)[0]
    with pytest.raises(LostClaim):
        ledger.ledger.commit(zombie, product(zombie))
    ledger.ledger.commit(again, product(again))
    assert ledger.do("SELECT token FROM output") == [{"token": again.token}]


def test_a_commit_whose_reply_was_lost_may_be_repeated(ledger: Desk) -> None:
    accepted = ledger.accept()
    claim = ledger.claims(Pool.VALIDATOR)[0]
    for _ in range(2):
        ledger.ledger.commit(claim, product(claim))
    assert ledger.events(accepted.document).count("validated") == 1


def test_renewal_moves_the_lease_and_tells_what_holds(ledger: Desk) -> None:
    ledger.accept()
    claim = ledger.claims(Pool.VALIDATOR)[0]
    ledger.do("UPDATE task SET lease_until = now() + interval '1 s'")
    assert ledger.ledger.renew([claim]) == {claim.token}
    assert ledger.ledger.live([claim]) == {claim.token}
    left = ledger.do("SELECT lease_until - now() AS left FROM task WHERE id = %(id)s",
                     {"id": claim.task})[0]["left"]  # fmt: skip
    assert left > timedelta(seconds=40)


def test_a_renewed_lease_is_not_reaped(ledger: Desk) -> None:
    ledger.accept()
    claim = ledger.claims(Pool.VALIDATOR)[0]
    assert ledger.dispatch.reap() == []
    assert ledger.ledger.live([claim])


def test_cancel_ends_waiting_and_running_work_at_once(ledger: Desk) -> None:
    accepted = validated(ledger, pages=4)
    running = ledger.claims(Pool.OCR)[0]
    assert ledger.lifecycle.cancel(TENANT, accepted.document, by="me") is Answer.DONE
    assert {row["state"] for row in ledger.tasks(accepted.document)} == {"done", "cancelled"}
    assert ledger.ledger.live([running]) == frozenset()
    with pytest.raises(LostClaim):
        ledger.ledger.commit(running, product(running))
    assert ledger.document(accepted.document)["state"] == "cancelled"
    open_attempts = ledger.do("SELECT 1 FROM attempt WHERE ended_at IS NULL")
    assert open_attempts == []


def test_a_document_of_another_tenant_does_not_exist(ledger: Desk) -> None:
    accepted = ledger.accept()
    other = ledger.tenant("other")
    for act in (ledger.lifecycle.cancel, ledger.lifecycle.retry, ledger.lifecycle.erase):
        assert act(other, accepted.document, by="me") is Answer.MISSING
    assert ledger.document(accepted.document)["state"] == "received"


def test_a_transient_failure_is_tried_again_and_ends_dead(ledger: Desk) -> None:
    accepted = ledger.accept()
    for _ in range(5):
        failing(ledger, ledger.claims(Pool.VALIDATOR)[0], Outcome.TRANSIENT)
        make_due(ledger)
    document = ledger.document(accepted.document)
    assert (document["state"], document["failure_code"]) == ("failed", "attempts_spent")
    assert document["failure_detail"] == "why"


def test_an_outage_spends_no_attempt(ledger: Desk) -> None:
    accepted = ledger.accept()
    for _ in range(10):
        failing(ledger, ledger.claims(Pool.VALIDATOR)[0], Outcome.DEPENDENCY)
        make_due(ledger)
    assert ledger.tasks(accepted.document)[0]["attempt"] == 0


def test_a_rejection_ends_the_document_with_its_code(ledger: Desk) -> None:
    accepted = ledger.accept()
    failing(ledger, ledger.claims(Pool.VALIDATOR)[0], Outcome.PERMANENT, "encrypted_pdf")
    document = ledger.document(accepted.document)
    assert (document["state"], document["failure_code"]) == ("rejected", "encrypted_pdf")


def test_a_validate_task_that_keeps_crashing_makes_the_document_unreadable(ledger: Desk) -> None:
    accepted = ledger.accept()
    for alone in (False, True, True):
        claim = ledger.claims(Pool.VALIDATOR)[0]
        assert claim.alone is alone
        failing(ledger, claim, Outcome.CRASH, "crash")
        make_due(ledger)
    document = ledger.document(accepted.document)
    assert (document["state"], document["failure_code"]) == ("rejected", "unreadable")


def test_a_task_that_must_run_alone_is_not_claimed_among_others(ledger: Desk) -> None:
    ledger.accept()
    failing(ledger, ledger.claims(Pool.VALIDATOR)[0], Outcome.CRASH)
    make_due(ledger)
    hint = ledger.pick(Pool.VALIDATOR)[0].hint
    assert ledger.ledger.suspect(hint)
    assert ledger.ledger.claim(hint, worker="w", alone=False) is None
    assert ledger.ledger.claim(hint, worker="w", alone=True)


def test_the_second_deadline_is_permanent(ledger: Desk) -> None:
    accepted = validated(ledger, pages=1)
    for _ in range(2):
        failing(ledger, ledger.claims(Pool.OCR)[0], Outcome.DEADLINE)
        make_due(ledger)
    assert ledger.document(accepted.document)["failure_code"] == "too_slow"


def test_a_dead_page_lets_its_siblings_finish(ledger: Desk) -> None:
    accepted = validated(ledger, pages=3)
    first, *_ = ledger.claims(Pool.OCR)
    failing(ledger, first, Outcome.PERMANENT, "page_unreadable")
    ledger.do("UPDATE task SET lease_until = now() - interval '1 s' WHERE state = 'running'")
    ledger.dispatch.reap()
    ledger.work_off()
    document = ledger.document(accepted.document)
    assert document["state"] == "ready"
    failed = ledger.do("SELECT number, failure_code FROM page WHERE failure_code IS NOT NULL")
    assert failed == [{"number": first.page, "failure_code": "page_unreadable"}]


def test_a_dead_page_fails_the_document_where_partial_results_are_not_allowed(
    ledger: Desk,
) -> None:
    ledger.do("UPDATE tenant SET partial_results = false")
    accepted = validated(ledger, pages=1)
    failing(ledger, ledger.claims(Pool.OCR)[0], Outcome.PERMANENT, "page_unreadable")
    document = ledger.document(accepted.document)
    assert (document["state"], document["failure_code"]) == ("failed", "page_unreadable")


def test_a_dead_thumbnail_sinks_nothing(ledger: Desk) -> None:
    accepted = validated(ledger, pages=1)
    failing(ledger, ledger.claims(Pool.THUMBNAILER)[0], Outcome.PERMANENT, "page_unreadable")
    ledger.work_off()
    assert ledger.document(accepted.document)["state"] == "ready"


def test_a_retry_does_only_what_is_missing(ledger: Desk) -> None:
    accepted = validated(ledger, pages=3)
    ocr = ledger.claims(Pool.OCR)
    ledger.ledger.commit(ocr[0], product(ocr[0]))
    ledger.lifecycle.cancel(TENANT, accepted.document, by="me")
    assert ledger.lifecycle.retry(TENANT, accepted.document, by="me") is Answer.DONE
    done = ledger.work_off()
    pages = sorted(each.page for each in done if each.stage is Stage.RECOGNISE)
    assert pages == sorted({1, 2, 3} - {ocr[0].page})
    document = ledger.document(accepted.document)
    assert (document["state"], document["run"], document["settled_run"]) == ("ready", 2, 2)


def test_a_retry_before_any_plan_validates_again(ledger: Desk) -> None:
    accepted = ledger.accept()
    ledger.lifecycle.cancel(TENANT, accepted.document, by="me")
    ledger.lifecycle.retry(TENANT, accepted.document, by="me")
    ledger.work_off()
    assert ledger.document(accepted.document)["state"] == "ready"


def test_readers_see_the_settled_run_until_the_next_settles(ledger: Desk) -> None:
    accepted = ledger.accept()
    ledger.work_off()
    ledger.lifecycle.retry(TENANT, accepted.document, by="me")
    document = ledger.document(accepted.document)
    assert (document["state"], document["run"], document["settled_run"]) == ("processing", 2, 1)


def test_a_released_task_is_ready_again_unspent(ledger: Desk) -> None:
    accepted = ledger.accept()
    claim = ledger.claims(Pool.VALIDATOR)[0]
    ledger.ledger.release(claim)
    ledger.ledger.release(claim)
    task = ledger.tasks(accepted.document)[0]
    assert (task["state"], task["attempt"], task["losses"]) == ("ready", 0, 0)


def test_two_losses_make_a_task_run_alone_but_never_dead(ledger: Desk) -> None:
    accepted = ledger.accept()
    for _ in range(2):
        ledger.claims(Pool.VALIDATOR)
        ledger.do("UPDATE task SET lease_until = now() - interval '1 s' WHERE state = 'running'")
        ledger.dispatch.reap()
    task = ledger.tasks(accepted.document)[0]
    assert (task["state"], task["losses"], task["alone"]) == ("ready", 2, True)


def test_an_idempotency_key_gives_the_first_answer_again(ledger: Desk) -> None:
    key = Idempotency("k", b"same")
    first = ledger.accept(idempotency=key)
    second = ledger.accept(idempotency=key)
    third = ledger.accept(idempotency=Idempotency("k", b"other"))
    assert (second.acceptance, second.document) == (Acceptance.REPEATED, first.document)
    assert third.acceptance is Acceptance.CONFLICT
    states = ledger.do("SELECT state, count(*) AS n FROM blob GROUP BY state ORDER BY state")
    assert states == [{"state": "live", "n": 1}, {"state": "uploading", "n": 2}]


def test_a_full_tenant_is_refused(ledger: Desk) -> None:
    ledger.do("UPDATE tenant SET max_storage_bytes = 15")
    assert ledger.accept().acceptance is Acceptance.ACCEPTED
    assert ledger.accept().acceptance is Acceptance.OVER_QUOTA


def test_a_run_that_is_open_for_too_long_fails(ledger: Desk) -> None:
    accepted = ledger.accept()
    ledger.do("UPDATE run SET opened_at = now() - interval '25 h'")
    assert ledger.lifecycle.overdue() == [accepted.document]
    assert ledger.lifecycle.time_out(accepted.document)
    assert not ledger.lifecycle.time_out(accepted.document)
    assert ledger.lifecycle.overdue() == []
    assert ledger.document(accepted.document)["failure_code"] == "timed_out"


def test_erasing_documents_do_not_hide_an_overdue_run(ledger: Desk) -> None:
    for _ in range(101):
        ledger.lifecycle.erase(TENANT, ledger.accept().document, by="me")
    accepted = ledger.accept()
    ledger.do("UPDATE run SET opened_at = now() - interval '25 h'")
    assert ledger.lifecycle.overdue() == [accepted.document]


def test_an_erased_documents_webhook_is_not_sent(ledger: Desk) -> None:
    ledger.do("INSERT INTO endpoint (tenant_id, url, secret) VALUES ('acme', 'http://x/', 's')")
    accepted = ledger.accept()
    ledger.lifecycle.cancel(TENANT, accepted.document, by="me")
    ledger.lifecycle.erase(TENANT, accepted.document, by="me")
    assert ledger.pick(Pool.NOTIFIER) == []
    assert ledger.do("SELECT actor, action FROM audit_line") == [
        {"actor": "me", "action": "erase_requested"}
    ]


def test_a_terminal_document_notifies_each_endpoint_once(ledger: Desk) -> None:
    ledger.do("INSERT INTO endpoint (tenant_id, url, secret) VALUES ('acme', 'http://x/', 's')")
    ledger.accept()
    done = ledger.work_off()
    notified = [claim for claim in done if claim.stage is Stage.NOTIFY]
    assert len(notified) == 1
    assert ledger.do("SELECT kind FROM delivery WHERE delivered_at IS NOT NULL") == [
        {"kind": "document.ready"}
    ]


def test_an_erased_document_is_gone_for_callers_at_once(ledger: Desk) -> None:
    accepted = ledger.accept()
    assert ledger.lifecycle.erase(TENANT, accepted.document, by="me") is Answer.DONE
    assert ledger.lifecycle.erase(TENANT, accepted.document, by="me") is Answer.MISSING
    assert ledger.lifecycle.cancel(TENANT, accepted.document, by="me") is Answer.MISSING
