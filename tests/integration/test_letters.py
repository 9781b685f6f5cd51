"""Dead letters: listed, shown, replayed and put away."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from docmill.adapters.postgres.letters import PostgresLetters, Replay, Wanted
from docmill.adapters.postgres.tenants import Tenants
from docmill.domain.task import Failure, Outcome, Pool, Stage
from docmill.testing.history import check
from tests.stack.ledger import TENANT, Desk, desk, product


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        yield made


@pytest.fixture
def letters(ledger: Desk) -> PostgresLetters:
    return PostgresLetters(ledger.database)


def failed(ledger: Desk, *, code: str = "page_unreadable") -> tuple[UUID, int]:
    """Let a document fail by its second page; return it and its dead task."""
    document = ledger.accept().document
    for claim in ledger.claims(Pool.VALIDATOR):
        ledger.ledger.commit(claim, product(claim, pages=2))
    ledger.do("UPDATE tenant SET partial_results = false")
    dead = 0
    for claim in ledger.claims(Pool.OCR):
        if claim.page == 2:
            ledger.ledger.fail(claim, Failure(outcome=Outcome.PERMANENT, code=code, detail="why"))
            dead = claim.task
        else:
            ledger.ledger.commit(claim, product(claim))
    ledger.work_off()
    assert ledger.document(document)["state"] == "failed"
    return document, dead


def test_letters_are_found_by_what_they_say(ledger: Desk, letters: PostgresLetters) -> None:
    _, dead = failed(ledger)
    _, other = failed(ledger, code="too_slow")
    assert [row["id"] for row in letters.list(Wanted())] == [other, dead]
    assert [row["id"] for row in letters.list(Wanted(code="too_slow"))] == [other]
    assert [row["id"] for row in letters.list(Wanted(stage=Stage.RECOGNISE), limit=1)] == [other]
    assert letters.list(Wanted(tenant="nobody")) == []
    assert letters.list(Wanted(stage=Stage.NOTIFY)) == []
    shown = letters.get(dead)
    assert shown
    assert (shown["code"], shown["detail"], shown["document_state"]) == (
        "page_unreadable",
        "why",
        "failed",
    )
    assert [each["outcome"] for each in shown["attempts"]] == ["permanent"]
    assert letters.get(10**9) is None


def test_a_replay_does_only_what_is_missing(
    ledger: Desk, letters: PostgresLetters, database_url: str
) -> None:
    document, dead = failed(ledger)
    assert letters.replay(dead, by="me") is Replay.DONE
    assert letters.replay(dead, by="me") is Replay.ALREADY
    done = ledger.work_off()
    assert [each.page for each in done if each.stage is Stage.RECOGNISE] == [2]
    assert ledger.document(document)["state"] == "ready"
    assert letters.replay(dead, by="me") is Replay.ALREADY
    lines = ledger.do("SELECT actor, action, data FROM audit_line")
    assert lines == [{"actor": "me", "action": "task_replayed", "data": {"task": dead}}]
    assert check(database_url) == []


def test_replays_at_once_open_one_run(ledger: Desk, letters: PostgresLetters) -> None:
    document, dead = failed(ledger)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: letters.replay(dead, by="me"), range(8)))
    assert sorted(answers) == sorted([Replay.DONE] + 7 * [Replay.ALREADY])
    assert ledger.document(document)["run"] == 2


def test_what_was_replayed_waits_for_nobody(ledger: Desk, letters: PostgresLetters) -> None:
    _, first = failed(ledger)
    _, second = failed(ledger)
    assert letters.replay_all(Wanted(), by="me", limit=1)[Replay.DONE] == 1
    assert [row["id"] for row in letters.list(Wanted())] == [first]
    assert [row["tasks"] for row in ledger.dispatch.dead()] == [1]
    assert letters.replay_all(Wanted(), by="me", limit=1)[Replay.DONE] == 1
    assert letters.list(Wanted()) == []
    assert ledger.dispatch.dead() == []
    assert {row["id"] for row in letters.list(Wanted(replayed=True))} == {first, second}


def test_a_rejected_file_is_a_letter_that_waits_for_nobody(
    ledger: Desk, letters: PostgresLetters
) -> None:
    document = ledger.accept().document
    [claim] = ledger.claims(Pool.VALIDATOR)
    ledger.ledger.fail(claim, Failure(outcome=Outcome.PERMANENT, code="corrupt_file", detail="why"))
    ledger.work_off()
    assert ledger.document(document)["state"] == "rejected"
    assert [row["id"] for row in letters.list(Wanted())] == [claim.task]
    assert ledger.dispatch.dead() == []


def test_all_that_match_are_replayed_however_many(ledger: Desk) -> None:
    for _ in range(5):
        failed(ledger)
    ledger.do("UPDATE task SET ended_at = now() WHERE state = 'dead'")
    letters = PostgresLetters(ledger.database, page=2)
    assert letters.replay_all(Wanted(), by="me")[Replay.DONE] == 5


def test_letters_are_found_by_when_they_died(ledger: Desk, letters: PostgresLetters) -> None:
    _, old = failed(ledger)
    ledger.do("UPDATE task SET ended_at = now() - interval '2 hours' WHERE state = 'dead'")
    _, new = failed(ledger)
    hour = datetime.now(UTC) - timedelta(hours=1)
    assert [row["id"] for row in letters.list(Wanted(since=hour))] == [new]
    assert [row["id"] for row in letters.list(Wanted(until=hour))] == [old]


def test_what_was_rejected_must_be_uploaded_again(ledger: Desk, letters: PostgresLetters) -> None:
    ledger.accept()
    (claim,) = ledger.claims(Pool.VALIDATOR)
    ledger.ledger.fail(claim, Failure(outcome=Outcome.PERMANENT, code="corrupt_file"))
    assert letters.replay(claim.task, by="me") is Replay.IMPOSSIBLE
    assert letters.replay(10**9, by="me") is Replay.MISSING


def test_all_that_match_begin_one_after_the_other(ledger: Desk, letters: PostgresLetters) -> None:
    for _ in range(4):
        failed(ledger)
    other, _ = failed(ledger, code="too_slow")
    counts = letters.replay_all(Wanted(code="page_unreadable"), by="me", per_second=2)
    assert counts[Replay.DONE] == 4
    assert ledger.document(other)["state"] == "failed"
    due = ledger.do(
        "SELECT extract(epoch FROM due_at - created_at)::float AS wait FROM task"
        " WHERE run = 2 AND state = 'scheduled' ORDER BY 1"
    )
    assert [row["wait"] for row in due] == [0.5, 1.0, 1.5]
    ledger.do("UPDATE task SET due_at = now() WHERE state = 'scheduled'")
    ledger.dispatch.promote()
    ledger.work_off()
    assert len(ledger.do("SELECT 1 FROM document WHERE state = 'ready'")) == 4


def test_a_webhook_that_was_given_up_is_sent_again(
    ledger: Desk, letters: PostgresLetters, database_url: str
) -> None:
    Tenants(ledger.database).add_endpoint(TENANT, "http://127.0.0.1", "whsec_x")
    document = ledger.accept().document
    ledger.lifecycle.cancel(TENANT, document, by="me")
    (claim,) = ledger.claims(Pool.NOTIFIER)
    ledger.ledger.fail(claim, Failure(outcome=Outcome.PERMANENT, code="gone"))
    assert letters.replay(claim.task, by="me") is Replay.DONE
    assert letters.replay(claim.task, by="me") is Replay.ALREADY
    ledger.dispatch.promote()
    (again,) = ledger.claims(Pool.NOTIFIER)
    ledger.ledger.commit(again, product(again))
    assert ledger.do("SELECT 1 FROM delivery WHERE delivered_at IS NOT NULL")
    assert check(database_url) == []


def test_a_discarded_letter_is_out_of_sight_but_kept(
    ledger: Desk, letters: PostgresLetters
) -> None:
    _, dead = failed(ledger)
    assert letters.discard(dead, by="me", reason="known")
    assert not letters.discard(dead, by="me", reason="again")
    assert letters.list(Wanted()) == []
    assert ledger.dispatch.dead() == []
    (kept,) = letters.list(Wanted(discarded=True))
    assert kept["discard_reason"] == "known"
    (line,) = ledger.do("SELECT action, data FROM audit_line")
    assert line == {"action": "task_discarded", "data": {"task": dead, "reason": "known"}}


def test_a_replay_can_wait(ledger: Desk, letters: PostgresLetters) -> None:
    _, dead = failed(ledger)
    letters.replay(dead, by="me", after=timedelta(hours=1))
    assert ledger.work_off() == []
