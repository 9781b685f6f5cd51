"""Runs what a hint points to: claim, work, commit; every way it can end badly is one here."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from queue import LifoQueue
from typing import Final, TypeVar

from docmill.domain.errors import DatabaseDown, DependencyDown, LostClaim
from docmill.domain.task import Claim, Failure, Hint, Outcome, Pool
from docmill.ops import metrics
from docmill.ops.logging import bound, logger
from docmill.ops.metrics import Step
from docmill.ops.middleware import Unforeseen, attempted
from docmill.ports import Ledger, Product
from docmill.work.bench import Bench
from docmill.work.breaker import Breaker
from docmill.work.failure import (
    ChildCrashed,
    ChildUnfit,
    DiskFull,
    StageFailed,
    Stop,
    Stopped,
    failure,
    known_code,
)
from docmill.work.grip import Grip
from docmill.work.supervisor import Supervisor
from docmill.work.turn import Turns

log = logger(__name__)
T = TypeVar("T")

_PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between tries at a dependency
_RELEASE_TRIES: Final = 3
FREE_TRIES: Final = 10
_FULL: Final = DiskFull("a child stumbled")


class Runner:
    """Called with each hint, by as many threads as there are benches.

    Returns when the hint is dealt with, raises NotNow when it was not looked at.
    """

    def __init__(
        self,
        pool: Pool,
        worker: str,
        *,
        ledger: Ledger,
        benches: Sequence[Bench],
        supervisor: Supervisor,
        breaker: Breaker,
    ) -> None:
        self._pool = pool
        self._worker = worker
        self._ledger = ledger
        self._supervisor = supervisor
        self._breaker = breaker
        self._turns = Turns()
        self._hands: set[Hint] = set()  # what the threads are busy with
        self._lock = threading.Lock()
        self._benches: LifoQueue[Bench] = LifoQueue()  # the last used one's child is in the cache
        for bench in benches:
            self._benches.put(bench)

    def __call__(self, hint: Hint) -> None:
        """Run the hinted task, if it is ours to run."""
        self._supervisor.check()
        self._breaker.wait(self._supervisor.check)
        with self._taken(hint) as first:
            if first and self._ran(hint):
                return
        metrics.CLAIMS_STALE.labels(self._pool).inc()
        log.debug("hint_stale", task=hint.task, dispatch=hint.dispatch)

    @contextmanager
    def _taken(self, hint: Hint) -> Iterator[bool]:
        """Keep the hint from the other threads: the ledger gives this worker its claim again."""
        with self._lock:
            first = hint not in self._hands
            self._hands.add(hint)
        try:
            yield first
        finally:
            if first:
                self._hands.discard(hint)

    def _ran(self, hint: Hint) -> bool:
        if self._run(hint, alone=False):
            return True
        return self._patiently(lambda: self._ledger.suspect(hint)) and self._run(hint, alone=True)

    def _run(self, hint: Hint, *, alone: bool) -> bool:
        """Claim and run; tell whether there was something to claim."""
        turn = self._turns.alone if alone else self._turns.shared
        with turn(self._supervisor.check), self._bench(alone=alone) as bench:
            since, claim = self._claim(hint, alone=alone)
            if claim is None:
                return False
            ids = {"task": claim.task, "document": claim.document, "tenant": claim.tenant}
            with bound(**ids, correlation=claim.correlation, stage=claim.stage):
                self._work(bench, claim, since)
            return True

    @contextmanager
    def _bench(self, *, alone: bool) -> Iterator[Bench]:
        bench = self._benches.get()
        try:
            self._prepare(bench, alone=alone)
            yield bench
        finally:
            self._benches.put(bench)

    def _prepare(self, bench: Bench, *, alone: bool) -> None:
        """Have a warm child before claiming; what keeps it from coming up is not the task's."""
        for pause in _pauses():
            try:
                bench.prepare(self._supervisor.check, alone=alone)
            except ChildUnfit as error:
                log.error("child_unfit", detail=str(error))  # noqa: TRY400 - known; no stack helps
                self._supervisor.check(pause)
            else:
                return

    def _claim(self, hint: Hint, *, alone: bool) -> tuple[float, Claim | None]:
        def ask() -> tuple[float, Claim | None]:
            since = time.monotonic()
            return since, self._ledger.claim(hint, worker=self._worker, alone=alone)

        return self._patiently(ask)

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask until PostgreSQL answers; raise NotNow when draining begins."""
        for pause in _pauses():
            try:
                return ask()
            except DatabaseDown as error:
                log.warning("waiting_for_database", detail=str(error))
                self._supervisor.check(pause)
        raise AssertionError  # the pauses never end

    def _work(self, bench: Bench, claim: Claim, since: float) -> None:
        grip = self._supervisor.hold(claim, since=since)
        busy = metrics.SLOTS_BUSY.labels(self._pool)
        busy.inc()
        metrics.TASK_STEP_SECONDS.labels(claim.stage, Step.CLAIM).observe(time.monotonic() - since)
        try:
            outcome = self._ended(grip, attempted(lambda: bench.work(grip)))
        finally:
            self._supervisor.let_go(grip)
            busy.dec()
        took = time.monotonic() - since
        metrics.TASK_ATTEMPTS.labels(claim.stage, outcome).inc()
        if outcome is Outcome.DONE:
            metrics.TASK_SECONDS.labels(claim.stage).observe(took)
        log.info("task_ended", outcome=outcome, page=claim.page, seconds=round(took, 3))

    def _ended(self, grip: Grip, result: Product | Unforeseen) -> Outcome:
        match result:
            case Product():
                return self._committed(grip, result)
            case Unforeseen(error=Stopped(why=Stop.DRAINED)):
                return self._released(grip)
            case Unforeseen(error=Stopped() | LostClaim()):
                return self._lost()
            case Unforeseen(error=error):
                return self._failed(grip, self._judged(grip.claim, error))

    def _committed(self, grip: Grip, product: Product) -> Outcome:
        began = time.monotonic()
        outcome = self._told(grip, Outcome.DONE, lambda: self._ledger.commit(grip.claim, product))
        step = metrics.TASK_STEP_SECONDS.labels(grip.claim.stage, Step.COMMIT)
        step.observe(time.monotonic() - began)
        return outcome

    def _failed(self, grip: Grip, why: Failure) -> Outcome:
        metrics.TASK_FAILURES.labels(grip.claim.stage, known_code(why.code)).inc()
        log.warning("task_failed", outcome=why.outcome, code=why.code, detail=why.detail)
        return self._told(grip, why.outcome, lambda: self._ledger.fail(grip.claim, why))

    def _told(self, grip: Grip, outcome: Outcome, tell: Callable[[], None]) -> Outcome:
        """Tell the ledger, as long as the lease may still hold."""
        for pause in _pauses():
            told = attempted(tell)
            match told:
                case Unforeseen(error=DatabaseDown()):
                    log.warning("waiting_for_database", detail=str(told))
                case Unforeseen(error=LostClaim()):
                    metrics.COMMITS_FENCED.labels(grip.claim.stage).inc()
                    return self._lost()
                case Unforeseen(error=error):
                    return self._unspeakable(grip, outcome, error)
                case _:
                    return outcome
            if not grip.holds_for(pause):
                return self._lost()
        raise AssertionError  # the pauses never end

    def _unspeakable(self, grip: Grip, outcome: Outcome, error: Exception) -> Outcome:
        """The ledger refused what it was told, which is a bug: the task fails with its reason."""
        log.error("ledger_refused", exc_info=error)
        if outcome is not Outcome.DONE:
            return self._lost()
        return self._failed(grip, failure(error))

    def _released(self, grip: Grip) -> Outcome:
        for pause in _PAUSES[:_RELEASE_TRIES]:
            done = attempted(lambda: self._ledger.release(grip.claim))
            if not isinstance(done, Unforeseen):
                return Outcome.RELEASED
            log.warning("not_released", error=str(done))
            time.sleep(pause)
        return self._lost()

    def _lost(self) -> Outcome:
        metrics.LEASES_LOST.labels(self._pool).inc()
        return Outcome.LOST

    def _judged(self, claim: Claim, error: Exception) -> Failure:
        why = failure(error)
        if why.code == "internal":
            log.error("task_raised", exc_info=error)
        if isinstance(error, DependencyDown) and not self._breaker.confirms(error):
            # What PostgreSQL refused or timed out is never the document's fault.
            if isinstance(error, DatabaseDown) or self._may_doubt(claim):
                return why
            return replace(why, outcome=Outcome.TRANSIENT)  # it answers us: one key, too often
        if isinstance(error, StageFailed | ChildCrashed) and self._breaker.confirms(_FULL):
            return replace(why, outcome=Outcome.DEPENDENCY)  # its child could keep no file
        return why

    def _may_doubt(self, claim: Claim) -> bool:
        """Whether a dependency that answers our probe may still be to blame: it fails at times.

        One bad key would fail for ever, so a task gets so many tries for nothing and no more.
        """
        outages = attempted(lambda: self._ledger.outages(claim))
        return isinstance(outages, Unforeseen) or outages < FREE_TRIES


def _pauses() -> Iterator[float]:
    yield from _PAUSES
    while True:
        yield _PAUSES[-1]
