"""Children that misbehave, and what is left of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from docmill.domain.document import ArtifactKind
from docmill.testing.children import Keeper, keeper
from docmill.work.adopt import adopt
from docmill.work.failure import (
    ChildCrashed,
    ChildUnfit,
    DeadlinePassed,
    Hopeless,
    OutOfMemory,
    OutOfScratch,
    StageFailed,
    Stop,
    Stopped,
)
from docmill.work.stage import Made
from tests.stack.wait import until


@pytest.fixture
def kept() -> Iterator[Keeper]:
    with keeper() as made:
        yield made


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_it_says_hello_with_nothing_missing_here(kept: Keeper) -> None:
    assert kept.child().ready().missing == ()


def test_it_reads_its_input_and_writes_its_output(kept: Keeper) -> None:
    child = kept.child()
    outcome = kept.run(child, "echo")
    assert outcome.facts == {"said": "hello"}
    assert [made.path.read_text() for made in outcome.made] == ["hello"]
    assert child.fit


def test_it_stays_warm_from_job_to_job(kept: Keeper) -> None:
    child = kept.child()
    assert {kept.say(child, "pid") for _ in range(5)} == {str(child.pid)}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("segfault", "SIGSEGV"),
        ("abort", "SIGABRT.*terminate called after throwing 'boom'"),
        ("leave 3", "exit 3"),
        ("leave 0", "exit 0"),
        ("signalled SIGKILL", "SIGKILL, peak [0-9]+ MB"),
    ],
)
def test_a_death_is_a_crash_with_its_reason(kept: Keeper, name: str, told: str) -> None:
    child = kept.child()
    with pytest.raises(ChildCrashed, match=told):
        kept.run(child, name)
    assert not child.fit


@pytest.mark.parametrize("name", ["sleep 60", "backtrack", "ignore_sigterm 60"])
def test_a_deadline_ends_it_whatever_it_does(kept: Keeper, name: str) -> None:
    child = kept.child()
    child.ready()
    with pytest.raises(DeadlinePassed):
        kept.run(child, name, seconds=0.5)
    began = time.monotonic()
    child.end()
    assert time.monotonic() - began < 2
    assert gone(child.pid)


def test_memory_has_a_limit(kept: Keeper) -> None:
    child = kept.child(memory=128 * 2**20)
    with pytest.raises(OutOfMemory):
        kept.run(child, "hog 1000")
    assert not child.fit


def test_scratch_has_a_limit(kept: Keeper) -> None:
    with pytest.raises(OutOfScratch):
        kept.run(kept.child(), "fill_disk")


def test_a_file_has_a_limit(kept: Keeper) -> None:
    with pytest.raises(StageFailed, match="File too large"):
        kept.run(kept.child(), "large_file")


def test_a_fork_bomb_does_not_go_off(kept: Keeper) -> None:
    with pytest.raises(StageFailed, match="PermissionError"):
        kept.run(kept.child(), "fork_bomb")


def test_what_it_prints_neither_blocks_nor_confuses_it(kept: Keeper) -> None:
    child = kept.child()
    assert kept.say(child, "flood 20") == "20"
    assert kept.say(child, "echo") == "hello"


def test_a_verdict_leaves_it_fit(kept: Keeper) -> None:
    child = kept.child()
    with pytest.raises(Hopeless, match="truncated") as told:
        kept.run(child, "reject truncated")
    assert told.value.code == "corrupt_file"
    with pytest.raises(StageFailed, match="RuntimeError: oh"):
        kept.run(child, "stumble oh")
    assert kept.say(child, "echo") == "hello"


def test_one_that_cannot_warm_is_unfit(kept: Keeper) -> None:
    with pytest.raises(ChildUnfit, match="no model"):
        kept.child(settings={"DOCMILL_WARM_FAULT": "no model"}).ready()
    with pytest.raises(ChildUnfit, match="No module"):
        kept.child(stages="docmill.no.such").ready()


def test_nobody_has_to_wait_for_one_that_warms(kept: Keeper) -> None:
    child = kept.child(settings={"DOCMILL_WARM_SECONDS": "2"})

    def check() -> None:
        raise Stopped(Stop.DRAINED)

    with pytest.raises(Stopped):
        child.ready(check)
    assert not child.warm
    child.ready()
    assert kept.say(child, "echo") == "hello"


def test_the_next_child_is_not_troubled_by_the_last(kept: Keeper) -> None:
    for name in ("segfault", "hog 3000", "sleep 60"):
        child = kept.child()
        with pytest.raises((ChildCrashed, DeadlinePassed)):
            kept.run(child, name, seconds=5 if name.startswith("hog") else 0.3)
        child.end()
    assert kept.say(kept.child(), "echo") == "hello"


def test_a_stop_from_outside_is_seen_at_once(kept: Keeper) -> None:
    child = kept.child()
    child.ready()
    began = time.monotonic()

    def check() -> None:
        if time.monotonic() - began > 0.3:
            raise Stopped(Stop.LOST)

    with pytest.raises(Stopped):
        child.run(kept.job(child, "sleep 60"), within=timedelta(seconds=60), check=check)
    child.end()
    assert gone(child.pid)
    assert time.monotonic() - began < 1


def test_programs_it_started_end_with_it(kept: Keeper) -> None:
    child = kept.child(may_exec=True)
    child.ready()
    with pytest.raises(DeadlinePassed):
        kept.run(child, "grandchildren 60", seconds=1)
    family = psutil.Process(child.pid).children(recursive=True)
    assert len(family) >= 3  # the sentry, and two that sleep
    child.end()
    until(lambda: all(gone(process.pid) for process in family))  # init reaps them


def test_with_programs_allowed_the_rest_stays_closed(kept: Keeper) -> None:
    child = kept.child(may_exec=True)
    assert kept.say(child, "run_program /bin/true") == "allowed b''"
    for trespass in ("connect 1", "read /etc/passwd", "write /tmp/x", "kill parent"):
        assert kept.say(child, trespass).startswith("refused"), trespass


def test_its_folder_is_gone_after_it(kept: Keeper) -> None:
    child = kept.child()
    kept.run(child, "echo")
    child.end()
    assert not child.folder.path.exists()


def linked(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def piped(path: Path) -> None:
    os.mkfifo(path)


def shared(path: Path) -> None:
    (path.parent / "other").write_text("two names")
    path.hardlink_to(path.parent / "other")


def oversized(path: Path) -> None:
    path.write_bytes(bytes(2**20 + 1))


def behind_a_link(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))
    (path.parent.with_name("moved") / path.name).write_text("found")
    path.parent.symlink_to("moved")


@pytest.mark.parametrize("trick", [Path.mkdir, linked, piped, shared, oversized, behind_a_link])
def test_only_a_plain_file_is_taken_for_an_output(
    tmp_path: Path, trick: Callable[[Path], None]
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    trick(scratch / "out")
    made = Made(kind=ArtifactKind.PAGE, page=1, path=scratch / "out", media_type="text/plain")
    with pytest.raises(ChildCrashed):
        adopt(made, tmp_path / "kept", most=2**20)


def test_a_child_makes_no_links(kept: Keeper) -> None:
    with pytest.raises(StageFailed, match="PermissionError"):
        kept.run(kept.child(), "link /etc/passwd")


def test_an_output_is_copied_and_hashed(kept: Keeper) -> None:
    outcome = kept.run(kept.child(), "echo")
    adopted = adopt(outcome.made[0], kept.root / "kept", most=2**20)
    assert adopted.path.read_text() == "hello"
    assert (adopted.size, adopted.sha256.hex()[:8]) == (5, "2cf24dba")


ORPHANS = """
import sys
from datetime import timedelta
from docmill.domain.document import ArtifactKind
from docmill.ports import go_on
from docmill.testing.children import keeper
with keeper() as kept:
    child = kept.child(may_exec=sys.argv[1] == "exec")
    child.ready()
    print("child", child.pid, child.folder.scratch, flush=True)
    job = kept.job(child, sys.argv[2])
    child.run(job, within=timedelta(seconds=60), check=go_on)
"""


@pytest.mark.parametrize("how", ["plain sleep 60", "exec grandchildren 60"])
def test_killing_the_worker_leaves_no_orphan(how: str) -> None:
    mode, _, behaviour = how.partition(" ")
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHANS, mode, behaviour], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    said = next(line for line in parent.stdout if line.startswith("child "))
    _, pid, scratch = said.split()
    family = [psutil.Process(int(pid))]
    if mode == "exec":
        until(Path(scratch, "1", "started").exists)
        family += family[0].children(recursive=True)
        assert len(family) >= 4
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until(lambda: all(gone(process.pid) for process in family), within=5)


def test_what_a_killed_worker_left_is_swept_by_the_next(kept: Keeper) -> None:
    assert kept.root.exists()
    lost = kept.root.parent / "docmill-worker-lost"
    lost.mkdir(exist_ok=True)
    (lost / "lock").touch()
    with keeper(kept.root.parent):
        assert not lost.exists()
        assert kept.root.exists()  # its worker lives
    assert os.path.lexists(kept.root)
