import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from docmill.domain.errors import DatabaseDown, StoreDown
from docmill.domain.rejection import CorruptFile
from docmill.domain.task import Outcome
from docmill.ports import BlobMissing, Blobs, Stored
from docmill.work.breaker import Breaker, Dependency
from docmill.work.cache import BlobCache, WrongBytes
from docmill.work.failure import (
    ChildCrashed,
    DeadlinePassed,
    Hopeless,
    OutOfMemory,
    StageFailed,
    Stop,
    Stopped,
    failure,
)
from docmill.work.folder import Access, ChildFolder, workshop
from docmill.work.grip import Grip
from docmill.work.turn import Turns
from tests.stack.claim import CLAIM
from tests.stack.wait import until


# ── what an error means ─────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (Hopeless("page_unreadable", "torn"), Outcome.PERMANENT, "page_unreadable"),
        (CorruptFile("torn"), Outcome.PERMANENT, "corrupt_file"),
        (DeadlinePassed("late"), Outcome.DEADLINE, "deadline"),
        (ChildCrashed("SIGSEGV"), Outcome.CRASH, "crash"),
        (OutOfMemory("2 GB"), Outcome.CRASH, "out_of_memory"),
        (StoreDown("503"), Outcome.DEPENDENCY, "store_down"),
        (DatabaseDown("gone"), Outcome.DEPENDENCY, "database_down"),
        (StageFailed("KeyError"), Outcome.TRANSIENT, "stage_failed"),
        (ZeroDivisionError("a bug"), Outcome.TRANSIENT, "internal"),
    ],
)
def test_every_error_has_its_meaning(error: Exception, outcome: Outcome, code: str) -> None:
    found = failure(error)
    assert (found.outcome, found.code) == (outcome, code)


def test_a_detail_is_one_short_line_that_postgresql_takes() -> None:
    detail = failure(StageFailed("a\nb\x00" + "x" * 1000)).detail
    assert detail.startswith("a b")
    assert len(detail) <= 500
    assert "\x00" not in detail


# ── grip ────────────────────────────────────────────────────────────────────────────────────────
def test_a_grip_ends_before_its_lease_unless_renewed() -> None:
    now = time.monotonic()
    grip = Grip(CLAIM, since=now - 34, margin=10)
    grip.check()
    late = Grip(CLAIM, since=now - 36, margin=10)
    with pytest.raises(Stopped) as stopped:
        late.check()
    assert stopped.value.why is Stop.LOST
    renewed = Grip(CLAIM, since=now - 36, margin=10)
    renewed.renewed(now)
    renewed.check()


def test_the_first_reason_to_stop_stays() -> None:
    grip = Grip(CLAIM, since=time.monotonic(), margin=10)
    grip.end(Stop.DRAINED)
    grip.end(Stop.LOST)
    with pytest.raises(Stopped) as stopped:
        grip.check()
    assert stopped.value.why is Stop.DRAINED


def test_waiting_on_a_grip_ends_with_it() -> None:
    grip = Grip(CLAIM, since=time.monotonic(), margin=10)
    assert grip.holds_for(0.001)
    threading.Timer(0.05, grip.end, [Stop.LOST]).start()
    assert not grip.holds_for(20)


# ── turns ───────────────────────────────────────────────────────────────────────────────────────
def never() -> None:
    """Never give up waiting."""


@dataclass
class Runs:
    """Threads that take turns, and who has one now."""

    turns: Turns = field(default_factory=Turns)
    inside: list[str] = field(default_factory=list)
    leave: dict[str, threading.Event] = field(default_factory=dict)

    def begin(self, name: str) -> None:
        turn = self.turns.alone if name.startswith("alone") else self.turns.shared
        self.leave[name] = threading.Event()

        def run() -> None:
            with turn(never):
                self.inside.append(name)
                self.leave[name].wait(20)
                self.inside.remove(name)

        threading.Thread(target=run, daemon=True).start()

    def end(self, name: str) -> None:
        self.leave[name].set()


def test_many_run_side_by_side() -> None:
    runs = Runs()
    for name in ("a", "b", "c"):
        runs.begin(name)
    until(lambda: len(runs.inside) == 3)


