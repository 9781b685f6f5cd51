"""The loop: watches PostgreSQL's clock, claims slots that are due, and runs their jobs."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Final, Protocol

from docmill.adapters.postgres.schedule import Board, Posting, Turn
from docmill.ops import metrics
from docmill.ops.health import Pulse
from docmill.ops.logging import bound, logger
from docmill.ops.middleware import Unforeseen, attempted
from docmill_scheduler.cron import effective, latest
from docmill_scheduler.job import Done, Job, Permit, Withdrawn

log = logger(__name__)

AT_ONCE: Final = 4  # jobs running in one replica
ASK_AGAIN_SECONDS: Final = 5.0  # for a slot that another replica runs
SHOW_SECONDS: Final = 5.0  # between two refreshes of the gauges
RETRY_BASE: Final = timedelta(seconds=15)
RETRY_CAP: Final = timedelta(minutes=10)
LEAVE_SECONDS: Final = 5.0  # for a run to notice that its permit is gone


class Schedule(Protocol):
    """What the loop needs of the schedule's store; see PostgresSchedule."""

    def board(self) -> Board: ...
    def claim(self, job: str, slot: datetime) -> Turn | None: ...
    def settled(self, job: str, slot: datetime) -> bool: ...
    def renew(self, turns: Collection[Turn]) -> frozenset[int]: ...
    def finish(self, turn: Turn, *, rows: int, facts: Mapping[str, object]) -> bool: ...
    def fail(self, turn: Turn, *, error: str, delay: timedelta) -> bool: ...


@dataclass(slots=True)
class _Seat:
    job: Job
    settled: datetime | None = None  # the newest slot with nothing left to do
    not_before: float = 0.0
    turn: Turn | None = None
    permit: Permit = field(default_factory=Permit)
    running: Thread | None = None

    @property
    def busy(self) -> bool:
        return self.running is not None and self.running.is_alive()


