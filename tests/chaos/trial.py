"""One trial of one scenario: what the fault interrupted, how long recovery took, what it cost.

A scenario says in its mark what breaks, under which load, and within how many seconds of the repair
everything must be whole again. Its test breaks and mends; the trial counts and checks.
"""

import itertools
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Final

import pytest

from deploy.local.run_tests import ROOT
from tests.stack.flow import Caller, Inspector, caller, inspector, pages
from tests.stack.routed import Routed
from tests.stack.wait import until

FIGURES: Final = ROOT / ".local" / "chaos" / "figures.jsonl"
_SEEDS: Final = itertools.count(10_000, 1_000)  # a trial's pages are no other's


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is broken and what is promised. `within` counts in seconds from the repair."""

    name: str
    fault: str
    load: str
    within: float


@dataclass(slots=True, kw_only=True)
class Figures:
    """What one trial showed. `redone` are attempts without a result, `spent` those that count.

    `interrupted` counts what the fault hit, `what` says of what kind that was; `lost` are documents
    that did not come to their end.
    """

    scenario: str
    interrupted: int = 0
    what: str = "tasks"
    documents: int = 0
    lost: int = 0
    doubled: int = 0
    redone: int = 0
    spent: int = 0
    recoveries: list[float] = field(default_factory=list)


def scenario(
    name: str, *, fault: str, load: str, within: float = 60, smoke: bool = False
) -> pytest.MarkDecorator:
    """Mark a test as a scenario; `smoke` ones run with every `make test`."""
    told = Scenario(name=name, fault=fault, load=load, within=within)
    return pytest.mark.scenario(told, smoke=smoke)


class Trial:
    """Given to a scenario's test as `trial`.

    In this order: `upload`, break, `struck`, mend, `mended`, `all_ready`.
    """

    def __init__(self, told: Scenario, stack: Routed, client: Caller, inspect: Inspector) -> None:
        self.scenario = told
        self.stack = stack
        self.client = client
        self.inspect = inspect
        self.figures = Figures(scenario=told.name)
        self._documents: list[str] = []
        self._mended = datetime.max.replace(tzinfo=UTC)
        self._seed = next(_SEEDS)

    def upload(self, count: int, *, characters: int = 700, name: str = "") -> list[str]:
        """Upload so many one-page scans, eight at a time; repeated while nobody answers."""
        bodies = list(enumerate(pages(count, first=self._seed, characters=characters), self._seed))
        self._seed += count
        with ThreadPoolExecutor(8) as pool:
            made = list(
                pool.map(lambda each: self.client.upload(each[1], name or f"{each[0]}.png"), bodies)
            )
        return self.take(made)

    @contextmanager
    def uploading(self) -> Iterator[list[str]]:
        """Upload one document after another for the length of a block; give what was accepted."""
        over, accepted = threading.Event(), list[str]()

        def upload() -> None:
            while not over.is_set():
                accepted.extend(self.upload(1))

        with ThreadPoolExecutor(1) as thread:
            uploads = thread.submit(upload)
            try:
                yield accepted
            finally:
                over.set()
        uploads.result()

    def take(self, documents: list[str]) -> list[str]:
        """Count documents that were uploaded in another way as this trial's."""
        self._documents += documents
        return documents

    def until_running(self, stage: str = "recognise") -> None:
        """Wait until a task of the stage runs."""
        until(lambda: self.inspect.running(stage), within=60)

    def struck(self, interrupted: int, what: str = "tasks") -> None:
        """Count what the fault hit; fail when that is nothing, for it would prove nothing."""
        assert interrupted > 0, "the fault interrupted nothing"
        self.figures.interrupted += interrupted
        self.figures.what = what

    def lasts(self, seconds: float) -> None:
        """Let the fault last: its length is part of the scenario."""
        threading.Event().wait(seconds)

    def looks(self, seconds: float, *, every: float) -> Iterator[float]:
        """Let the fault last and look at it now and then."""
        for passed in range(int(seconds / every)):
            self.lasts(every)
            yield passed * every

    def mended(self) -> None:
        """The fault is over: recovery counts from here."""
        self._mended = datetime.now(UTC)

    def all_ready(self, documents: Sequence[str]) -> None:
        """Every document is ready, exactly once, in time, and the whole history is sound."""
        self.all_end(documents, "ready")

    def all_end(self, documents: Sequence[str], state: str) -> None:
        """The same for another end than `ready`."""
        try:
            self.client.ended(documents, within=self.scenario.within)
        finally:
            self._count(documents, state)
        self.inspect.assert_each_ended_once(documents, state)

    def spent_nothing(self) -> None:
        """No task of the load has an error or a crash on its account: it was not their fault."""
        mine = f"document_id IN ({_quoted(self._documents)})"
        assert not self.inspect.rows(
            "SELECT id, stage, attempt, crashes, code, detail FROM task"
            f" WHERE {mine} AND (attempt > 0 OR crashes > 0)"
        )

    def check(self) -> None:
        """Fail a scenario whose fault was never seen to interrupt anything."""
        assert self.figures.interrupted, "the scenario never called `struck`"

    def _count(self, documents: Sequence[str], state: str) -> None:
        mine = f"document_id IN ({_quoted(documents)})"
        found = self.figures
        found.documents += len(documents)
        found.lost += len(documents) - self.inspect.count(
            f"SELECT count(*) FROM document WHERE id IN ({_quoted(documents)})"
            f" AND state = '{state}'"
        )
        found.doubled += self.inspect.count(
            "SELECT count(*) FROM (SELECT a.task_id FROM attempt a JOIN task t ON t.id = a.task_id"
            f" WHERE {mine} AND a.outcome = 'done' GROUP BY 1 HAVING count(*) > 1) AS twice"
        )
        found.redone += self.inspect.count(
            "SELECT count(*) FROM attempt a JOIN task t ON t.id = a.task_id"
            f" WHERE {mine} AND a.outcome <> 'done'"
        )
        found.spent += self.inspect.count(
            f"SELECT coalesce(sum(attempt + crashes), 0) FROM task WHERE {mine}"
        )
        found.recoveries += self._recoveries(documents)

    def _recoveries(self, documents: Sequence[str]) -> list[float]:
        rows = self.inspect.rows(
            f"SELECT settled_at FROM document WHERE id IN ({_quoted(documents)})"
        )
        took = [(row["settled_at"] - self._mended).total_seconds() for row in rows]
        return [round(seconds, 2) for seconds in took if seconds > 0]