def test_one_alone_waits_for_the_others_and_keeps_new_ones_out() -> None:
    runs = Runs()
    runs.begin("a")
    until(lambda: runs.inside == ["a"])
    runs.begin("alone")
    until(lambda: runs.turns._waiting)
    runs.begin("b")
    assert runs.inside == ["a"]
    runs.end("a")
    until(lambda: runs.inside == ["alone"])
    runs.end("alone")
    until(lambda: runs.inside == ["b"])


def test_two_are_not_alone_together() -> None:
    runs = Runs()
    runs.begin("alone 1")
    until(lambda: runs.inside == ["alone 1"])
    runs.begin("alone 2")
    until(lambda: runs.turns._waiting)
    assert runs.inside == ["alone 1"]
    runs.end("alone 1")
    until(lambda: runs.inside == ["alone 2"])


@pytest.mark.parametrize("wanted", ["shared", "alone"])
def test_who_gives_up_waiting_holds_nothing(wanted: str) -> None:
    turns = Turns()

    def give_up() -> None:
        raise TimeoutError

    turn: Callable[..., Any] = getattr(turns, wanted)
    with turns.alone(never), pytest.raises(TimeoutError), turn(give_up):
        pass
    with turns.shared(give_up), turns.shared(give_up):
        pass


# ── breaker ─────────────────────────────────────────────────────────────────────────────────────
@dataclass
class Server:
    """Answers pings, or not."""

    down: bool = False

    def ping(self) -> None:
        if self.down:
            raise StoreDown("no answer")


def fail(seconds: float) -> None:
    pytest.fail(f"waits {seconds} s")


def test_one_failing_request_is_no_outage() -> None:
    breaker = Breaker({StoreDown: Dependency("s3", Server().ping)}, pause=0.01)
    assert not breaker.confirms(StoreDown("one key"))
    breaker.wait(fail)


def test_an_outage_is_waited_out() -> None:
    server = Server(down=True)
    breaker = Breaker({StoreDown: Dependency("s3", server.ping)}, pause=0.01)
    assert breaker.confirms(StoreDown("all of it"))
    assert breaker.down == ("s3",)

    def wait(seconds: float) -> None:
        server.down = False
        until(lambda: not breaker.down)

    breaker.wait(wait)


def test_openings_and_closings_are_told() -> None:
    server, told = Server(down=True), list[tuple[str, ...]]()
    breaker = Breaker(
        {StoreDown: Dependency("s3", server.ping)},
        pause=0.01,
        changed=lambda: told.append(breaker.down),
    )
    assert breaker.confirms(StoreDown("all of it"))
    assert breaker.confirms(StoreDown("still"))
    server.down = False
    until(lambda: len(told) == 2)
    assert told == [("s3",), ()]


def test_wrong_bytes_are_an_outage_when_the_probe_fails_too() -> None:
    assert Breaker({StoreDown: Dependency("s3", Server(down=True).ping)}, pause=9).confirms(
        WrongBytes("a key")
    )


def test_what_has_no_probe_is_not_waited_for() -> None:
    breaker = Breaker({StoreDown: Dependency("s3", Server(down=True).ping)}, pause=0.01)
    assert not breaker.confirms(DatabaseDown("unknown here"))
    breaker.wait(fail)


# ── cache ──────────────────────────────────────────────────────────────────────────────────────
@dataclass
class Shelf:
    """A store in memory that counts."""

    content: dict[str, bytes]
    fetched: list[str] = field(default_factory=list)

    def fetch(self, key: str, path: Path, check: Callable[[], None]) -> Stored:
        self.fetched.append(key)
        if key not in self.content:
            raise BlobMissing(key)
        path.write_bytes(self.content[key])
        return Stored(key=key, size=len(self.content[key]), sha256=self.content[key][:1])


@pytest.fixture
def shelf() -> Shelf:
    return Shelf({"a": b"aaaa", "b": b"bbbb", "c": b"cccc"})


@pytest.fixture
def cache(tmp_path: Path, shelf: Shelf) -> BlobCache:
    return BlobCache(tmp_path / "cache", cast("Blobs", shelf), Access(None), size=10)


def test_a_blob_is_fetched_once(cache: BlobCache, shelf: Shelf, tmp_path: Path) -> None:
    for number in range(3):
        cache.give("a", b"a", tmp_path / str(number))
        assert (tmp_path / str(number)).read_bytes() == b"aaaa"
    assert shelf.fetched == ["a"]


