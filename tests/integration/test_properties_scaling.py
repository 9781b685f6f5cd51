"""However many dispatchers and workers there are, what comes out is the same."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docmill.adapters.postgres.audit import PostgresAudit
from docmill.adapters.rabbitmq.topology import parameters
from docmill.domain.task import Hint, Pool
from docmill.ops.settings import BrokerSettings
from docmill.work import broker
from tests.stack.hints import publish
from tests.stack.ledger import desk
from tests.stack.mill import Paper, mill, results
from tests.stack.properties import tried
from tests.stack.template import Shelf
from tests.stack.wait import until

READING: Final = (Pool.VALIDATOR, Pool.OCR, Pool.THUMBNAILER)
OPEN: Final = "SELECT id FROM task WHERE state IN ('scheduled', 'ready', 'queued', 'running')"
TWICE: Final = """
SELECT t.id FROM task t WHERE t.state = 'done'
   AND (SELECT count(*) FROM attempt a WHERE a.task_id = t.id AND a.outcome = 'done') <> 1"""
PAGES: Final = st.frozensets(st.integers(1, 4), max_size=2)
PAPERS: Final = st.builds(Paper, pages=st.integers(0, 4), torn=PAGES, shaky=PAGES)


def milled(
    databases: Shelf, url: str, papers: list[Paper], dispatchers: int, workers: Mapping[Pool, int]
) -> list[str]:
    """Run the papers through a mill of that size; return all that came out."""
    with databases.lent() as database_url, desk(database_url) as ledger:
        named = {f"{number}.pdf": paper for number, paper in enumerate(papers)}
        for _ in papers:
            ledger.accept()
        with mill(ledger, url, named, dispatchers=dispatchers, workers=workers):
            until(lambda: not ledger.do(OPEN), within=90)
        assert ledger.do(TWICE) == []
        assert PostgresAudit(ledger.database).all_violations() == []
        return results(ledger)


@pytest.mark.slow
@tried(4)
@given(
    papers=st.lists(PAPERS, min_size=3, max_size=6),
    dispatchers=st.integers(1, 4),
    readers=st.integers(1, 8),
    others=st.integers(1, 3),
)
def test_a_mill_of_any_size_makes_what_one_of_each_makes_and_makes_it_once(
    databases: Shelf,
    rabbitmq_url: str,
    papers: list[Paper],
    dispatchers: int,
    readers: int,
    others: int,
) -> None:
    many = dict.fromkeys(READING, others) | {Pool.OCR: readers}
    one = dict.fromkeys(READING, 1)
    assert milled(databases, rabbitmq_url, papers, dispatchers, many) == milled(
        databases, rabbitmq_url, papers, 1, one
    )


class Shift:
    """Equal jobs: each ends when there is one in every slot."""

    def __init__(self, slots: int) -> None:
        self.done: Counter[str] = Counter()
        self._together = threading.Barrier(slots)
        self._lock = threading.Lock()

    @property
    def broken(self) -> bool:
        return self._together.broken

    def job(self, worker: str, _: Hint) -> None:
        self._together.wait(timeout=20)
        with self._lock:
            self.done[worker] += 1


@contextmanager
def crew(url: str, shift: Shift, workers: int, slots: int) -> Iterator[None]:
    """Have so many equal workers consume the one queue."""
    made = [
        broker.worker(
            Pool.OCR,
            parameters(BrokerSettings(rabbitmq_url=url), name=name),
            slots=slots,
            run=partial(shift.job, name),
        )
        for name in map(str, range(workers))
    ]
    for worker in made:
        worker.start()
    try:
        yield
    finally:
        for worker in made:
            worker.stop(timeout=5000)


@tried(4)
@given(workers=st.integers(2, 6), slots=st.integers(1, 2), jobs=st.integers(1, 6))
def test_of_equal_workers_none_has_a_second_job_before_each_has_its_first(
    rabbitmq_url: str, workers: int, slots: int, jobs: int
) -> None:
    """The bound: of equal jobs each has its share exactly, whoever came to the queue first."""
    shift = Shift(workers * slots)
    publish(rabbitmq_url, Pool.OCR, *(Hint(job, 1) for job in range(workers * slots * jobs)))
    with crew(rabbitmq_url, shift, workers, slots):
        until(lambda: shift.done.total() == workers * slots * jobs or shift.broken)
    assert shift.done == dict.fromkeys(map(str, range(workers)), slots * jobs)