def _quoted(documents: Iterable[str]) -> str:
    return ", ".join(f"'{each}'" for each in documents)


def trial_of(request: pytest.FixtureRequest, stack: Routed) -> Iterator[Trial]:
    """Give a fixture's test its trial on a stack; keep the figures at the end."""
    yield from trial_on(stack, request.node.get_closest_marker("scenario").args[0])


def trial_on(stack: Routed, told: Scenario) -> Iterator[Trial]:
    """Do the same for a scenario that no mark tells of."""
    with caller(stack) as client, inspector(stack) as inspect:
        made = Trial(told, stack, client, inspect)
        yield made
        _keep(made.figures)
        made.check()


def _keep(figures: Figures) -> None:
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    with FIGURES.open("a") as out:
        out.write(json.dumps(asdict(figures)) + "\n")


def table(file: Path) -> Iterator[str]:
    """Draw the figures of a file as a table: one line a scenario, over all its trials."""
    kept = [Figures(**json.loads(line)) for line in file.read_text().splitlines()]
    head = "runs interrupted documents lost doubled redone spent   p50 s   p95 s  hit"
    yield f"{'scenario':40} {head}"
    for name, group in itertools.groupby(sorted(kept, key=_name), key=_name):
        yield _line(name, list(group))


def _name(figures: Figures) -> str:
    return figures.scenario


def _line(name: str, trials: Sequence[Figures]) -> str:
    def total(of: str) -> int:
        return sum(getattr(each, of) for each in trials)

    middle, late = _percentiles([each for trial in trials for each in trial.recoveries])
    return (
        f"{name:40} {len(trials):4} {total('interrupted'):11} {total('documents'):9}"
        f" {total('lost'):4} {total('doubled'):7} {total('redone'):6} {total('spent'):5}"
        f" {middle:7.1f} {late:7.1f}  {trials[0].what}"
    )


def _percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 95th percentile."""
    if len(seconds) < 2:
        only = next(iter(seconds), 0.0)
        return only, only
    cuts = quantiles(seconds, n=100, method="inclusive")
    return cuts[49], cuts[94]
