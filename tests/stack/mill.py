"""A whole mill in this process: real dispatchers and workers, and work that costs nothing.

What a task makes is told by its document's name and its inputs alone, so that two mills with the
same documents can be compared.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import Final

import dramatiq
import pika

from docmill.adapters.postgres.ledger import PostgresLedger
from docmill.adapters.rabbitmq.topology import declare, parameters
from docmill.domain.task import Claim, Pool, RetryPolicy
from docmill.ops.settings import BrokerSettings
from docmill.ports import Beat, Product
from docmill.work import broker
from docmill.work.breaker import Breaker
from docmill.work.failure import Hopeless, StageFailed
from docmill.work.grip import Grip
from docmill.work.runner import Runner
from docmill.work.supervisor import Rhythm, Supervisor
from docmill_dispatcher.main import dispatcher
from docmill_dispatcher.settings import DispatcherSettings
from tests.stack.ledger import Desk, product

_SOON: Final = RetryPolicy(base=timedelta(milliseconds=20))


@dataclass(frozen=True, slots=True)
class Paper:
    """What is in a document, and what goes wrong with it; one without pages is no document."""

    pages: int = 1
    torn: frozenset[int] = frozenset()  # pages that nobody can read
    shaky: frozenset[int] = frozenset()  # pages that are read at the second try


class Press:
    """A bench that makes what the paper says. Its artifacts are in no store."""

    def __init__(self, ledger: PostgresLedger, papers: Mapping[str, Paper]) -> None:
        self._ledger = ledger
        self._papers = papers

    def prepare(self, check: Callable[[], None], *, alone: bool) -> None:
        """Nothing is kept warm."""

    def work(self, grip: Grip) -> Product:
        claim, paper = grip.claim, self._papers[grip.claim.name]
        if not paper.pages:
            raise Hopeless("corrupt_file", "no pages")
        if claim.page in paper.torn:
            raise Hopeless("page_unreadable", "torn")
        if claim.page in paper.shaky and not claim.attempt:
            raise StageFailed("shaken")
        return self._made(claim, paper)

    def close(self) -> None:
        """Nothing is open."""

    def _made(self, claim: Claim, paper: Paper) -> Product:
        made = product(claim, pages=paper.pages)
        inputs = b"".join(bytes(page.sha256) for page in self._ledger.inputs(claim))
        content = sha256(f"{claim.name} {claim.stage} {claim.page}".encode() + inputs).digest()
        return replace(made, artifacts=[replace(each, sha256=content) for each in made.artifacts])


@contextmanager
def running(settings: DispatcherSettings) -> Iterator[None]:
    """Run a dispatcher in a thread."""
    with dispatcher(settings) as loop:
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            yield
        finally:
            loop.stop()
            thread.join()


@contextmanager
def mill(
    desk: Desk,
    url: str,
    papers: Mapping[str, Paper],
    *,
    dispatchers: int,
    workers: Mapping[Pool, int],
) -> Iterator[None]:
    """Run so many dispatchers, and so many workers of each pool with a slot each."""
    settings = DispatcherSettings(
        database_url=desk.database.pool.conninfo,
        database_pool_size=2,
        rabbitmq_url=url,
        health_host="127.0.0.1",
        health_port=0,
        tick_seconds=timedelta(milliseconds=50),
    )
    _declare(url)
    with ExitStack() as stack:
        hosts = [
            _worker(stack, desk, url, papers, pool, f"{pool}-{number}")
            for pool, count in workers.items()
            for number in range(count)
        ]
        stack.callback(_stop, hosts)
        for _ in range(dispatchers):
            stack.enter_context(running(settings))
        yield


def _declare(url: str) -> None:
    """Before all do it at once: a queue that two declare at once confirms what it drops."""
    with pika.BlockingConnection(
        parameters(BrokerSettings(rabbitmq_url=url), name="mill")
    ) as connection:
        for pool in Pool:
            declare(connection.channel(), pool)


def _worker(
    stack: ExitStack, desk: Desk, url: str, papers: Mapping[str, Paper], pool: Pool, name: str
) -> dramatiq.Worker:
    ledger = PostgresLedger(desk.database, lease=desk.lease, policy=_SOON)
    beat = Beat(worker=name, pool=pool, slots=1, build="test", languages=["eng"], memory=0)
    supervisor = Supervisor(ledger, ledger, Rhythm(), lambda: beat)
    supervisor.start()
    stack.callback(supervisor.close)
    runner = Runner(
        pool,
        name,
        ledger=ledger,
        benches=[Press(ledger, papers)],
        supervisor=supervisor,
        breaker=Breaker({}, pause=0.1),
    )
    worker = broker.worker(
        pool, parameters(BrokerSettings(rabbitmq_url=url), name=name), slots=1, run=runner
    )
    worker.start()
    return worker


def _stop(workers: list[dramatiq.Worker]) -> None:
    """Stop them together, for each looks up only now and then."""
    with ThreadPoolExecutor(len(workers)) as threads:
        list(threads.map(lambda worker: worker.stop(timeout=5000), workers))


def results(desk: Desk) -> list[str]:
    """What became of every document, task, page and event, in words that no order changes."""
    rows = desk.do(_RESULTS)
    return [row["told"] for row in rows]


_RESULTS: Final = """
SELECT concat_ws(' ', d.name, x.told) AS told FROM document d, LATERAL (
    SELECT concat_ws(' ', 'document', d.state, d.failure_code, d.pages, d.settled_run) AS told
     UNION ALL
    SELECT concat_ws(' ', 'task', t.run, t.stage, t.page, t.state, t.code)
      FROM task t WHERE t.document_id = d.id
     UNION ALL
    SELECT concat_ws(' ', 'attempt', t.run, t.stage, t.page, a.outcome)
      FROM task t JOIN attempt a ON a.task_id = t.id WHERE t.document_id = d.id
     UNION ALL
    SELECT concat_ws(' ', 'artifact', a.run, a.kind, a.page, encode(a.sha256, 'hex'))
      FROM artifact a WHERE a.document_id = d.id
     UNION ALL
    SELECT concat_ws(' ', 'event', e.run, e.kind) FROM event e WHERE e.document_id = d.id
) AS x ORDER BY 1"""

__all__ = ["Paper", "mill", "results", "running"]
