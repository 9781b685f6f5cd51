"""What the dispatcher shows of the queues: depth and age, workers, dead letters."""

from collections.abc import Iterable
from itertools import product
from typing import Final

from docmill.adapters.postgres.connection import Row
from docmill.adapters.postgres.dispatch import PostgresDispatch
from docmill.domain.document import Priority
from docmill.domain.task import Pool, Stage, TaskState
from docmill.ops import metrics
from docmill.ops.logging import logger

log = logger(__name__)
STATES: Final = (TaskState.SCHEDULED, TaskState.READY, TaskState.QUEUED, TaskState.RUNNING)


def show(ledger: PostgresDispatch) -> None:
    """Set every gauge, also those that fell to nothing; raise DatabaseDown."""
    _show_depth(ledger.depth())
    _show_fairness(ledger.fairness())
    _show_crews(ledger.crews())
    _show_dead(ledger.dead())
    _show_paused(ledger.paused())


def _show_depth(rows: Iterable[Row]) -> None:
    depth = {(row["stage"], row["priority"], row["state"]): row for row in rows}
    for stage, priority, state in product(Stage, Priority, STATES):
        none = {"tasks": 0, "oldest_seconds": 0}
        row = depth.get((stage.value, priority.rank, state.value), none)
        labels = (stage.pool, stage, priority, state)
        metrics.QUEUE_TASKS.labels(*labels).set(row["tasks"])
        metrics.QUEUE_OLDEST_SECONDS.labels(*labels).set(row["oldest_seconds"])


def _show_fairness(rows: Iterable[Row]) -> None:
    waiting = {row["pool"]: row for row in rows}
    for pool in Pool:
        row = waiting.get(pool.value, {"tenants": 0, "spread": 0})
        metrics.QUEUE_TENANTS.labels(pool).set(row["tenants"])
        metrics.FAIRNESS_SPREAD.labels(pool).set(row["spread"])


def _show_crews(rows: Iterable[Row]) -> None:
    crews = {row["pool"]: row for row in rows}
    for pool in Pool:
        row = crews.get(pool.value, {"workers": 0, "slots": 0})
        metrics.POOL_WORKERS.labels(pool).set(row["workers"])
        metrics.POOL_SLOTS.labels(pool).set(row["slots"])


def _show_dead(rows: Iterable[Row]) -> None:
    dead = {row["stage"]: row["tasks"] for row in rows}
    for stage in Stage:
        metrics.QUEUE_DEAD.labels(stage).set(dead.get(stage.value, 0))


def _show_paused(rows: Iterable[Row]) -> None:
    waits = {row["pool"]: row["dependency"] for row in rows}
    for pool in Pool:
        metrics.POOL_PAUSED.labels(pool).set(pool.value in waits)
    for pool, dependency in waits.items():
        log.warning("pool_paused", pool=pool, dependency=dependency)
