"""What the runner does when its bench or its ledger fails in a way a real one seldom does."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from docmill.domain.errors import BrokerDown, DatabaseDown, LostClaim
from docmill.domain.rejection import MissingOriginal
from docmill.domain.task import Claim, Failure, Hint, Outcome, Pool
from docmill.ports import Beat, Ledger, Product, Workers, go_on
from docmill.work.breaker import Breaker
from docmill.work.broker import NotNow
from docmill.work.childbench import ChildBench
from docmill.work.failure import ChildUnfit, Stop
from docmill.work.grip import Grip
from docmill.work.runner import FREE_TRIES, Runner
from docmill.work.supervisor import Rhythm, Supervisor
from tests.stack.claim import CLAIM
from tests.stack.wait import until

HINT = Hint(1, 1)
PRODUCT = Product(artifacts=(), engine="test", facts={})


@dataclass
class Book:
    """A ledger that raises what it was given for each call, once each."""

    faults: dict[str, list[Exception]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    outage_count: int = 0

    def _say(self, what: str) -> None:
        self.said.append(what)
        if self.faults.get(what):
            raise self.faults[what].pop(0)

    def claim(self, *_: object, **__: object) -> Claim | None:
        self._say("claim")
        return CLAIM

    def suspect(self, _: Hint) -> bool:
        return False

    def commit(self, *_: object) -> None:
        self._say("commit")

    def fail(self, _: Claim, why: Failure) -> None:
        self._say("fail")
        self.failures.append(why)

    def outages(self, _: Claim) -> int:
        self._say("outages")
        return self.outage_count

    def release(self, _: Claim) -> None:
        self._say("release")

    def renew(self, claims: Collection[Claim]) -> frozenset[int]:
        self._say("renew")
        return frozenset(claim.token for claim in claims)

    def live(self, claims: Collection[Claim]) -> frozenset[int]:
        return frozenset(claim.token for claim in claims)

    def beat(self, _: Beat) -> None:
        """Nobody listens."""

    def leave(self, _: str) -> None:
        """Nobody listens."""


@dataclass
class Seat:
    """A bench that does what it was given."""

    job: Callable[[Grip], Product] = lambda _: PRODUCT
    unfit: int = 0

    def prepare(self, check: Callable[[], None], *, alone: bool) -> None:
        if self.unfit:
            self.unfit -= 1
            raise ChildUnfit("no model")

    def work(self, grip: Grip) -> Product:
        return self.job(grip)

    def close(self) -> None:
        """Nothing is open."""


def supervisor(book: Book, *, margin: float = 1, again: float = 1) -> Supervisor:
    beat = Beat(worker="w", pool="ocr", slots=1, build="1", languages=(), memory=0)
    rhythm = Rhythm(watch=0.02, again=again, margin=margin)
    return Supervisor(cast("Ledger", book), cast("Workers", book), rhythm, lambda: beat)


def runner(book: Book, seat: Seat, watch: Supervisor | None = None) -> Runner:
    return Runner(
        Pool.OCR,
        "w",
        ledger=cast("Ledger", book),
        benches=[Seat(), seat],
        supervisor=watch or supervisor(book),
        breaker=Breaker({}, pause=0.1),
    )


def raising(error: Exception) -> Callable[[Any], Product]:
    def job(_: Grip) -> Product:
        raise error

    return job


def stopping(why: Stop) -> Callable[[Grip], Product]:
    def job(grip: Grip) -> Product:
        grip.end(why)
        grip.check()
        return PRODUCT

    return job


def test_nothing_is_claimed_before_a_child_is_fit() -> None:
    book = Book()
    runner(book, Seat(unfit=2))(HINT)
    assert book.said == ["claim", "commit"]


def test_a_drain_ends_the_wait_for_a_child() -> None:
    book = Book()
    watch = supervisor(book)

    class Never(Seat):
        def prepare(self, check: Callable[[], None], *, alone: bool) -> None:
            watch.begin_drain(timedelta())
            raise ChildUnfit("no model")

    with pytest.raises(NotNow):
        runner(book, Never(), watch)(HINT)
    assert book.said == []


def test_a_drain_ends_the_wait_for_the_database() -> None:
    book = Book({"claim": [DatabaseDown("gone")]})
    watch = supervisor(book)

    class Leaving(Seat):
        def prepare(self, check: Callable[[], None], *, alone: bool) -> None:
            watch.begin_drain(timedelta())

    with pytest.raises(NotNow):
        runner(book, Leaving(), watch)(HINT)
    assert book.said == ["claim"]


def test_what_the_ledger_cannot_take_fails_the_task() -> None:
    book = Book({"commit": [ValueError("a bug")]})
    runner(book, Seat())(HINT)
    assert book.said == ["claim", "commit", "fail"]
    assert [why.code for why in book.failures] == ["internal"]


def test_a_task_that_not_even_a_failure_can_be_said_of_is_left_to_the_reaper() -> None:
    book = Book({"commit": [ValueError("a bug")], "fail": [ValueError("another")]})
    runner(book, Seat())(HINT)
    assert book.said == ["claim", "commit", "fail"]
    assert book.failures == []


def test_a_fenced_commit_is_left_alone() -> None:
    book = Book({"commit": [LostClaim()]})
    runner(book, Seat())(HINT)
    assert book.said == ["claim", "commit"]


def test_a_result_is_given_up_when_the_lease_ends_before_the_database_answers() -> None:
    book = Book({"commit": [DatabaseDown("gone")] * 9})
    runner(book, Seat(), supervisor(book, margin=CLAIM.lease.total_seconds() - 0.1))(HINT)
    assert book.said[:2] == ["claim", "commit"]
    assert len(book.said) < 5


@pytest.mark.parametrize(("failing", "said"), [(1, 2), (3, 3)])
def test_a_drained_task_is_given_back_if_that_can_be_said(failing: int, said: int) -> None:
    book = Book({"release": [DatabaseDown("gone")] * failing})
    runner(book, Seat(stopping(Stop.DRAINED)))(HINT)
    assert book.said == ["claim", *["release"] * said]


def test_a_lost_task_is_not_spoken_of() -> None:
    book = Book()
    runner(book, Seat(stopping(Stop.LOST)))(HINT)
    assert book.said == ["claim"]


def test_a_doubled_hint_is_not_claimed_while_its_twin_is_worked_on() -> None:
    book, twins = Book(), [HINT]

    def job(_: Grip) -> Product:
        while twins:
            run(twins.pop())
        return PRODUCT

    run = runner(book, Seat(job))
    run(HINT)
    assert book.said == ["claim", "commit"]
    run(HINT)
    assert book.said == ["claim", "commit"] * 2


def test_a_renewal_that_failed_is_tried_again_soon() -> None:
    book = Book({"renew": [DatabaseDown("gone")]})
    watch = supervisor(book, again=0.05)
    watch.hold(CLAIM, since=time.monotonic())
    watch.start()
    until(lambda: book.said.count("renew") == 2, within=5)
    watch.close()


@pytest.mark.parametrize(
    ("before", "outcome"),
    [(FREE_TRIES - 1, Outcome.DEPENDENCY), (FREE_TRIES, Outcome.TRANSIENT)],
)
def test_an_outage_that_no_probe_confirms_is_free_so_many_times(
    before: int, outcome: Outcome
) -> None:
    book = Book(outage_count=before)
    runner(book, Seat(raising(BrokerDown("no"))))(HINT)
    assert [why.outcome for why in book.failures] == [outcome]


def test_a_ledger_that_cannot_count_outages_spends_nothing() -> None:
    book = Book({"outages": [DatabaseDown("gone")]}, outage_count=FREE_TRIES)
    runner(book, Seat(raising(BrokerDown("no"))))(HINT)
    assert [why.outcome for why in book.failures] == [Outcome.DEPENDENCY]


def test_a_bug_fails_the_task_under_a_code_of_its_own() -> None:
    book = Book()
    runner(book, Seat(raising(RuntimeError("a bug"))))(HINT)
    assert [why.code for why in book.failures] == ["internal"]


def test_a_claim_of_what_has_been_erased_is_the_documents_trouble(tmp_path: Path) -> None:
    bench = ChildBench.__new__(ChildBench)  # it asks nobody for this
    with pytest.raises(MissingOriginal):
        bench._give_original(replace(CLAIM, key=None), tmp_path / "original", go_on)
    with pytest.raises(MissingOriginal):
        bench._put(replace(CLAIM, document=None), [], go_on)