def test_the_least_used_goes_first(cache: BlobCache, shelf: Shelf, tmp_path: Path) -> None:
    for number, key in enumerate("abac"):
        cache.give(key, None, tmp_path / str(number))
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert (tmp_path / "1").read_bytes() == b"bbbb"  # what was given stays
    cache.give("a", None, tmp_path / "again")
    assert shelf.fetched == ["a", "b", "c"]


def test_what_was_stored_from_here_is_not_fetched(
    cache: BlobCache, shelf: Shelf, tmp_path: Path
) -> None:
    for number in range(2):  # twice is safe
        (tmp_path / "made").write_bytes(b"aaaa")
        cache.add("a", tmp_path / "made")
        assert not (tmp_path / "made").exists()
        cache.give("a", b"a", tmp_path / str(number))
        assert (tmp_path / str(number)).read_bytes() == b"aaaa"
    assert shelf.fetched == []
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_other_bytes_are_neither_given_nor_kept(cache: BlobCache, tmp_path: Path) -> None:
    with pytest.raises(WrongBytes):
        cache.give("a", b"z", tmp_path / "given")
    with pytest.raises(BlobMissing):
        cache.give("none", None, tmp_path / "given")
    assert not (tmp_path / "given").exists()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_child_of_our_own_user_gets_a_copy(cache: BlobCache, tmp_path: Path) -> None:
    cache.give("a", None, tmp_path / "given")
    (tmp_path / "given").write_bytes(b"changed by a hostile child")
    cache.give("a", None, tmp_path / "next")
    assert (tmp_path / "next").read_bytes() == b"aaaa"


def test_what_nobody_uses_is_forgotten(shelf: Shelf, tmp_path: Path) -> None:
    cache = BlobCache(tmp_path / "cache", cast("Blobs", shelf), Access(None), size=10, age=0.05)
    cache.give("a", None, tmp_path / "given")
    cache.forget_old()
    assert len(list((tmp_path / "cache").iterdir())) == 1

    def forgotten() -> bool:
        cache.forget_old()
        return not list((tmp_path / "cache").iterdir())

    until(forgotten)


def test_waiting_for_another_fetch_can_be_given_up(shelf: Shelf, tmp_path: Path) -> None:
    fetching, arrived = threading.Event(), threading.Event()
    real = shelf.fetch

    def slow(key: str, path: Path, check: Callable[[], None]) -> Stored:
        fetching.set()
        arrived.wait()
        return real(key, path, check)

    shelf.fetch = slow  # type: ignore[method-assign]
    cache = BlobCache(tmp_path / "cache", cast("Blobs", shelf), Access(None), size=10)
    thread = threading.Thread(target=cache.give, args=["a", None, tmp_path / "first"])
    thread.start()
    fetching.wait()

    def check() -> None:
        raise Stopped(Stop.LOST)

    with pytest.raises(Stopped):
        cache.give("a", None, tmp_path / "second", check)
    arrived.set()
    thread.join()


def test_threads_wait_for_one_fetch(cache: BlobCache, shelf: Shelf, tmp_path: Path) -> None:
    def give(number: int) -> None:
        cache.give("a", None, tmp_path / str(number))

    threads = [threading.Thread(target=give, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shelf.fetched == ["a"]


# ── folders ─────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def folder(tmp_path: Path) -> Iterator[ChildFolder]:
    with workshop(tmp_path, Access(None)) as root:
        yield ChildFolder(root / "child", Access(None))


def test_each_job_has_an_empty_scratch_directory(folder: ChildFolder) -> None:
    first = folder.fresh_scratch()
    (first / "deep").mkdir()
    (first / "deep" / "left").write_bytes(bytes(10_000))
    (folder.fresh_inputs() / "original").touch()
    assert folder.scratch_bytes() >= 10_000
    folder.clear()
    assert folder.scratch_bytes() == 0
    assert list(folder.inputs.iterdir()) == list(folder.scratch.iterdir()) == []
    assert folder.fresh_scratch() != first


def test_clearing_follows_no_link(folder: ChildFolder, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    scratch = folder.fresh_scratch()
    (scratch / "link").symlink_to(precious)
    (folder.scratch / "other").symlink_to(precious)
    folder.clear()
    assert (precious / "file").exists()


def test_directories_that_a_child_closed_are_removed(folder: ChildFolder) -> None:
    closed = folder.fresh_scratch() / "closed"
    closed.mkdir()
    (closed / "file").touch()
    closed.chmod(0)
    folder.remove()
    assert not folder.path.exists()
