from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docmill.domain.retrying import Spent, after, lost
from docmill.domain.task import Failure, Outcome, RetryPolicy, TaskState

POLICY = RetryPolicy()
FAILURES = [Outcome.PERMANENT, Outcome.TRANSIENT, Outcome.DEADLINE, Outcome.CRASH]


def failed(outcome: Outcome, spent: Spent | None = None) -> tuple[TaskState, Spent, str | None]:
    failure = Failure(outcome=outcome, code="code")
    then = after(failure, spent or Spent(), POLICY, jitter=1)
    return then.state, then.spent, then.code


def test_a_permanent_failure_is_dead_at_once_with_its_code() -> None:
    assert failed(Outcome.PERMANENT) == (TaskState.DEAD, Spent(), "code")


def test_a_transient_failure_spends_an_attempt() -> None:
    assert failed(Outcome.TRANSIENT) == (TaskState.SCHEDULED, Spent(attempt=1), None)


def test_the_last_attempt_is_dead() -> None:
    state, _, code = failed(Outcome.TRANSIENT, Spent(attempt=4))
    assert (state, code) == (TaskState.DEAD, "attempts_spent")


def test_a_second_deadline_is_permanent() -> None:
    state, spent, _ = failed(Outcome.DEADLINE)
    assert state is TaskState.SCHEDULED
    assert failed(Outcome.DEADLINE, spent)[::2] == (TaskState.DEAD, "too_slow")


def test_after_a_crash_the_task_runs_alone_and_the_third_is_dead() -> None:
    spent = Spent()
    for _ in range(2):
        state, spent, _ = failed(Outcome.CRASH, spent)
        assert state is TaskState.SCHEDULED
        assert spent.alone
    assert failed(Outcome.CRASH, spent)[::2] == (TaskState.DEAD, "crash")


@pytest.mark.parametrize("outcome", [Outcome.DEPENDENCY, Outcome.RELEASED])
def test_what_is_nobodys_fault_spends_nothing(outcome: Outcome) -> None:
    assert failed(outcome)[1] == Spent()


def test_a_lost_worker_is_no_error_but_two_make_the_task_run_alone() -> None:
    once = lost(Spent(), POLICY)
    twice = lost(once.spent, POLICY)
    assert once.state is twice.state is TaskState.READY
    assert (once.spent.alone, twice.spent.alone) == (False, True)


def test_a_lease_lost_alone_is_a_crash() -> None:
    state = lost(Spent(alone=True), POLICY)
    assert state.spent.crashes == 1
    assert lost(Spent(alone=True, crashes=2), POLICY).state is TaskState.DEAD


def test_losses_among_others_have_no_limit() -> None:
    assert lost(Spent(losses=1000), POLICY).state is TaskState.READY


@given(st.lists(st.sampled_from(FAILURES), max_size=30), st.floats(0.5, 1.5))
def test_every_task_ends_and_no_number_falls(outcomes: list[Outcome], jitter: float) -> None:
    spent = Spent()
    for outcome in outcomes:
        then = after(Failure(outcome=outcome, code="c"), spent, POLICY, jitter=jitter)
        assert then.spent.attempt >= spent.attempt
        assert then.spent.crashes >= spent.crashes
        if then.state is TaskState.DEAD:
            return
        spent = then.spent
    assert spent.attempt < POLICY.attempts
    assert spent.crashes < POLICY.crashes


def test_the_wait_doubles_up_to_its_cap() -> None:
    policy = replace(POLICY, cap=timedelta(seconds=30))
    waits = [policy.delay(n, jitter=1).total_seconds() for n in range(5)]
    assert waits == [5, 10, 20, 30, 30]
