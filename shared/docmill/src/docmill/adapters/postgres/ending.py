"""How an attempt ends without a result, for the worker that failed and for the reaper alike."""

from collections.abc import Callable
from typing import Final, Protocol

from docmill.adapters.postgres.connection import Connection
from docmill.adapters.postgres.queries import load
from docmill.adapters.postgres.settle import Locked, mark_backlogged
from docmill.domain.retrying import Next, Spent
from docmill.domain.task import Failure, Outcome, Stage, TaskState

SQL: Final = load("ledger")
DETAIL_LENGTH: Final = 2000
QUIET: Final = frozenset({Outcome.RELEASED})  # a drain is no news of the document


class Held(Protocol):
    """What both a Claim and a reaped row tell."""

    @property
    def task(self) -> int: ...
    @property
    def token(self) -> int: ...
    @property
    def tenant(self) -> str: ...
    @property
    def stage(self) -> Stage: ...
    @property
    def page(self) -> int: ...
    @property
    def run(self) -> int: ...


def end_attempt(
    connection: Connection,
    document: Locked | None,
    held: Held,
    failure: Failure,
    follow: Callable[[Spent], Next],
) -> bool:
    """Move the task as `follow` says, tell and settle its document; False when the token is stale.

    `document` is locked by the caller, None for a delivery.
    """
    fence = {"task": held.task, "token": held.token}
    row = connection.execute(SQL["spent"], fence).fetchone()
    if row is None:
        return False
    then = follow(Spent(**row))
    _move(connection, held, failure, then)
    if document is not None:
        _tell(document, held, failure, then)
        document.save()
    elif then.state is TaskState.READY:
        mark_backlogged(connection, held.tenant, held.stage.pool)
    return True


def _move(connection: Connection, held: Held, failure: Failure, then: Next) -> None:
    spent = then.spent
    connection.execute(
        SQL["move_task"],
        {
            "task": held.task,
            "token": held.token,
            "state": then.state,
            "attempt": spent.attempt,
            "crashes": spent.crashes,
            "deadlines": spent.deadlines,
            "losses": spent.losses,
            "alone": spent.alone,
            "delay": then.delay,
            "code": then.code or failure.code,
            "detail": failure.detail[:DETAIL_LENGTH],
        },
    )
    cause = f"{failure.code}: {failure.detail}"[:DETAIL_LENGTH]
    ended = {"task": held.task, "token": held.token, "outcome": failure.outcome, "cause": cause}
    connection.execute(SQL["close_attempt"], ended)


def _tell(document: Locked, held: Held, failure: Failure, then: Next) -> None:
    if then.state is TaskState.READY:
        mark_backlogged(document.connection, document.tenant, held.stage.pool)
        document.readied.add(held.stage.pool)
    if failure.outcome in QUIET:
        return
    told = {"stage": held.stage, "page": held.page, "code": then.code or failure.code}
    if then.state is not TaskState.DEAD:
        document.tell("retrying", outcome=failure.outcome, **told)
        return
    document.tell("task_dead", **told)
    if held.stage is Stage.RECOGNISE:
        page = {"document": document.id, "run": held.run, "page": held.page, "code": then.code}
        document.connection.execute(SQL["fail_page"], page)
    if held.run == document.run and held.stage.gates:
        document.settle()