class Loop:
    """Runs the jobs of one replica; any number of replicas share the slots."""

    def __init__(
        self,
        jobs: Iterable[Job],
        schedule: Schedule,
        *,
        lease: timedelta,
        tick: timedelta = timedelta(seconds=1),
        show: Callable[[], None] = lambda: None,
    ) -> None:
        self._seats = [_Seat(job) for job in jobs if job.enabled]
        self._schedule = schedule
        self._tick_seconds = tick.total_seconds()
        self._renew_seconds = lease.total_seconds() / 4
        self._renew_at = 0.0
        self._show = show
        self._show_at = 0.0
        self.pulse = Pulse("loop", timedelta(seconds=60))

    def run(self, stop: Event, *, finish: timedelta = timedelta(seconds=60)) -> None:
        """Go round until `stop`, then give what runs the time to finish; never raise."""
        while not stop.is_set():
            failed = attempted(self.turn_round)
            if isinstance(failed, Unforeseen):
                log.error("tick_failed", error=str(failed), exc_info=failed.error)
            self._tell()
            self.pulse.beat()
            stop.wait(self._tick_seconds)
        self._leave(finish)

    def _tell(self) -> None:
        """Keep the gauges fresh, whoever asks for them and whether or not anybody does."""
        if self._show_at > time.monotonic():
            return
        self._show_at = time.monotonic() + SHOW_SECONDS
        shown = attempted(self._show)
        if isinstance(shown, Unforeseen):
            log.warning("gauges_not_shown", error=str(shown))

    def turn_round(self) -> None:
        """One round: claim what is due, renew what runs."""
        board = self._schedule.board()
        for seat in self._seats:
            self._consider(seat, board)
        self._renew()

    def _consider(self, seat: _Seat, board: Board) -> None:
        posting = board.jobs.get(seat.job.name)
        if seat.busy or seat.not_before > time.monotonic() or (posting and posting.paused):
            return
        slot = _slot(seat.job, posting, board.now)
        if seat.settled == slot or sum(each.busy for each in self._seats) >= AT_ONCE:
            return
        turn = self._schedule.claim(seat.job.name, slot)
        if turn is not None:
            self._start(seat, turn)
        elif self._schedule.settled(seat.job.name, slot):
            seat.settled = slot
        else:
            seat.not_before = time.monotonic() + ASK_AGAIN_SECONDS

    def _start(self, seat: _Seat, turn: Turn) -> None:
        seat.turn, seat.permit = turn, Permit()
        # A daemon, for one that will not end must not keep the process from ending.
        seat.running = Thread(
            target=self._work,
            args=(seat.job, turn, seat.permit),
            name=f"job-{seat.job.name}",
            daemon=True,
        )
        seat.running.start()

    def _renew(self) -> None:
        busy = [seat for seat in self._seats if seat.busy]
        if not busy or self._renew_at > time.monotonic():
            return
        self._renew_at = time.monotonic() + self._renew_seconds
        held = self._schedule.renew([seat.turn for seat in busy if seat.turn])
        for seat in busy:
            if seat.turn and seat.turn.token not in held and seat.busy:
                seat.permit.withdraw("the lease was lost")

    def _work(self, job: Job, turn: Turn, permit: Permit) -> None:
        began = time.monotonic()
        with bound(job=job.name, slot=turn.slot.isoformat(), attempt=turn.attempt):
            done = attempted(lambda: job.run(permit))
            result = attempted(lambda: self._record(turn, done))
            _tell(done, result, round(time.monotonic() - began, 3))
        metrics.SCHEDULER_RUNS.labels(job.name, _known(result)).inc()
        metrics.SCHEDULER_SECONDS.labels(job.name).observe(time.monotonic() - began)
        if isinstance(done, Done):
            metrics.SCHEDULER_ROWS.labels(job.name).inc(done.rows)

    def _record(self, turn: Turn, done: Done | Unforeseen) -> str:
        if isinstance(done, Done):
            kept = self._schedule.finish(turn, rows=done.rows, facts=done.facts)
            return "succeeded" if kept else "abandoned"
        stopped = isinstance(done.error, Withdrawn)  # nobody's fault: another replica goes on
        delay = timedelta() if stopped else min(RETRY_CAP, RETRY_BASE * 2 ** (turn.attempt - 1))
        kept = self._schedule.fail(turn, error=str(done), delay=delay)
        return "failed" if kept else "abandoned"

    def _leave(self, finish: timedelta) -> None:
        deadline = time.monotonic() + finish.total_seconds()
        while self._running() and time.monotonic() < deadline:
            attempted(self._renew)
            self._wait(min(1.0, deadline - time.monotonic()))
        for seat in self._seats:
            seat.permit.withdraw("the service stops")
        self._wait(LEAVE_SECONDS)

    def _wait(self, seconds: float) -> None:
        """Wait so long for what runs."""
        until = time.monotonic() + seconds
        for running in self._running():
            running.join(max(0.0, until - time.monotonic()))

    def _running(self) -> list[Thread]:
        return [seat.running for seat in self._seats if seat.running and seat.busy]


def _slot(job: Job, posting: Posting | None, now: datetime) -> datetime:
    return latest(effective(job.cron, posting.cron if posting else None), now)


def _known(result: str | Unforeseen) -> str:
    # what could not be recorded is run again when its lease is over
    return "abandoned" if isinstance(result, Unforeseen) else result


def _tell(done: Done | Unforeseen, result: str | Unforeseen, seconds: float) -> None:
    known = {"result": _known(result), "seconds": seconds}
    if isinstance(done, Done):
        log.info("job_done", rows=done.rows, **done.facts, **known)
    elif isinstance(done.error, Withdrawn):
        log.info("job_stopped", reason=str(done.error), **known)
    else:
        log.error("job_failed", error=str(done), exc_info=done.error, **known)
    if isinstance(result, Unforeseen):
        log.error("job_unrecorded", error=str(result), exc_info=result.error)
