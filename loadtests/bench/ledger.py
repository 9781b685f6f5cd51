"""The queue of record against the least that PostgreSQL and RabbitMQ could do in its place."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any, Final
from uuid import uuid4

import pika
import psycopg

from deploy.local.postgres import Postgres
from deploy.local.rabbitmq import RabbitMQ
from deploy.local.run_tests import ROOT
from deploy.local.servers import Servers
from docmill.adapters.postgres.dispatch import Dispatched
from docmill.adapters.postgres.migrate import migrate
from docmill.adapters.rabbitmq.publisher import RabbitPublisher
from docmill.adapters.rabbitmq.topology import declare, parameters
from docmill.domain.task import Claim, Hint, Pool
from docmill.ops.settings import BrokerSettings
from loadtests.bench import crash
from loadtests.bench.measure import Arm, Comparison, Goal, Sample
from loadtests.bench.size import Size
from tests.stack.interrupt import interrupted_by_sigterm
from tests.stack.ledger import Desk, desk, product
from tests.stack.wait import until

CONSUMERS: Final = 10
HINTS_A_SECOND: Final = 5000
BARE: Final = "bare"
TABLE: Final = """
CREATE TABLE bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state text NOT NULL,
    lease timestamptz, note text);
INSERT INTO bare (state) SELECT 'ready' FROM generate_series(1, 20000);
CREATE INDEX bare_ready ON bare (id) WHERE state = 'ready'"""
POP: Final = """
UPDATE bare SET state = 'queued' WHERE id IN (SELECT id FROM bare WHERE state = 'ready'
    ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING id"""
ROW: Final = "UPDATE bare SET state = %s, lease = now() + interval '45 s' WHERE id = %s"


def results(size: Size) -> Iterator[dict[str, Any]]:
    """Measure on durable servers of their own."""
    with interrupted_by_sigterm(), servers() as (postgres, rabbitmq):
        url = postgres.ensure_database("bench")
        migrate(url)
        with psycopg.connect(url) as connection:
            connection.execute(TABLE)
        with desk(url) as made:
            yield from _ledger(made, url, size)
        yield _publishing(rabbitmq.url(), size)
        yield from crash.results(postgres, rabbitmq, size)


@contextmanager
def servers() -> Iterator[tuple[Postgres, RabbitMQ]]:
    """Start PostgreSQL and RabbitMQ for a block, flushing to disk as in production."""
    root = (ROOT / ".local" / "test" / "stacks" / uuid4().hex[:8]).resolve()
    made = Servers(Path(root))
    chosen = (made.postgres, made.rabbitmq)
    try:
        for server in chosen:
            server.start()
        for server in chosen:
            server.wait_ready(120)
        yield chosen
    finally:
        for server in chosen:
            server.kill()
        rmtree(root, ignore_errors=True)


def _ledger(made: Desk, url: str, size: Size) -> Iterator[dict[str, Any]]:
    rounds = size.rounds(quick=2, full=7)
    batch = size.of(quick=50, full=200)
    for comparison in (
        _claims(made, url, batch),
        _renewals(made, url),
        _commits(made, url, batch),
        _ticks(made, url, batch),
        _whole_path(made, url, batch),
    ):
        yield comparison.measure(rounds)


def _claims(made: Desk, url: str, batch: int) -> Comparison:
    def ours() -> Sample:
        hints = _queued(made, batch)
        taken = _crowd([partial(made.claim, each) for each in hints], lambda work: work())
        _clear(made, hints)
        return taken

    return Comparison(
        name=f"ledger: claim by {CONSUMERS} consumers",
        unit="claim",
        arms=[Arm(BARE, lambda: _rows(url, batch)), Arm("docmill", ours)],
        note="Bare: one UPDATE of one row by its key, committed, by as many connections.",
    )


def _renewals(made: Desk, url: str) -> Comparison:
    claims = [made.claim(each) for each in _queued(made, CONSUMERS)]

    def ours() -> Sample:
        return _timed([partial(made.ledger.renew, claims)] * 30, each=CONSUMERS)

    def bare() -> Sample:
        with psycopg.connect(url, autocommit=True) as connection:
            ids = list(range(1, CONSUMERS + 1))
            query = "UPDATE bare SET lease = now() + interval '45 s' WHERE id = ANY(%s)"
            return _timed([partial(connection.execute, query, (ids,))] * 30, each=CONSUMERS)

    return Comparison(
        name=f"ledger: extension of {CONSUMERS} leases",
        unit="lease",
        arms=[Arm(BARE, bare), Arm("docmill", ours)],
        note="Bare: one UPDATE of as many rows by their keys.",
    )


def _commits(made: Desk, url: str, batch: int) -> Comparison:
    def ours() -> Sample:
        claims = [made.claim(each) for each in _queued(made, batch)]
        return _crowd(claims, lambda claim: _commit(made, claim))

    return Comparison(
        name=f"ledger: commit by {CONSUMERS} consumers",
        unit="commit",
        arms=[Arm(BARE, lambda: _rows(url, batch)), Arm("docmill", ours)],
        note="docmill: lock, fence, output, artifacts, plan, events, next tasks, settled. "
        "Bare: one UPDATE of one row, committed.",
    )


def _ticks(made: Desk, url: str, batch: int) -> Comparison:
    def ours() -> Sample:
        for number in range(batch):
            made.accept(made.tenant(f"tenant-{number % 50}"))
        began = time.perf_counter()
        picked = _pick(made, batch)
        took = time.perf_counter() - began
        _clear(made, picked)
        return Sample(units=len(picked), seconds=took)

    def bare() -> Sample:
        with psycopg.connect(url, autocommit=True) as connection:
            began = time.perf_counter()
            found = connection.execute(POP, (batch,)).fetchall()
            took = time.perf_counter() - began
            connection.execute("UPDATE bare SET state = 'ready' WHERE state <> 'ready'")
        return Sample(units=len(found), seconds=took)

    return Comparison(
        name="ledger: dispatch tick over 50 tenants",
        unit="task",
        arms=[Arm(BARE, bare), Arm("docmill", ours)],
        note="Fair picks of a few tasks each until all are queued. Bare: one UPDATE … SKIP LOCKED "
        "that takes them all in one statement, from one line.",
    )


def _whole_path(made: Desk, url: str, batch: int) -> Comparison:
    def ours() -> Sample:
        latencies: list[float] = []
        for _ in range(batch):
            made.accept()
            latencies += _timed([partial(_one, made)]).latencies
        return Sample(units=batch, seconds=sum(latencies), latencies=latencies)

    def bare() -> Sample:
        with psycopg.connect(url, autocommit=True) as connection:

            def one() -> None:
                for state in ("queued", "running", "done"):
                    connection.execute(ROW, (state, 1))

            return _timed([one] * batch)

    return Comparison(
        name="ledger: dispatch, claim and commit of one task",
        unit="task",
        arms=[Arm(BARE, bare), Arm("docmill", ours)],
        goals=[Goal(arm="docmill", figure="p95_ms", most=15)],
        note="One after another on one connection each. Bare: three committed UPDATEs of one row.",
    )


def _one(made: Desk) -> None:
    """Bring the one task that waits from its acceptance to its end."""
    made.dispatch.glance()
    (dispatched,) = made.dispatch.pick(Pool.VALIDATOR)
    _commit(made, made.claim(dispatched))


def _commit(made: Desk, claim: Claim) -> None:
    made.ledger.commit(claim, product(claim, pages=1))


def _queued(made: Desk, count: int) -> list[Dispatched]:
    """Accept so many documents and have their first tasks dispatched."""
    for _ in range(count):
        made.accept()
    return _pick(made, count)


def _pick(made: Desk, count: int) -> list[Dispatched]:
    """Pick until so many are queued; the registry says that there are enough slots."""
    made.do(
        "INSERT INTO worker (id, pool, slots, build) VALUES ('bench', 'validator', %(slots)s, '')"
        " ON CONFLICT (id) DO UPDATE SET seen = now(), slots = excluded.slots",
        {"slots": 10 * count},
    )
    picked: list[Dispatched] = []
    while len(picked) < count and (more := made.dispatch.pick(Pool.VALIDATOR)):
        picked += more
    return picked


def _clear(made: Desk, picked: Sequence[Dispatched]) -> None:
    ids = [each.hint.task for each in picked]
    made.do("DELETE FROM task WHERE id = ANY(%(ids)s) RETURNING id", {"ids": ids})


def _rows(url: str, count: int) -> Sample:
    """Update so many rows by their keys, one a transaction, from as many connections."""
    with ExitStack() as stack:
        free = [
            stack.enter_context(psycopg.connect(url, autocommit=True)) for _ in range(CONSUMERS)
        ]
        lock = threading.Lock()

        def update(number: int) -> None:
            with lock:
                connection = free.pop()
            connection.execute(ROW, ("running", number))
            with lock:
                free.append(connection)

        return _crowd(range(1, count + 1), update)


def _crowd(items: Sequence[Any], work: Callable[[Any], object]) -> Sample:
    """Work through the items by as many threads as there are consumers."""
    latencies: list[float] = []

    def one(item: Any) -> None:
        at = time.perf_counter()
        work(item)
        latencies.append(time.perf_counter() - at)

    began = time.perf_counter()
    with ThreadPoolExecutor(CONSUMERS) as pool:
        list(pool.map(one, items))
    return Sample(units=len(items), seconds=time.perf_counter() - began, latencies=latencies)


def _timed(works: Sequence[Callable[[], object]], *, each: int = 1) -> Sample:
    latencies = []
    for work in works:
        at = time.perf_counter()
        work()
        latencies.append(time.perf_counter() - at)
    return Sample(units=each * len(works), seconds=sum(latencies), latencies=latencies)


def _publishing(url: str, size: Size) -> dict[str, Any]:
    count = size.of(quick=2000, full=20_000)
    numbers = itertools.count(1)
    publisher = RabbitPublisher(BrokerSettings(rabbitmq_url=url))
    publisher.start()
    until(lambda: publisher.ready, within=30)

    def ours() -> Sample:
        hints = [(Pool.VALIDATOR, Hint(next(numbers), 1)) for _ in range(count)]
        began = time.perf_counter()
        confirmed = sum(
            len(publisher.publish(hints[at : at + 1000])) for at in range(0, count, 1000)
        )
        return Sample(units=confirmed, seconds=time.perf_counter() - began)

    arms = [
        Arm("pika, no confirms", lambda: _plain(url, count, confirm=False)),
        Arm("docmill, every hint confirmed", ours),
        Arm("pika, confirmed one by one", lambda: _plain(url, count // 10, confirm=True)),
    ]
    try:
        return Comparison(
            name="ledger: publishing hints",
            unit="hint",
            arms=arms,
            goals=[Goal(arm=arms[1].name, figure="per_second.median", least=HINTS_A_SECOND)],
            note="Into a durable quorum queue, a thousand at a time.",
        ).measure(size.rounds(quick=2, full=7))
    finally:
        publisher.close()


def _plain(url: str, count: int, *, confirm: bool) -> Sample:
    with pika.BlockingConnection(
        parameters(BrokerSettings(rabbitmq_url=url), name="bench")
    ) as connection:
        channel = connection.channel()
        declare(channel, Pool.VALIDATOR)
        channel.queue_purge(Pool.VALIDATOR.queue)
        if confirm:
            channel.confirm_delivery()
        properties = pika.BasicProperties(delivery_mode=2)
        began = time.perf_counter()
        for _ in range(count):
            channel.basic_publish("", Pool.VALIDATOR.queue, b"0" * 80, properties)
        took = time.perf_counter() - began
    return Sample(units=count, seconds=took)
