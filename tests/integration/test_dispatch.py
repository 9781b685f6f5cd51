from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from docmill.adapters.postgres.documents import Documents
from docmill.domain.document import Priority
from docmill.domain.task import Pool
from docmill.ports import Beat
from tests.stack.ledger import TENANT, Desk, desk, flood, product


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        made.do("UPDATE pool_clock SET task_seconds = 1")
        yield made


def workers(ledger: Desk, slots: int, pool: Pool = Pool.VALIDATOR) -> None:
    beat = Beat(worker="w", pool=pool, slots=slots, build="t", languages=["eng"], memory=0)
    ledger.ledger.beat(beat)


def served(ledger: Desk, rounds: int) -> Counter[str]:
    """Pick, claim and commit round by round; count what each tenant got."""
    got: Counter[str] = Counter()
    for _ in range(rounds):
        for claim in ledger.claims(Pool.VALIDATOR):
            got[claim.tenant] += 1
            ledger.ledger.commit(claim, product(claim, pages=1))
    return got


def test_the_window_bounds_what_is_out(ledger: Desk) -> None:
    workers(ledger, slots=3)
    flood(ledger, "a", 20)
    assert len(ledger.pick(Pool.VALIDATOR)) == 5
    assert ledger.pick(Pool.VALIDATOR) == []


def test_short_tasks_widen_the_window(ledger: Desk) -> None:
    workers(ledger, slots=2)
    ledger.do("UPDATE pool_clock SET task_seconds = 0.01")
    flood(ledger, "a", 40)
    assert len(ledger.pick(Pool.VALIDATOR)) == 32


def test_a_flood_does_not_hold_up_another_tenant(ledger: Desk) -> None:
    flood(ledger, "a", 30)
    served(ledger, 1)
    flood(ledger, "b", 4)
    assert served(ledger, 2)["b"] == 4


def test_idling_saves_nothing_up(ledger: Desk) -> None:
    flood(ledger, "a", 40)
    served(ledger, 5)
    flood(ledger, "b", 20)
    assert served(ledger, 4) == {"a": 8, "b": 8}


def test_a_weight_is_a_share(ledger: Desk) -> None:
    ledger.tenant("heavy", weight=3)
    flood(ledger, "heavy", 40)
    flood(ledger, "light", 40)
    assert served(ledger, 10) == {"heavy": 30, "light": 10}


def test_a_cap_holds_and_its_room_goes_to_others(ledger: Desk) -> None:
    workers(ledger, slots=5)
    ledger.tenant("capped", max_running=2)
    flood(ledger, "capped", 10)
    flood(ledger, "b", 20)
    got = Counter(claim.tenant for claim in ledger.claims(Pool.VALIDATOR))
    assert got == {"capped": 2, "b": 5}
    assert ledger.pick(Pool.VALIDATOR) == []


def test_a_cap_holds_for_critical_work_too(ledger: Desk) -> None:
    workers(ledger, slots=20)
    ledger.tenant("capped", max_running=1)
    flood(ledger, "capped", 10, priority=Priority.CRITICAL)
    assert len(ledger.pick(Pool.VALIDATOR)) == 1
    assert ledger.pick(Pool.VALIDATOR) == []


def test_who_has_only_suspects_waiting_takes_nobodys_place(ledger: Desk) -> None:
    flood(ledger, "suspect", 3)
    ledger.do("UPDATE task SET alone = true")
    flood(ledger, "other", 10)
    first = ledger.claims(Pool.VALIDATOR)
    other = next(claim for claim in first if claim.tenant == "other")
    ledger.ledger.commit(other, product(other))
    assert [claim.tenant for claim in ledger.claims(Pool.VALIDATOR)] == ["other"]


def test_critical_work_goes_before_a_tenants_other_work(ledger: Desk) -> None:
    flood(ledger, "a", 3, priority=Priority.BATCH)
    urgent = ledger.accept("a", priority=Priority.CRITICAL)
    assert ledger.claims(Pool.VALIDATOR)[0].document == urgent.document


def test_waiting_raises_a_class(ledger: Desk) -> None:
    old = ledger.accept(priority=Priority.BATCH)
    ledger.do("UPDATE task SET ready_at = now() - interval '11 min'")
    for _ in range(4):
        ledger.accept(priority=Priority.CRITICAL)
    assert ledger.claims(Pool.VALIDATOR)[0].document == old.document


