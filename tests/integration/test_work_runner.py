"""The worker runtime on a real ledger, a real store and real children."""

import errno
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from docmill.adapters.postgres.tenants import Tenants
from docmill.domain.errors import DatabaseBusy, DatabaseDown, StoreDown
from docmill.domain.task import Claim, Hint, Stage, TaskLimit
from docmill.ops.settings import StoreSettings
from docmill.testing.children import Keeper, keeper
from docmill.testing.history import check
from docmill.work.broker import NotNow
from docmill.work.runner import FREE_TRIES
from tests.stack.bench import Workplace, workplace
from tests.stack.ledger import Desk, desk
from tests.stack.wait import until


@pytest.fixture
def kept() -> Iterator[Keeper]:
    with keeper() as made:
        yield made


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url, lease=timedelta(seconds=4)) as made:
        yield made


@pytest.fixture
def place(ledger: Desk, blob_settings: StoreSettings, kept: Keeper) -> Iterator[Workplace]:
    with workplace(ledger, blob_settings, kept) as made:
        yield made


def test_a_document_is_read_stored_and_committed(place: Workplace) -> None:
    document = place.accept("echo", pages=2)
    while place.turn():
        pass
    assert place.desk.document(document)["state"] == "ready"
    artifacts = place.desk.do("SELECT key, size, sha256 FROM artifact WHERE stage = 'recognise'")
    assert len(artifacts) == 2
    for row in artifacts:
        assert place.blobs.head(row["key"]).size == row["size"] == 5
        assert row["key"].endswith(row["sha256"].hex())
        assert row["key"].startswith(f"acme/{document}/1/recognise/")


def test_assemble_reads_the_pages_artifacts(place: Workplace) -> None:
    document = place.accept("echo", pages=3)
    place.turn()
    place.desk.do("UPDATE document SET name = 'join'")
    place.turn()
    key = place.desk.do("SELECT key FROM artifact WHERE stage = 'assemble'")[0]["key"]
    with place.blobs.open(key) as body:
        assert body.read(100) == b"hello" * 3
    assert place.desk.document(document)["state"] == "ready"


def test_a_stale_hint_does_nothing(place: Workplace) -> None:
    document = place.accept("echo")
    (hint,) = place.hints()
    for stale in (Hint(hint.task, hint.dispatch - 1), Hint(10**9, 1)):
        place.runner(stale)
    assert place.page(document)["state"] == "queued"
    place.runner(hint)
    place.runner(hint)
    assert place.page(document)["state"] == "done"


def test_a_verdict_of_the_stage_ends_the_page_with_its_code(place: Workplace) -> None:
    document = place.accept("unreadable torn")
    place.turn()
    task = place.page(document)
    assert (task["state"], task["code"], task["detail"]) == ("dead", "page_unreadable", "torn")


def test_a_stumble_is_tried_again(place: Workplace) -> None:
    document = place.accept("stumble oh")
    place.turn()
    task = place.page(document)
    assert (task["state"], task["attempt"], task["crashes"]) == ("scheduled", 1, 0)
    assert "oh" in task["detail"]


def test_a_crash_is_tried_alone_and_at_the_third_the_task_is_dead(place: Workplace) -> None:
    document = place.accept("segfault")
    place.turn()
    task = place.page(document)
    assert (task["state"], task["crashes"], task["alone"]) == ("scheduled", 1, True)
    assert "SIGSEGV" in task["detail"]
    while place.turn():
        pass
    task = place.page(document)
    assert (task["state"], task["code"], task["crashes"]) == ("dead", "crash", 3)
    assert place.desk.document(document)["state"] == "failed"
    after = place.accept("echo")
    while place.turn():
        pass
    assert place.desk.document(after)["state"] == "ready"


@pytest.mark.slow
def test_one_poison_among_a_hundred_takes_nobody_with_it(place: Workplace) -> None:
    good = [place.accept("echo") for _ in range(50)]
    poison = place.accept("segfault")
    good += [place.accept("echo") for _ in range(50)]
    while place.turn():
        pass
    assert {place.desk.document(each)["state"] for each in good} == {"ready"}
    dead = place.page(poison)
    assert (dead["state"], dead["code"], dead["crashes"]) == ("dead", "crash", 3)
    assert dead["detail"].startswith("SIGSEGV, peak ")
    query = "SELECT sum(attempt + crashes + losses) AS n FROM task WHERE id <> %(id)s"
    spent = place.desk.do(query, {"id": dead["id"]})
    assert spent[0]["n"] == 0


def test_alone_there_is_more_memory(ledger: Desk, blob_settings: StoreSettings) -> None:
    with keeper() as kept, workplace(ledger, blob_settings, kept) as place:
        document = place.accept("hog 700")
        place.turn()
        task = place.page(document)
        assert (task["crashes"], task["alone"]) == (1, True)
        place.turn()
        assert place.page(document)["state"] == "done"


