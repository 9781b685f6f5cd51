from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from docmill.adapters.postgres.schedule import PostgresSchedule, Turn
from tests.stack.ledger import Desk, desk

SLOT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = SLOT + timedelta(hours=1)
NOW = timedelta()


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        yield made


def replica(ledger: Desk, name: str) -> PostgresSchedule:
    made = PostgresSchedule(ledger.database, runner=name, lease=timedelta(seconds=30))
    made.register(["audit", "keys"])
    return made


@pytest.fixture
def schedule(ledger: Desk) -> PostgresSchedule:
    return replica(ledger, "a")


def claimed(schedule: PostgresSchedule, slot: datetime = SLOT) -> Turn:
    turn = schedule.claim("audit", slot)
    assert turn is not None
    return turn


def lose(ledger: Desk) -> None:
    ledger.do("UPDATE cron_run SET lease_until = now() - interval '1 s'")


def test_of_many_replicas_one_runs_a_slot(ledger: Desk) -> None:
    replicas = [replica(ledger, f"r{number}") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        turns = list(pool.map(lambda each: each.claim("audit", SLOT), replicas))
    assert len([turn for turn in turns if turn]) == 1


def test_a_slot_that_succeeded_is_never_run_again(schedule: PostgresSchedule) -> None:
    assert schedule.finish(claimed(schedule), rows=3, facts={"a": 1})
    assert schedule.claim("audit", SLOT) is None
    assert schedule.settled("audit", SLOT)


def test_another_job_has_slots_of_its_own(schedule: PostgresSchedule) -> None:
    claimed(schedule)
    assert schedule.claim("keys", SLOT)


def test_the_next_slot_waits_until_the_running_one_ended(schedule: PostgresSchedule) -> None:
    turn = claimed(schedule)
    assert schedule.claim("audit", LATER) is None
    assert not schedule.settled("audit", LATER)
    schedule.finish(turn, rows=0, facts={})
    assert schedule.claim("audit", LATER)


def test_a_missed_slot_is_not_run_after_a_later_one(schedule: PostgresSchedule) -> None:
    schedule.finish(claimed(schedule, LATER), rows=0, facts={})
    assert schedule.claim("audit", SLOT) is None
    assert schedule.settled("audit", SLOT)


def test_a_failed_slot_is_tried_again_after_its_delay(ledger: Desk) -> None:
    schedule = replica(ledger, "a")
    schedule.fail(claimed(schedule), error="no", delay=timedelta(minutes=1))
    assert schedule.claim("audit", SLOT) is None
    assert not schedule.settled("audit", SLOT)
    ledger.do("UPDATE cron_run SET due_at = now()")
    assert claimed(schedule).attempt == 2


def test_a_lost_replicas_slot_is_taken_over_and_recorded_once(ledger: Desk) -> None:
    first, second = replica(ledger, "a"), replica(ledger, "b")
    zombie = claimed(first)
    lose(ledger)
    taken_over = claimed(second)
    assert taken_over.attempt == 2
    assert first.renew([zombie, taken_over]) == {taken_over.token}
    assert not first.finish(zombie, rows=9, facts={})
    assert not first.fail(zombie, error="late", delay=NOW)
    assert second.finish(taken_over, rows=1, facts={})
    (row,) = ledger.do("SELECT state, done_rows, runner FROM cron_run")
    assert row == {"state": "succeeded", "done_rows": 1, "runner": "b"}


def test_a_lease_that_ran_out_cannot_be_renewed(ledger: Desk) -> None:
    schedule = replica(ledger, "a")
    turn = claimed(schedule)
    assert schedule.renew([turn]) == {turn.token}
    lose(ledger)
    assert schedule.renew([turn]) == frozenset()


def test_the_board_shows_the_databases_clock_and_what_operators_changed(ledger: Desk) -> None:
    schedule = replica(ledger, "a")
    ledger.do("UPDATE cron_job SET paused = true, cron = '0 0 * * *' WHERE job = 'keys'")
    replica(ledger, "b")  # a replica that starts changes nothing of it
    board = schedule.board()
    assert abs(board.now - ledger.do("SELECT now() AS now")[0]["now"]) < timedelta(seconds=5)
    assert board.jobs["keys"].paused
    assert board.jobs["keys"].cron == "0 0 * * *"
    assert not board.jobs["audit"].paused


def test_the_last_run_of_each_job_is_known_to_every_replica(ledger: Desk) -> None:
    schedule = replica(ledger, "a")
    schedule.finish(claimed(schedule), rows=5, facts={})
    schedule.fail(claimed(schedule, LATER), error="no", delay=NOW)
    ledger.do("UPDATE cron_job SET cron = '0 0 * * *' WHERE job = 'keys'")
    runs = {run.job: run for run in replica(ledger, "b").last_runs()}
    assert runs["audit"].state == "failed"
    assert runs["audit"].error == "no"
    assert runs["audit"].succeeded_at is not None
    assert (runs["keys"].slot, runs["keys"].cron) == (None, "0 0 * * *")
