"""An outage that every waiting task ran into, and the storm of retries when it is over."""

from dataclasses import dataclass
from typing import Final

from docmill.domain.fairness import window
from docmill.domain.task import Failure, Outcome, Pool, Stage
from tests.stack.crowd import crowd
from tests.stack.floor import SECONDS, TICK, Floor
from tests.stack.ledger import Desk

SLOTS: Final = 16
_DOWN: Final = Failure(outcome=Outcome.DEPENDENCY, code="store_down", detail="no answer")
_COUNTS: Final = """
SELECT count(*) FILTER (WHERE state = 'done') AS done,
       count(*) FILTER (WHERE state = 'dead') AS dead,
       coalesce(sum(attempt + crashes + losses), 0) AS spent
  FROM task WHERE stage = 'validate'"""
# On a slow machine the first would be due again before the last have failed: each waits longer.
_HOLD_BACK: Final = """
UPDATE task SET due_at = due_at + interval '1 h'
 WHERE state = 'scheduled' AND due_at < now() + interval '10 min'"""
_DELAYS: Final = """
SELECT extract(epoch FROM min(t.due_at - a.ended_at) - interval '1 h')::float AS least,
       extract(epoch FROM max(t.due_at - a.ended_at) - interval '1 h')::float AS most
  FROM task t JOIN attempt a ON a.task_id = t.id WHERE t.state = 'scheduled'"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """What it did. `rate`: most tasks begun in a second of the floor's; `most_out`: at once."""

    tasks: int
    waited: tuple[float, float]  # seconds before a try again, the least and the most
    most_out: int
    window: int
    rate: int
    may: float  # how many the slots could begin in a second
    done: int
    dead: int
    spent: int


def storm(desk: Desk, *, tasks: int, tenants: int = 20) -> Storm:
    """Fail every task once for a store that is down; then let all be due at the same moment."""
    crowd(desk, documents=tasks, tenants=tenants)
    floor = Floor(desk, {Pool.VALIDATOR: SLOTS}, failure=_DOWN)
    floor.run(3600, until=lambda: _all_failed(desk))
    delays = desk.do(_DELAYS)[0]
    floor.failure = None
    floor.most_out.clear()
    floor.started.clear()
    desk.do("UPDATE task SET due_at = now() WHERE state = 'scheduled' AND stage = 'validate'")
    floor.run(3600, until=lambda: not _in(desk, "scheduled", "ready", "queued", "running"))
    counts = desk.do(_COUNTS)[0]
    return Storm(
        tasks=tasks,
        waited=(delays["least"], delays["most"]),
        most_out=floor.most_out[Pool.VALIDATOR],
        window=window(SLOTS, tick_seconds=TICK, task_seconds=SECONDS[Stage.VALIDATE]),
        rate=max(floor.started.values()),
        may=SLOTS / SECONDS[Stage.VALIDATE],
        **counts,
    )


def _all_failed(desk: Desk) -> bool:
    desk.do(_HOLD_BACK)
    return not _in(desk, "ready", "queued", "running")


def _in(desk: Desk, *states: str) -> int:
    query = "SELECT 1 FROM task WHERE state = ANY(%(states)s) AND stage = 'validate' LIMIT 1"
    return len(desk.do(query, {"states": list(states)}))