def test_a_deadline_kills_and_the_second_one_is_too_slow(
    ledger: Desk, blob_settings: StoreSettings, kept: Keeper
) -> None:
    limit = timedelta(seconds=0.3)
    with workplace(ledger, blob_settings, kept, deadline=lambda _: limit) as place:
        document = place.accept("sleep 60")
        place.turn()
        assert place.page(document)["state"] == "scheduled"
        place.turn()
        task = place.page(document)
        assert (task["state"], task["code"]) == ("dead", "too_slow")


def test_a_tenant_may_have_a_deadline_of_its_own(place: Workplace) -> None:
    tenants = Tenants(place.desk.database)
    tenants.limit_tasks(Stage.RECOGNISE, TaskLimit(deadline=timedelta(seconds=60)))
    limit = TaskLimit(deadline=timedelta(seconds=0.3))
    tenants.limit_tasks(Stage.RECOGNISE, limit, tenant="acme")
    document = place.accept("sleep 60")
    place.turn()
    assert (place.page(document)["state"], place.page(document)["deadlines"]) == ("scheduled", 1)


def test_a_cancel_kills_the_child_within_two_seconds(place: Workplace) -> None:
    document = place.accept("sleep 60")
    (hint,) = place.hints()
    running = place.begin(hint)
    until(lambda: place.running(document))
    until(lambda: place.supervisor.holding)
    began = time.monotonic()
    place.desk.lifecycle.cancel("acme", document, by="test")
    running.result(timeout=5)
    assert time.monotonic() - began < 2
    assert place.page(document)["state"] == "cancelled"
    assert place.desk.document(document)["state"] == "cancelled"


def test_a_lease_is_kept_for_as_long_as_the_work_takes(place: Workplace) -> None:
    document = place.accept("sleep 6")  # the lease is 4 s
    (hint,) = place.hints()
    running = place.begin(hint)
    while not running.done():
        assert place.desk.dispatch.reap() == []
        until(lambda: True, every=0.1)
    assert place.page(document)["state"] == "done"


def test_without_renewals_the_work_ends_before_the_lease_does(place: Workplace) -> None:
    document = place.accept("sleep 60")
    (hint,) = place.hints()
    place.ledger.faults = {"renew": DatabaseDown("cut off"), "live": DatabaseDown("cut off")}
    began = time.monotonic()
    place.runner(hint)
    assert 2 < time.monotonic() - began < 4
    assert place.running(document)  # the reaper's to settle: we may not speak any more


def test_a_task_that_was_taken_over_is_not_committed(place: Workplace) -> None:
    document = place.accept("sleep 1")
    (hint,) = place.hints()
    running = place.begin(hint)
    until(lambda: place.running(document))
    place.desk.do("UPDATE task SET token = token + 1000 WHERE state = 'running'")
    running.result(timeout=5)
    assert place.running(document)
    assert place.desk.do("SELECT 1 FROM output WHERE stage = 'recognise'") == []


def test_a_drain_lets_finish_what_can(place: Workplace) -> None:
    document = place.accept("sleep 1")
    (hint,) = place.hints()
    running = place.begin(hint)
    until(lambda: place.running(document))
    place.supervisor.begin_drain(timedelta(seconds=10))
    running.result(timeout=10)
    assert place.page(document)["state"] == "done"
    with pytest.raises(NotNow):
        place.runner(hint)


def test_a_drain_gives_back_unspent_what_cannot(place: Workplace) -> None:
    document = place.accept("sleep 60")
    (hint,) = place.hints()
    running = place.begin(hint)
    until(lambda: place.running(document))
    place.supervisor.begin_drain(timedelta(seconds=0.3))
    running.result(timeout=5)
    task = place.page(document)
    assert (task["state"], task["attempt"], task["losses"]) == ("ready", 0, 0)


def test_a_missing_original_is_permanent(place: Workplace) -> None:
    document = place.accept("echo")
    place.blobs.delete([f"acme/{document}/original"])
    place.turn()
    task = place.page(document)
    assert (task["state"], task["code"]) == ("dead", "missing_original")


def test_other_bytes_than_were_taken_in_are_not_read(place: Workplace) -> None:
    document = place.accept("echo")
    place.desk.do("UPDATE document SET sha256 = decode(repeat('00', 32), 'hex')")
    place.turn()
    task = place.page(document)
    assert (task["state"], task["code"]) == ("scheduled", "wrong_bytes")


def test_one_key_that_fails_for_ever_is_forgiven_so_often_and_then_spends(
    place: Workplace, database_url: str
) -> None:
    document = place.accept("echo")
    place.blobs.faults = {"fetch": StoreDown("503")}
    for _ in range(FREE_TRIES):
        place.turn()
    assert place.page(document)["attempt"] == 0
    place.turn()
    assert place.page(document)["attempt"] == 1
    assert check(database_url) == []


