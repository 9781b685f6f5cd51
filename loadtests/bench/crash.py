"""How soon work goes on after PostgreSQL crashed or RabbitMQ lost everything, under many rows."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pika
import psycopg

from deploy.local.postgres import Postgres
from deploy.local.rabbitmq import RabbitMQ
from docmill.adapters.postgres.migrate import migrate
from docmill.adapters.rabbitmq.publisher import RabbitPublisher
from docmill.adapters.rabbitmq.topology import declare, parameters
from docmill.domain.task import Hint, Pool
from docmill.ops.settings import BrokerSettings
from docmill_dispatcher.tick import Grace, Tick
from loadtests.bench.measure import Arm, Comparison, Sample
from loadtests.bench.size import Size
from tests.stack.ledger import desk
from tests.stack.wait import until

TENANTS: Final = 100
# Documents received, their validate tasks in the state that is asked for; everything committed.
FILL: Final = """
WITH tenants AS (
    INSERT INTO tenant (id, name, max_storage_bytes, max_pages)
    SELECT 'crash-' || n, 'crash', 1e12, 1000 FROM generate_series(1, %(tenants)s) n
    ON CONFLICT DO NOTHING RETURNING id
), documents AS (
    INSERT INTO document (id, tenant_id, name, declared_type, size, sha256, key, correlation,
        api_key, retention)
    SELECT gen_random_uuid(), 'crash-' || (1 + n %% %(tenants)s), n::text, 'x', 1,
           decode(repeat('00', 32), 'hex'), 'crash/' || n, '', 'x', interval '1 h'
      FROM generate_series(1, %(count)s) n, (SELECT count(*) FROM tenants) t
    RETURNING id, tenant_id, accepted_at
), runs AS (
    INSERT INTO run (document_id, number, options, reason)
    SELECT id, 1, '{}', 'upload' FROM documents RETURNING document_id
)
INSERT INTO task (tenant_id, document_id, run, stage, page, pool, priority, rank, cost, accepted_at,
    state, dispatch, queued_at, hinted_at, hints)
SELECT tenant_id, id, 1, 'validate', 0, 'validator', 1, 0, 1, accepted_at, %(state)s,
       CASE %(state)s WHEN 'queued' THEN 1 ELSE 0 END, now(), now(), 0
  FROM documents, (SELECT count(*) FROM runs) r"""
LINE: Final = """
INSERT INTO tenant_pool (tenant_id, pool, backlogged)
SELECT DISTINCT tenant_id, 'validator', true FROM task WHERE state = 'ready'
    ON CONFLICT DO NOTHING"""

# More than any window holds. Nobody reads them here: many more fill the memory of the broker.
QUEUED: Final = 10_000


def results(postgres: Postgres, rabbitmq: RabbitMQ, size: Size) -> Iterator[dict[str, Any]]:
    """Measure both losses."""
    count = size.of(quick=5000, full=100_000)
    url = _filled(postgres, "crash_ready", count, "ready")
    yield Comparison(
        name=f"ledger: crash of PostgreSQL under {count:,} ready tasks",
        unit="crash",
        arms=[
            Arm("a row can be read", lambda: _crashed(postgres, url, dispatch=False)),
            Arm("a task is picked", lambda: _crashed(postgres, url, dispatch=True)),
        ],
        note="SIGQUIT, then started again: bare is PostgreSQL's own recovery.",
    ).measure(size.rounds(quick=1, full=5))
    count = size.of(quick=5000, full=QUEUED)
    url = _filled(postgres, "crash_queued", count, "queued")
    yield Comparison(
        name=f"ledger: RabbitMQ wiped under {count:,} queued tasks",
        unit="hint",
        arms=[
            Arm("publishing alone", lambda: _published(rabbitmq.url(), count)),
            Arm("every hint again", lambda: _hinted_again(url, rabbitmq.url(), count)),
        ],
        note="From the broker's return until every queued task has a confirmed hint again.",
    ).measure(size.rounds(quick=1, full=3))


def _filled(postgres: Postgres, name: str, count: int, state: str) -> str:
    url = postgres.ensure_database(name)
    migrate(url)
    with psycopg.connect(url) as connection:
        connection.execute(FILL, {"tenants": TENANTS, "count": count, "state": state})
        connection.execute(LINE)
    return url


def _crashed(postgres: Postgres, url: str, *, dispatch: bool) -> Sample:
    with psycopg.connect(url) as connection:  # something to recover: some of it is not on disk yet
        connection.execute("UPDATE task SET created_at = created_at WHERE id % 7 = 0")
    postgres.stop("immediate")
    began = time.perf_counter()
    postgres.start()
    postgres.wait_ready(120)
    if dispatch:
        with desk(url) as made:
            until(lambda: made.dispatch.pick(Pool.VALIDATOR), within=60)
            took = time.perf_counter() - began
            made.do("UPDATE task SET state = 'ready' WHERE state = 'queued' RETURNING id")
    else:
        with psycopg.connect(url) as connection:
            connection.execute("SELECT id FROM task LIMIT 1")
        took = time.perf_counter() - began
    return Sample(units=1, seconds=took, facts={"ms": 1000 * took})


@contextmanager
def _publisher(url: str) -> Iterator[RabbitPublisher]:
    """Give a connected publisher; its queue, which nobody reads here, is emptied before."""
    with pika.BlockingConnection(
        parameters(BrokerSettings(rabbitmq_url=url), name="bench")
    ) as connection:
        declare(connection.channel(), Pool.VALIDATOR)
        connection.channel().queue_purge(Pool.VALIDATOR.queue)
    made = RabbitPublisher(BrokerSettings(rabbitmq_url=url))
    made.start()
    until(lambda: made.ready, within=30)
    try:
        yield made
    finally:
        made.close()


def _published(url: str, count: int) -> Sample:
    with _publisher(url) as publisher:
        began = time.perf_counter()
        done = 0
        for at in range(0, count, 1000):
            hints = [(Pool.VALIDATOR, Hint(at + n, 1)) for n in range(min(1000, count - at))]
            done += len(publisher.publish(hints))
        return Sample(units=done, seconds=time.perf_counter() - began)


def _hinted_again(database: str, broker: str, count: int) -> Sample:
    with desk(database) as made, _publisher(broker) as publisher:
        tick = Tick(made.dispatch, publisher, Grace(made.lease))
        began = time.perf_counter()
        made.dispatch.unhint_all()
        while made.dispatch.glance().unheard:
            tick()
        return Sample(units=count, seconds=time.perf_counter() - began)