def test_critical_work_gets_a_share_of_the_slots_across_tenants(ledger: Desk) -> None:
    workers(ledger, slots=10)
    flood(ledger, "a", 30)
    ledger.tenant("late")
    ledger.do("UPDATE tenant_pool SET vtime = 0")
    urgent = {ledger.accept("late", priority=Priority.CRITICAL).document for _ in range(5)}
    ledger.do("UPDATE tenant_pool SET vtime = 1000 WHERE tenant_id = 'late'")
    picked = {claim.document for claim in ledger.claims(Pool.VALIDATOR)}
    assert len(picked & urgent) == 2


def test_a_document_begun_is_finished_before_the_next(ledger: Desk) -> None:
    first, second = ledger.accept(), ledger.accept()
    for claim in ledger.claims(Pool.VALIDATOR):
        ledger.ledger.commit(claim, product(claim, pages=2))
    order = []
    while claims := ledger.claims(Pool.OCR):
        for claim in claims:
            order.append((claim.document, claim.stage.value))
            ledger.ledger.commit(claim, product(claim))
    assert [each for each, _ in order[:2]] == [first.document] * 2
    assert order[-1] == (second.document, "assemble")


def test_suspects_go_out_one_at_a_time(ledger: Desk) -> None:
    flood(ledger, "a", 4)
    ledger.do("UPDATE task SET alone = true WHERE id <= 2")
    picked = ledger.claims(Pool.VALIDATOR)
    assert [claim.alone for claim in picked] == [True, False, False]
    ledger.ledger.commit(picked[0], product(picked[0]))
    assert [claim.alone for claim in ledger.claims(Pool.VALIDATOR)] == [True]


def test_two_dispatchers_never_pick_the_same_task(ledger: Desk) -> None:
    workers(ledger, slots=50)
    flood(ledger, "a", 60)
    with ThreadPoolExecutor(4) as pool:
        picks = pool.map(lambda _: ledger.pick(Pool.VALIDATOR), range(20))
    tasks = [each.hint.task for picked in picks for each in picked]
    assert len(tasks) == len(set(tasks)) == 60


def test_a_queued_task_is_hinted_again_in_place(ledger: Desk) -> None:
    ledger.accept()
    picked = ledger.pick(Pool.VALIDATOR)
    assert ledger.dispatch.rehint() == []
    ledger.do("UPDATE task SET hinted_at = now() - interval '16 s'")
    assert ledger.dispatch.rehint() == picked
    ledger.do("UPDATE task SET hinted_at = now() - interval '16 s'")
    assert ledger.dispatch.rehint() == []


def test_an_idle_slot_is_hinted_sooner(ledger: Desk) -> None:
    workers(ledger, slots=1)
    ledger.accept()
    picked = ledger.pick(Pool.VALIDATOR)
    ledger.do("UPDATE task SET hinted_at = now() - interval '4 s'")
    assert ledger.dispatch.rehint() == picked


def test_hints_that_did_not_go_out_are_due_at_once(ledger: Desk) -> None:
    ledger.accept()
    picked = ledger.pick(Pool.VALIDATOR)
    ledger.dispatch.unhinted([each.hint for each in picked])
    assert ledger.dispatch.rehint() == picked


def test_after_the_brokers_return_every_queued_task_is_hinted(ledger: Desk) -> None:
    ledger.accept()
    picked = ledger.pick(Pool.VALIDATOR)
    ledger.dispatch.unhint_all()
    assert ledger.dispatch.rehint() == picked


def test_a_mark_that_a_race_lost_is_made_again(ledger: Desk) -> None:
    ledger.accept()
    ledger.do("UPDATE tenant_pool SET backlogged = false")
    assert ledger.pick(Pool.VALIDATOR) == []
    assert ledger.dispatch.sweep() == 1
    assert len(ledger.pick(Pool.VALIDATOR)) == 1


def test_a_pick_that_finds_nothing_clears_the_mark(ledger: Desk) -> None:
    ledger.accept()
    ledger.claims(Pool.VALIDATOR)
    ledger.pick(Pool.VALIDATOR)
    marks = ledger.do("SELECT backlogged FROM tenant_pool WHERE pool = 'validator'")
    assert marks == [{"backlogged": False}]
    assert not ledger.dispatch.glance().backlogged


def test_the_mean_task_time_is_learnt(ledger: Desk) -> None:
    ledger.accept()
    claim = ledger.claims(Pool.VALIDATOR)[0]
    ledger.ledger.commit(claim, product(claim))
    ledger.do("UPDATE attempt SET started_at = ended_at - interval '11 s'")
    ledger.dispatch.measure(timedelta(minutes=1))
    row = ledger.do("SELECT task_seconds FROM pool_clock WHERE pool = 'validator'")[0]
    assert row["task_seconds"] == pytest.approx(4.0)