@pytest.mark.parametrize("error", [DatabaseDown("ended"), DatabaseBusy("statement timeout")])
def test_what_postgresql_refused_while_it_answers_spends_none(
    place: Workplace, error: DatabaseDown
) -> None:
    document = place.accept("echo")
    place.blobs.faults = {"fetch": error}
    place.turn()
    task = place.page(document)
    assert (task["state"], task["attempt"]) == ("scheduled", 0)
    place.blobs.faults = {}
    place.turn()
    assert place.page(document)["state"] == "done"


def test_a_store_that_is_out_spends_none_and_stops_the_claiming(place: Workplace) -> None:
    document = place.accept("echo")
    place.blobs.faults = {"fetch": StoreDown("out"), "ping": StoreDown("out")}
    place.turn()
    task = place.page(document)
    assert (task["state"], task["attempt"]) == ("scheduled", 0)
    (hint,) = place.hints()
    waiting = place.begin(hint)
    threading.Event().wait(0.5)
    assert place.page(document)["state"] == "queued"
    place.blobs.faults = {}
    waiting.result(timeout=5)
    assert place.page(document)["state"] == "done"


def test_a_full_disk_of_the_workers_own_spends_none(place: Workplace) -> None:
    document = place.accept("echo")
    full = OSError(errno.ENOSPC, "No space left on device")
    place.blobs.faults = {"fetch": full, "probe": full}
    place.turn()
    task = place.page(document)
    assert (task["state"], task["attempt"]) == ("scheduled", 0)


@pytest.mark.parametrize("how", ["stumble No space left on device", "signalled SIGBUS"])
def test_what_a_child_stumbles_over_while_the_disk_is_full_spends_none(
    place: Workplace, how: str
) -> None:
    document = place.accept(how)
    place.blobs.faults = {"probe": OSError(errno.ENOSPC, "No space left on device")}
    place.turn()
    task = place.page(document)
    assert (task["state"], task["attempt"], task["crashes"]) == ("scheduled", 0, 0)


def test_a_result_is_kept_while_the_database_is_out(place: Workplace) -> None:
    document = place.accept("echo")
    place.ledger.faults = {"commit": DatabaseDown("restarting")}
    place.ledger.times = {"commit": 3}
    place.turn()
    task = place.page(document)
    assert (task["state"], task["attempt"]) == ("done", 0)


def test_a_claim_waits_for_the_database(place: Workplace) -> None:
    document = place.accept("echo")
    place.ledger.faults = {"claim": DatabaseDown("restarting")}
    place.ledger.times = {"claim": 3}
    place.turn()
    assert place.page(document)["state"] == "done"


def test_a_claim_whose_reply_was_lost_costs_no_lease(place: Workplace) -> None:
    document = place.accept("echo")
    claim = place.desk.ledger.claim

    def unheard(hint: Hint, *, worker: str, alone: bool) -> Claim | None:
        place.ledger.instead.clear()
        claim(hint, worker=worker, alone=alone)
        raise DatabaseDown("no answer in time")

    place.ledger.instead = {"claim": unheard}
    place.turn()
    task = place.page(document)
    assert (task["state"], task["losses"]) == ("done", 0)


def test_a_document_is_fetched_once_for_all_its_pages(place: Workplace) -> None:
    place.accept("echo", pages=3)
    hints = place.hints()
    place.runner(hints[0])
    place.blobs.faults = {"fetch": StoreDown("never again")}
    for hint in hints[1:]:
        place.runner(hint)
    rows = place.desk.do("SELECT state FROM task WHERE stage = 'recognise'")
    assert {row["state"] for row in rows} == {"done"}


def test_a_child_is_replaced_after_its_share_by_one_that_is_warm(
    ledger: Desk, blob_settings: StoreSettings, kept: Keeper
) -> None:
    with workplace(ledger, blob_settings, kept, recycle_after=2) as place:
        place.accept("pid", pages=4)
        place.turn()
        facts = place.desk.do("SELECT facts FROM output WHERE stage = 'recognise' ORDER BY page")
        first, second, third, fourth = [row["facts"]["said"] for row in facts]
        assert first == second != third == fourth


def test_a_task_that_must_run_alone_waits_until_its_siblings_are_idle(
    ledger: Desk, blob_settings: StoreSettings, kept: Keeper
) -> None:
    with workplace(ledger, blob_settings, kept, slots=2) as place:
        slow = place.accept("sleep 1.5")
        (busy,) = place.hints()
        suspect = place.accept("echo")
        place.desk.do("UPDATE task SET alone = true WHERE document_id = %(id)s", {"id": suspect})
        (hint,) = place.hints()
        sibling = place.begin(busy)
        until(lambda: place.running(slow))
        alone = place.begin(hint)
        while not sibling.done():
            assert place.page(suspect)["state"] != "running" or sibling.done()
        alone.result(timeout=10)
        assert place.page(suspect)["state"] == "done"
