"""Work in flight, as a fault finds it: it waits for some, and counts what it took."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, LiteralString, TypeVar

import psycopg

from deploy.local.service import Service
from tests.stack.routed import Routed
from tests.stack.wait import until

T = TypeVar("T")

WORKERS: Final = ("ocr", "validator", "thumbnailer", "notifier")
PATIENCE: Final = 30.0  # seconds that a fault waits for work to hit
LOOK_EVERY: Final = 0.05

# Of the worker that came last: what one that died before it held is nobody's work now.
RUNNING: Final[LiteralString] = """
SELECT count(*) FROM task t WHERE state = 'running' AND pool = ANY(%(pools)s)
   AND worker = (SELECT id FROM worker w WHERE w.pool = t.pool ORDER BY started_at DESC LIMIT 1)"""
HINTED: Final[LiteralString] = "SELECT count(*) FROM task WHERE state IN ('queued', 'running')"
WAITING: Final[LiteralString] = (
    "SELECT count(*) FROM task WHERE state IN ('scheduled', 'ready', 'queued')"
)
UPLOADING: Final[LiteralString] = """
SELECT count(*) FROM blob
 WHERE state = 'uploading' AND created_at > clock_timestamp() - interval '1 second'"""
JOBS: Final[LiteralString] = (
    "SELECT count(*) FROM cron_run WHERE started_at > clock_timestamp() - interval '1 second'"
)


def count(stack: Routed, query: LiteralString, **values: object) -> int:
    """Return a query's one number, straight from the primary."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        row = connection.execute(query, values).fetchone()
    return int(row[0]) if row else 0


def running(stack: Routed, *pools: str) -> int:
    """Count the tasks that run on the workers of the pools, by default of all."""
    return count(stack, RUNNING, pools=list(pools or WORKERS))


def hinted(stack: Routed) -> int:
    """Count the tasks whose hints RabbitMQ holds: waiting, or not yet acknowledged."""
    return count(stack, HINTED)


def work_of(stack: Routed, name: str) -> int:
    """Count what a service would lose hold of if it died now."""
    match name:
        case "dispatcher":
            return count(stack, WAITING)
        case "scheduler":
            return count(stack, JOBS)
        case "ingest":
            return count(stack, UPLOADING)
        case _:
            return running(stack, name)


def awaited(look: Callable[[], T], otherwise: T) -> T:
    """Return the first true value there is in time, else another."""
    try:
        return until(look, within=PATIENCE, every=LOOK_EVERY)
    except AssertionError:
        return otherwise


def caught(stack: Routed, draw: Random, names: Sequence[str]) -> tuple[Service, int]:
    """Freeze one of the services in the middle of work; give it and how much work that is."""

    def look() -> tuple[Service, int] | None:
        busy = [name for name in names if work_of(stack, name)]
        return _frozen(stack, draw.choice(busy)) if busy else None

    idle = stack.services[draw.choice(list(names))]
    found = awaited(look, None)
    if found is None:
        idle.pause()
        return idle, 0
    return found


def _frozen(stack: Routed, name: str) -> tuple[Service, int] | None:
    """Freeze the service, unless it has just ended what it did."""
    service = stack.services[name]
    service.pause()
    if hit := work_of(stack, name):
        return service, hit
    service.resume()
    return None
