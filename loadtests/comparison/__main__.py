"""Stock Dramatiq and docmill under the same faults, on the same servers, one after the other.

    python -m loadtests.comparison [--tasks 1500] [--kills 4] [--alarm 20]

Two worker processes of four threads each work through the tasks, a tenth of which raise an error at
the first try. One worker process is killed with SIGKILL every 1.5 s; then RabbitMQ has a memory
alarm for a while, in which publishers are blocked, which ends as it does when the memory really is
out: the node is killed and started again. At the end each task must have had its effect.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from deploy.local.process import Process
from deploy.local.rabbitmq import RabbitMQ
from deploy.local.server import environment
from deploy.local.servers import Servers
from deploy.local.service import Service, program
from docmill.adapters.postgres.migrate import migrate
from loadtests.comparison.work import TABLES
from tests.stack.interrupt import interrupted_by_sigterm
from tests.stack.ledger import TENANT, desk
from tests.stack.whole import QUICK_FAULTS

PROCESSES: Final = 2
THREADS: Final = 4
BETWEEN_KILLS: Final = 1.5
QUIET: Final = 45.0  # seconds without any effect: nothing more is to come


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to run the tasks: its worker processes, and how the tasks get in."""

    name: str
    database: str
    workers: Sequence[Process]
    command: Sequence[str]
    settings: Mapping[str, str]

    def start(self, worker: Process) -> None:
        worker.start(list(self.command), env=dict(self.settings), cwd=Path.cwd())


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of the tasks."""

    arm: str
    lost: int
    repeated: int
    seconds: float


def stock(servers: Servers, tasks: int) -> Iterator[Arm]:
    """Yield stock Dramatiq with the tasks in its queue."""
    settings = _settings(servers, "stock")
    _make_database(servers, "stock")
    arguments = ["loadtests.comparison.stock", "--processes", "1", "--threads", str(THREADS)]
    arm = Arm(
        name="stock Dramatiq",
        database=settings["COMPARISON_DATABASE_URL"],
        workers=_processes(servers.root, "stock"),
        command=[program("dramatiq"), *arguments],
        settings=settings,
    )
    os.environ.update(settings)
    from loadtests.comparison.stock import work  # noqa: PLC0415 - connects when imported

    for task in range(tasks):
        work.send(task)
    yield arm


def ours(servers: Servers, tasks: int) -> Iterator[Arm]:
    """Yield docmill's ledger with the tasks in it, its dispatcher and its workers."""
    settings = _settings(servers, "docmill") | QUICK_FAULTS
    _make_database(servers, "docmill")
    migrate(settings["DOCMILL_DATABASE_URL"])
    with desk(settings["DOCMILL_DATABASE_URL"]) as made:
        document = made.accept().document
        made.do("DELETE FROM task")  # the document itself is not what is worked on
        made.do(_DELIVERIES, {"tenant": TENANT, "document": document, "tasks": tasks})
    dispatcher = Service("dispatcher", servers.root, servers.ports, settings)
    dispatcher.start()
    try:
        yield Arm(
            name="docmill",
            database=settings["COMPARISON_DATABASE_URL"],
            workers=_processes(servers.root, "docmill"),
            command=[sys.executable, "-m", "loadtests.comparison.ours"],
            settings=settings | {"DOCMILL_SLOTS": str(THREADS), "DOCMILL_HEALTH_PORT": "0"},
        )
    finally:
        dispatcher.terminate()


_DELIVERIES: Final = """
WITH hook AS (
    INSERT INTO endpoint (tenant_id, url, secret) VALUES (%(tenant)s, 'http://127.0.0.1', 'none')
    RETURNING id
), made AS (
    INSERT INTO delivery (endpoint_id, tenant_id, document_id, seq, kind, payload)
    SELECT hook.id, %(tenant)s, %(document)s, n, 'comparison', jsonb_build_object('task', n)
      FROM hook, generate_series(0, %(tasks)s - 1) AS n
    RETURNING id
), line AS (
    INSERT INTO tenant_pool (tenant_id, pool, backlogged) VALUES (%(tenant)s, 'notifier', true)
)
INSERT INTO task (tenant_id, delivery_id, run, stage, pool, rank, accepted_at)
SELECT %(tenant)s, made.id, 1, 'notify', 'notifier', 4, now() FROM made"""


