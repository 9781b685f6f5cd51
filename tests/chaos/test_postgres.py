"""PostgreSQL handed over to its standby under uploads, and without room for another byte."""

import pytest

from tests.chaos.trial import Trial, scenario
from tests.stack.disk import filled, may_mount, small_disk
from tests.stack.failover import fail_over
from tests.stack.faults.flight import running
from tests.stack.wait import until

MOST = 400  # megabytes of PostgreSQL's small disk


@pytest.mark.slow
@scenario(
    "postgres_failover",
    fault="the primary killed without a word and its synchronous standby promoted",
    load="8 one-page scans in work, and uploads all the while",
    within=120,
)
def test_nothing_acknowledged_is_lost_with_the_primary(trial: Trial) -> None:
    documents = trial.upload(8)
    trial.until_running()
    with trial.uploading() as accepted:
        fail_over(trial.stack)
        trial.struck(running(trial.stack))
        before = len(accepted)
        trial.mended()
        until(lambda: len(accepted) > before + 2)
    trial.all_ready(documents + accepted)
    trial.spent_nothing()


@pytest.mark.skipif(not may_mount(), reason="a small disk must be mounted")
@pytest.mark.slow
@scenario(
    "full_disk_of_postgres",
    fault="the file system of PostgreSQL's cluster is full for 10 s",
    load="12 dense one-page scans",
    within=120,
)
def test_postgresql_without_room_for_another_byte(trial: Trial) -> None:
    stack = trial.stack
    with small_disk(stack.root / "small-postgres", MOST) as folder:
        fail_over(stack, folder)
        stack.mend()
        documents = trial.upload(12, characters=1800)
        trial.until_running()
        trial.struck(running(stack))
        with filled(folder):
            trial.lasts(10)
        stack.mend()
        trial.mended()
        trial.all_ready(documents)
        fail_over(stack)
    trial.spent_nothing()
