"""What happens to a task whose attempt ended without a result: a total function."""

from dataclasses import dataclass, replace
from datetime import timedelta

from docmill.domain.rejection import AttemptsSpent, Crashed, TooSlow
from docmill.domain.task import Failure, Outcome, RetryPolicy, TaskState

LOSSES_BEFORE_ALONE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a task has used up. Each number means one thing.

    `attempt` counts errors, `crashes` child deaths, `losses` vanished workers; `deadlines` are the
    errors among `attempt` that were deadlines. `alone` tells that the next try runs alone.
    """

    attempt: int = 0
    crashes: int = 0
    deadlines: int = 0
    losses: int = 0
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """Where the task goes: `scheduled` after `delay`, `ready` at once, or `dead` with a code."""

    state: TaskState
    spent: Spent
    delay: timedelta = timedelta()
    code: str | None = None


def after(failure: Failure, spent: Spent, policy: RetryPolicy, *, jitter: float) -> Next:
    """Tell what follows a failed attempt; `jitter` is a draw from [0.5, 1.5)."""
    match failure.outcome:
        case Outcome.PERMANENT:
            return _dead(failure.code, spent)
        case Outcome.TRANSIENT:
            return _erred(spent, policy, jitter)
        case Outcome.DEADLINE:
            return _late(spent, policy, jitter)
        case Outcome.CRASH:
            return _crashed(spent, policy, jitter)
        case Outcome.DEPENDENCY:
            return _scheduled(spent, policy.delay(0, jitter=jitter))
        case _:  # released, cancelled: nothing is spent
            return Next(state=TaskState.READY, spent=spent)


def lost(spent: Spent, policy: RetryPolicy) -> Next:
    """Tell what follows a lease that ran out.

    While it ran alone the task itself is the suspect: a crash. Otherwise the worker vanished: no
    limit, but after two losses the task runs alone.
    """
    if not spent.alone:
        losses = spent.losses + 1
        moved = replace(spent, losses=losses, alone=losses >= LOSSES_BEFORE_ALONE)
        return Next(state=TaskState.READY, spent=moved)
    crashed = replace(spent, crashes=spent.crashes + 1)
    if crashed.crashes >= policy.crashes:
        return _dead(Crashed.code, crashed)
    return Next(state=TaskState.READY, spent=crashed)


def _erred(spent: Spent, policy: RetryPolicy, jitter: float) -> Next:
    erred = replace(spent, attempt=spent.attempt + 1)
    if erred.attempt >= policy.attempts:
        return _dead(AttemptsSpent.code, erred)
    return _scheduled(erred, policy.delay(spent.attempt, jitter=jitter))


def _late(spent: Spent, policy: RetryPolicy, jitter: float) -> Next:
    late = replace(spent, deadlines=spent.deadlines + 1)
    if late.deadlines >= policy.deadlines:
        return _dead(TooSlow.code, replace(late, attempt=late.attempt + 1))
    return _erred(late, policy, jitter)


def _crashed(spent: Spent, policy: RetryPolicy, jitter: float) -> Next:
    crashed = replace(spent, crashes=spent.crashes + 1, alone=True)
    if crashed.crashes >= policy.crashes:
        return _dead(Crashed.code, crashed)
    return _scheduled(crashed, policy.delay(0, jitter=jitter))


def _scheduled(spent: Spent, delay: timedelta) -> Next:
    return Next(state=TaskState.SCHEDULED, spent=spent, delay=delay)


def _dead(code: str, spent: Spent) -> Next:
    return Next(state=TaskState.DEAD, spent=spent, code=code)