def run(arm: Arm, servers: Servers, tasks: int, *, kills: int, alarm: float) -> Result:
    """Work the tasks off under the faults; return when all are done or nothing more happens."""
    began = time.monotonic()
    for worker in arm.workers:
        arm.start(worker)
    _until_busy(arm)
    for kill in range(kills):
        _pass(BETWEEN_KILLS)
        victim = arm.workers[kill % PROCESSES]
        victim.kill()
        arm.start(victim)
    _pass(BETWEEN_KILLS)
    _run_out_of_memory(servers.rabbitmq, alarm)
    _until_quiet(arm, tasks)
    took = time.monotonic() - began
    for worker in arm.workers:
        worker.stop(timeout=30)
    done, effects = _effects(arm)
    return Result(arm=arm.name, lost=tasks - done, repeated=effects - done, seconds=took)


def _run_out_of_memory(broker: RabbitMQ, seconds: float) -> None:
    broker.control("set_vm_memory_high_watermark", "0.000001")
    _pass(seconds)
    broker.kill()
    broker.start()
    broker.wait_ready()


def _until_busy(arm: Arm) -> None:
    while not _effects(arm)[0]:
        _pass(0.1)


def _until_quiet(arm: Arm, tasks: int) -> None:
    seen, since = 0, time.monotonic()
    while time.monotonic() - since < QUIET:
        done, _ = _effects(arm)
        if done == tasks:
            return
        if done > seen:
            seen, since = done, time.monotonic()
        _pass(0.5)


def _effects(arm: Arm) -> tuple[int, int]:
    count = "SELECT count(DISTINCT task), count(*) FROM effect"
    with psycopg.connect(arm.database) as connection:
        row = connection.execute(count).fetchone()
    return row or (0, 0)


def _pass(seconds: float) -> None:
    threading.Event().wait(seconds)


def _processes(root: Path, name: str) -> list[Process]:
    return [
        Process(
            f"{name}-{number}",
            root / "run" / f"{name}-{number}.pid",
            root / "logs" / f"{name}-{number}.log",
        )
        for number in range(PROCESSES)
    ]


def _settings(servers: Servers, name: str) -> dict[str, str]:
    url = servers.postgres.url(name)
    return environment(
        COMPARISON_DATABASE_URL=url,
        COMPARISON_BROKER_URL=servers.rabbitmq.url(),
        DOCMILL_DATABASE_URL=url,
        DOCMILL_RABBITMQ_URL=servers.rabbitmq.url(),
        PYTHONPATH=str(Path.cwd()),
    )


def _make_database(servers: Servers, name: str) -> None:
    servers.postgres.ensure_database(name)
    with psycopg.connect(servers.postgres.url(name)) as connection:
        for table in TABLES:
            connection.execute(table)


def main() -> int:
    """Run both arms, print the table, and exit 1 when docmill lost anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1500)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--alarm", type=float, default=20)
    arguments = parser.parse_args()
    faults: dict[str, Any] = {"kills": arguments.kills, "alarm": arguments.alarm}
    with ExitStack() as stack:
        servers = stack.enter_context(_servers())
        results = [
            run(arm, servers, arguments.tasks, **faults)
            for make in (stock, ours)
            for arm in make(servers, arguments.tasks)
        ]
    print(f"{'arm':16} {'tasks':>6} {'lost':>6} {'repeated':>9} {'seconds':>8}")
    for each in results:
        print(
            f"{each.arm:16} {arguments.tasks:6} {each.lost:6} {each.repeated:9} {each.seconds:8.0f}"
        )
    return 1 if results[-1].lost else 0


@contextmanager
def _servers() -> Iterator[Servers]:
    with interrupted_by_sigterm(), tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)  # PostgreSQL runs as another user when we are root
        servers = Servers(root, forgetful=True)
        try:
            servers.start()
            yield servers
        finally:
            servers.stop()


if __name__ == "__main__":
    sys.exit(main())