def test_a_lease_that_ran_out_while_postgresql_was_away_is_nobodys_fault(ledger: Desk) -> None:
    accepted = ledger.accept()
    ledger.claims(Pool.VALIDATOR)
    ledger.do("UPDATE task SET lease_until = now() - interval '1 s', alone = true, crashes = 2")
    ledger.do("UPDATE attempt SET started_at = pg_postmaster_start_time() - interval '1 s'")
    assert len(ledger.dispatch.reap()) == 1
    task = ledger.tasks(accepted.document)[0]
    assert (task["state"], task["crashes"], task["losses"]) == ("ready", 2, 0)


def test_what_is_held_is_taken_back_later_and_its_neighbour_now(ledger: Desk) -> None:
    held, free = (ledger.accept().document for _ in range(2))
    ledger.claims(Pool.VALIDATOR)
    ledger.do("UPDATE task SET lease_until = now() - interval '1 s'")
    ledger.do(
        "UPDATE task SET lease_until = now() - interval '1 min' WHERE document_id = %(id)s",
        {"id": held},
    )
    with ledger.held(held):
        assert [each.document for each in ledger.dispatch.reap()] == [free]
    assert [each.document for each in ledger.dispatch.reap()] == [held]


def test_two_reapers_take_a_lease_back_once(ledger: Desk) -> None:
    ledger.accept()
    ledger.claims(Pool.VALIDATOR)
    ledger.do("UPDATE task SET lease_until = now() - interval '1 s'")
    with ThreadPoolExecutor(2) as pool:
        reaped = list(pool.map(lambda _: ledger.dispatch.reap(), range(2)))
    assert sum(len(each) for each in reaped) == 1
    assert ledger.do("SELECT losses FROM task") == [{"losses": 1}]


def test_a_renewal_before_the_reaper_saves_the_claim(ledger: Desk) -> None:
    ledger.accept()
    claim = ledger.claims(Pool.VALIDATOR)[0]
    ledger.do("UPDATE task SET lease_until = now() - interval '1 s'")
    expired = ledger.dispatch.expired()
    ledger.ledger.renew([claim])
    assert [ledger.dispatch.take_back(each) for each in expired] == [False]
    assert ledger.ledger.live([claim])


# ── pauses ──────────────────────────────────────────────────────────────────────────────────────
def reports(ledger: Desk, *down: str, worker: str, pool: Pool = Pool.VALIDATOR) -> None:
    ledger.ledger.beat(
        Beat(worker=worker, pool=pool, slots=2, build="t", languages=[], memory=0, down=down)
    )


def test_a_pool_pauses_when_half_of_its_workers_report_the_same(ledger: Desk) -> None:
    ledger.accept()
    reports(ledger, "s3", worker="a")
    reports(ledger, worker="b")
    reports(ledger, "disk", worker="c")
    reports(ledger, "s3", worker="d")
    assert ledger.pick(Pool.VALIDATOR) == []
    assert [dict(row) for row in ledger.dispatch.paused()] == [
        {"pool": "validator", "dependency": "s3"}
    ]
    reports(ledger, worker="a")
    assert ledger.dispatch.paused() == []
    assert len(ledger.pick(Pool.VALIDATOR)) == 1


def test_a_pool_pauses_for_itself_alone(ledger: Desk) -> None:
    ledger.accept()
    reports(ledger, "s3", worker="a", pool=Pool.OCR)
    assert len(ledger.pick(Pool.VALIDATOR)) == 1


def test_who_is_gone_holds_nobody_up(ledger: Desk) -> None:
    ledger.accept()
    reports(ledger, "s3", worker="a")
    ledger.do("UPDATE worker SET seen = now() - interval '31 s'")
    assert len(ledger.pick(Pool.VALIDATOR)) == 1


def test_a_document_says_what_it_waits_for(ledger: Desk) -> None:
    document = ledger.accept().document
    documents = Documents(ledger.database)
    reports(ledger, "s3", worker="a")
    held = documents.get(TENANT, document)
    assert held
    assert held.hold_reason == "validator waits for s3"
    reports(ledger, worker="a")
    ledger.work_off()
    reports(ledger, "s3", worker="a")
    ready = documents.get(TENANT, document)
    assert ready
    assert ready.hold_reason is None
