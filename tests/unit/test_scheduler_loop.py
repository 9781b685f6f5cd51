import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from docmill.adapters.postgres.schedule import Board, Posting, Turn
from docmill.ops.metrics import Job as Name
from docmill_scheduler.job import Done, Job, Permit, Withdrawn
from docmill_scheduler.loop import Loop
from tests.stack.wait import until

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=0.04)


class Book:
    """A schedule in memory whose clock the test moves."""

    def __init__(self) -> None:
        self.now = NOON
        self.posted: dict[str, Posting] = {}
        self.done: list[tuple[str, datetime]] = []
        self.failed: list[tuple[str, str, timedelta]] = []
        self.claimed: list[tuple[str, datetime]] = []
        self.lost: set[int] = set()
        self.refused = False

    def board(self) -> Board:
        return Board(self.now, self.posted)

    def claim(self, job: str, slot: datetime) -> Turn | None:
        if self.refused or (job, slot) in self.done:
            return None
        self.claimed.append((job, slot))
        return Turn(job=job, slot=slot, token=len(self.claimed), attempt=1)

    def settled(self, job: str, slot: datetime) -> bool:
        return (job, slot) in self.done

    def renew(self, turns: Collection[Turn]) -> frozenset[int]:
        return frozenset(turn.token for turn in turns) - self.lost

    def finish(self, turn: Turn, *, rows: int, facts: Mapping[str, object]) -> bool:
        self.done.append((turn.job, turn.slot))
        return True

    def fail(self, turn: Turn, *, error: str, delay: timedelta) -> bool:
        self.failed.append((turn.job, error, delay))
        return True


class Endless:
    """A job that goes on until its permit is gone, or its test is over."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.over = threading.Event()

    def __call__(self, permit: Permit) -> Done:
        self.began.set()
        while not self.over.wait(0.001):
            permit.check()
        return Done()


@pytest.fixture
def endless() -> Iterator[Endless]:
    # a failed slot is claimed again: its run may outlive the test, and must not keep the process
    made = Endless()
    yield made
    made.over.set()


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


def nothing(permit: Permit) -> Done:
    return Done()


def panic(permit: Permit) -> Done:
    raise ZeroDivisionError("by design")


def loop(book: Book, *jobs: Job) -> Loop:
    return Loop(jobs, book, lease=LEASE, tick=timedelta(milliseconds=1))


def job(name: Name = Name.AUDIT, run: object = nothing, cron: str = "0 * * * *") -> Job:
    assert callable(run)
    return Job(name=name, cron=cron, run=run)


def turn_until(made: Loop, condition: Callable[[], bool]) -> None:
    def turned() -> bool:
        made.turn_round()
        return condition()

    until(turned)


def test_a_slot_runs_once(book: Book) -> None:
    made = loop(book, job())
    made.turn_round()
    until(lambda: book.done)
    for _ in range(5):
        made.turn_round()
    assert book.done == [("audit", NOON)]


def test_of_missed_slots_only_the_latest_runs(book: Book) -> None:
    made = loop(book, job())
    made.turn_round()
    until(lambda: book.done)
    book.now = NOON + timedelta(hours=5, minutes=3)
    turn_until(made, lambda: len(book.done) == 2)
    assert book.done[1] == ("audit", NOON + timedelta(hours=5))


def test_a_job_that_panics_stops_neither_the_loop_nor_the_others(book: Book) -> None:
    made = loop(book, job(Name.AUDIT, panic), job(Name.KEYS))
    made.turn_round()
    until(lambda: book.done and book.failed)
    assert book.done == [("keys", NOON)]
    ((name, error, delay),) = book.failed
    assert (name, error) == ("audit", "ZeroDivisionError: by design")
    assert delay == timedelta(seconds=15)


def test_a_paused_job_does_not_run(book: Book) -> None:
    book.posted["audit"] = Posting(paused=True, cron=None)
    loop(book, job()).turn_round()
    assert book.claimed == []


def test_an_operators_cron_overrides_the_setting(book: Book) -> None:
    book.now = NOON + timedelta(minutes=7)
    book.posted["audit"] = Posting(paused=False, cron="*/5 * * * *")
    loop(book, job()).turn_round()
    assert book.claimed == [("audit", NOON + timedelta(minutes=5))]


def test_an_operators_bad_cron_changes_nothing(book: Book) -> None:
    book.posted["audit"] = Posting(paused=False, cron="often")
    loop(book, job()).turn_round()
    assert book.claimed == [("audit", NOON)]


def test_a_job_that_is_off_is_no_part_of_the_loop(book: Book) -> None:
    off = Job(name=Name.AUDIT, cron="0 * * * *", run=nothing, enabled=False)
    loop(book, off).turn_round()
    assert book.claimed == []


def test_a_lost_lease_withdraws_the_permit(book: Book, endless: Endless) -> None:
    made = loop(book, job(run=endless))
    made.turn_round()
    assert endless.began.wait(5)
    book.lost = {1}
    turn_until(made, lambda: bool(book.failed))
    assert book.failed[0][1].startswith("Withdrawn")


def test_a_stop_gives_running_jobs_time_to_finish(book: Book, stop: threading.Event) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(permit: Permit) -> Done:
        began.set()
        assert go_on.wait(5)
        return Done()

    running = threading.Thread(target=loop(book, job(run=slow)).run, args=(stop,))
    running.start()
    assert began.wait(5)
    stop.set()
    go_on.set()
    running.join(5)
    assert not running.is_alive()
    assert book.done == [("audit", NOON)]


def test_a_job_that_does_not_finish_in_time_is_handed_on_at_once(
    book: Book, stop: threading.Event, endless: Endless
) -> None:
    made = loop(book, job(run=endless))
    running = threading.Thread(
        target=made.run, args=(stop,), kwargs={"finish": timedelta(milliseconds=50)}
    )
    running.start()
    assert endless.began.wait(5)
    stop.set()
    running.join(10)
    assert book.failed == [("audit", "Withdrawn: the service stops", timedelta())]


def test_the_loop_survives_a_schedule_that_fails(book: Book, stop: threading.Event) -> None:
    class Flaky(Book):
        turns = 0

        def board(self) -> Board:
            self.turns += 1
            if self.turns < 3:
                raise ConnectionError("PostgreSQL is away")
            return super().board()

    flaky = Flaky()
    running = threading.Thread(target=loop(flaky, job()).run, args=(stop,))
    running.start()
    until(lambda: flaky.done)
    stop.set()
    running.join(5)


def test_a_withdrawn_permit_stays_withdrawn() -> None:
    permit = Permit()
    permit.check()
    permit.withdraw("first")
    permit.withdraw("second")
    with pytest.raises(Withdrawn, match="first"):
        permit.check()
